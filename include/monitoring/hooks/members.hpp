#pragma once
// Objects that belong to the extension stay as CREATE EXTENSION made them.

struct RangeVar;

namespace monitoring::hooks {

/// Refuses CREATE OR REPLACE of the extension's functions and views. The server allows it to their
/// owner, so that a script from before the extension, run once more, would take them over.
void watch_members();

/// Under the server's error handling: raises 42723 if the relation of this name is the extension's.
void refuse_to_replace(const RangeVar* view);

}  // namespace monitoring::hooks
