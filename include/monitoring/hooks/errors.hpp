#pragma once
// What goes wrong, counted where the server writes it to its log: errors_total by class of SQLSTATE
// and severity, rls_violations_total, authentication_failures_total by reason and database.
//
// Seen is what is logged: nothing that PL/pgSQL catches, and nothing below log_min_messages.

namespace monitoring::hooks {

/// Installs the log hook. Called once, while the library is preloaded.
void count_errors();

}  // namespace monitoring::hooks
