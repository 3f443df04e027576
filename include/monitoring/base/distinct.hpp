#pragma once
// How many kinds there are, told from a sample.

#include <cstddef>

namespace monitoring {

/// The number of equally frequent kinds of which so many draws show so many, drawn > 0: the D of
/// seen = D (1 - exp(-drawn / D)), the most likely one. Where no kind was drawn twice nothing is
/// known but that there are many: half the square of the draws. Kinds of unequal frequency are
/// more.
double expected_kinds(std::size_t drawn, std::size_t seen);

}  // namespace monitoring
