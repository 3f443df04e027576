#pragma once
// From the record ring into monitoring.pipeline_metrics.

#include "monitoring/pg/postgres.hpp"
// clang-format keeps the server's headers first.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "monitoring/metrics/record.hpp"

namespace monitoring::measurements {

struct DrainResult {
  std::uint64_t rows = 0;  ///< inserted
  bool more = false;       ///< records are left that could be drained now
  bool busy = false;       ///< another transaction drains, and was left alone
};

/// What to do when another transaction is draining this database.
enum class IfBusy { leave, wait };

/// Inserts up to this many recorded measurements in the current transaction. They leave the ring
/// when it commits, and stay there when it, or the subtransaction that this was called in, rolls
/// back. Until the transaction ends nobody else drains. A record that a constraint or trigger of
/// the table refuses is counted and skipped. Any other error is thrown.
DrainResult drain_records(std::size_t most_rows, IfBusy if_busy);

/// Whether this transaction has drained, and therefore keeps others from it.
bool has_drained();

/// Inserts one measurement by SQL, as the current user. `tags` are the bytes of a jsonb Datum.
void insert_record(const metrics::Record& record);

/// Inserts measurements in the current transaction; those that a constraint or trigger of the table
/// refuses are left out. Returns how many went in.
std::uint64_t insert_records(const std::vector<metrics::Record>& records);

/// Removes what databases that no longer exist have left in the ring.
void discard_gone_databases();

}  // namespace monitoring::measurements
