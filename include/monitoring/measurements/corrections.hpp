#pragma once
// Notes that measurements of an hour were updated or deleted, for the next roll-up pass.

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <access/htup.h>
}
// clang-format keeps the server's headers first.
#include <cstdint>

namespace monitoring::measurements {

/// What is noted of one measurement.
struct Correction {
  std::int64_t timestamp;             // -infinity stands for a TRUNCATE
  const struct varlena* metric_name;  // not compressed, not out of line
  bool removed;                       // deleted, not updated
  /// Of a deleted one: whether a pass may turn out to have seen it.
  std::uint64_t inserter;
};

/// A pass had seen the row when it was deleted. There is no such transaction.
constexpr std::uint64_t kSeenBefore = 1;

/// kSeenBefore; or the full id of the transaction that wrote this version of a row, if no pass has
/// seen it. One that runs while the deletion is not committed may see it yet, and has then seen all
/// of that transaction: where the last pass has seen but a part, this version is in the other one.
std::uint64_t inserter_of_deleted(HeapTuple tuple);

/// Writes one row into monitoring_internal.rollup_corrections, as part of the current transaction
/// and whoever the user is; as a rule once for a metric, hour, transaction and inserter.
void note_correction(const Correction& correction);

/// A pass takes the notes: what this transaction goes on to change must be noted again.
void forget_noted_corrections();

}  // namespace monitoring::measurements
