#pragma once
// Notes that measurements of an hour were updated or deleted, for the next roll-up pass.

#include <cstdint>

namespace monitoring::store {

/// Writes one row into monitoring.rollup_corrections, as part of the current transaction and
/// whoever the user is; as a rule once for an hour and transaction. removed: deleted, not updated.
/// timestamp: that of the measurement; -infinity stands for a TRUNCATE.
void note_correction(std::int64_t timestamp, bool removed);

/// A pass takes the notes: what this transaction goes on to change must be noted again.
void forget_noted_corrections();

}  // namespace monitoring::store
