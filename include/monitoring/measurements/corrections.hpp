#pragma once
// Notes that measurements of an hour were updated or deleted, for the next roll-up pass.

#include <cstdint>

namespace monitoring::measurements {

/// What is noted of one measurement.
struct Correction {
  std::int64_t timestamp;             // -infinity stands for a TRUNCATE
  const struct varlena* metric_name;  // not compressed, not out of line
  bool removed;                       // deleted, not updated
  /// Full id of the transaction that inserted it; 0 where that is not known, because it was updated
  /// since.
  std::uint64_t inserter;
};

/// Writes one row into monitoring_internal.rollup_corrections, as part of the current transaction
/// and whoever the user is; as a rule once for a metric, hour and transaction. Of deleted rows the
/// oldest inserter is what counts, and rows lie about in the order of their age.
void note_correction(const Correction& correction);

/// A pass takes the notes: what this transaction goes on to change must be noted again.
void forget_noted_corrections();

}  // namespace monitoring::measurements
