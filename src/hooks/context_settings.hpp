#pragma once
// Which statements set what row-level security goes by.

#include "monitoring/pg/postgres.hpp"

struct PlannedStmt;

namespace monitoring::hooks {

/// Whether the statement is SET or SET LOCAL of a setting in monitoring.rls_context_settings, or a
/// SELECT of nothing but expressions, one of which is set_config() with such a name written out.
bool sets_rls_context(const PlannedStmt* statement);

}  // namespace monitoring::hooks
