#pragma once
// What must hold between the extension's tables, whatever crashed, was restored or changed by hand.

#include <string>
#include <vector>

#include "monitoring/pg/spi.hpp"

namespace monitoring::invariants {

/// One invariant and whether it holds.
struct InvariantCheck {
  std::string name;
  bool ok;
  std::string detail;  // of what does not: how many, and the first of them
};

/// Looks at all of them; of what is large at a random sample. A check that fails itself is not ok,
/// with its error. Writes nothing.
std::vector<InvariantCheck> check_invariants(pg::Spi& spi);

/// The same once a day by the worker: an open issue invariant_violated says what does not hold.
void report_invariants(pg::Spi& spi);

}  // namespace monitoring::invariants
