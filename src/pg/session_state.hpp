#pragma once
// What SQL of one owner could leave in a session for the next one's. README.md beside this file
// has the list.

#include "monitoring/pg/guard.hpp"

namespace monitoring::pg {

/// Before SQL runs as this role. Throws 55000 in a user's session whose dblink connections the role
/// could use: they are that user's, and there is no way to hide them.
void prepare_session_for(Oid owner);

/// After it has run: closes dblink connections and, in a background worker, releases advisory locks
/// of the session. In a user's session these cannot be told from the user's own.
void clean_session();

}  // namespace monitoring::pg
