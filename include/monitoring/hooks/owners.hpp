#pragma once
// DROP ROLE of a role that rules, collectors, queues or packs were given to: the server knows no
// dependency on it, so that it cannot refuse. Who drops it is told what will not run any more; what
// stays so is in health.

#include "monitoring/pg/postgres.hpp"

extern "C" {
#include <nodes/parsenodes.h>
}

namespace monitoring::hooks {

/// The roles that a statement drops, before it does.
List* dropped_roles(const Node* statement);

/// A WARNING that names what belongs to one of them.
void warn_of_ownerless(const List* roles);

}  // namespace monitoring::hooks
