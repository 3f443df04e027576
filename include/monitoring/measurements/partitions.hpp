#pragma once
// The partitions of pipeline_metrics by UTC day.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "monitoring/base/clock.hpp"
#include "monitoring/pg/periods.hpp"
#include "monitoring/pg/spi.hpp"

namespace monitoring::measurements {

struct DayPartition {
  Oid oid;
  std::string name;  // in schema monitoring
  Instant start;
};

/// The attached partitions that hold one UTC day, oldest first.
std::vector<DayPartition> day_partitions();

/// The start of the UTC day of an instant.
Instant day_of(Instant instant);

/// all: from the raw retention on; while the extension is being made and nobody else writes.
/// to_come: those that nobody writes to yet.
enum class Days { all, to_come };

/// Makes the partitions that are missing up to days_ahead from now. Each one waits for locks 100 ms
/// at most. Returns how many were made.
int maintain_partitions(pg::Spi& spi, Instant now, Days days, int days_ahead);

/// The longest that anything here waits for a lock: an INSERT queues behind a waiting ALTER TABLE.
/// Runs body in a subtransaction under that limit; false if a lock was not to be had.
bool with_short_lock_waits(pg::Spi& spi, const std::function<void()>& body);

/// The effective retention of a kind; nullopt for ever.
std::optional<Instant> cutoff(pg::Spi& spi, const char* kind, Instant now);

}  // namespace monitoring::measurements
