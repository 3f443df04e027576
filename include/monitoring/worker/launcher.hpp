#pragma once
// The launcher: one process per cluster that starts and watches one worker per database that has
// the extension. See src/worker/README.md.

namespace monitoring::worker {

/// Registers the launcher with the postmaster. Called once, while the library is preloaded.
void register_launcher();

}  // namespace monitoring::worker
