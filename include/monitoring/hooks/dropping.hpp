#pragma once
// The extension is dropped by who says so, and not along with something else. Some of its objects
// lie in the schema public, so that DROP SCHEMA public CASCADE, the usual way to reset an
// application, would take the whole of it along, even for roles that may not drop it.

#include "monitoring/pg/postgres.hpp"

extern "C" {
#include <nodes/nodes.h>
}

namespace monitoring::hooks {

/// Watches what is dropped. Once, from _PG_init.
void watch_drops();

/// Between these two the statement runs. It may take the extension along if it names it, or its
/// schema, or drops all that the extension's owner has.
bool begin_statement(const Node* statement);
void end_statement(bool outer);

/// Refuses to rename a schema that objects of the extension lie in: its own code, and others',
/// finds them by their names.
void refuse_rename(const Node* statement);

}  // namespace monitoring::hooks
