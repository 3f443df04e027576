#pragma once
// What the work of this process costs. Counted in its memory, and added to
// monitoring_internal.cost_hours every so often.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <cstdint>
#include <string>
#include <vector>

#include "monitoring/base/clock.hpp"

namespace monitoring::collect {

enum class CostPart { duty, collector };

struct Cost {
  std::uint64_t runs = 0;
  std::uint64_t failures = 0;
  Duration took{0};
  std::uint64_t rows_written = 0;
};

struct CountedCost {
  CostPart part;
  std::string name;
  Cost cost;
};

/// Never throws but for memory.
void count_cost(CostPart part, const std::string& name, const Cost& cost);

/// Adds what was counted since the last call to the hour of `now`, and returns it.
std::vector<CountedCost> save_costs(pg::Spi& spi, Instant now);

}  // namespace monitoring::collect
