#pragma once
// The last means against libraries that wait for the network and do not ask whether somebody wants
// them to stop, such as libpq while it connects (dblink).

#include "monitoring/pg/guard.hpp"

namespace monitoring::pg {

/// Shuts every socket of this process down but the client's: who waits for one gets an error, and
/// comes back to where interrupts are looked at. For signal handlers, and for a process that has
/// been asked to stop in vain; it has no socket of its own that it needs.
void break_connections();

}  // namespace monitoring::pg
