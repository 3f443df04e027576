#pragma once
// How long the statements of clients take, counted by the server itself: db_query_duration_ms and
// database_query_duration_seconds, and rls_context_set_duration_ms for those that set the context
// of row-level security.
//
// One observation for each statement that a client sends and that is executed, whether it succeeds
// or fails: the time in the executor, triggers included, planning and waiting for the client
// between two fetches not. What a function runs is part of the statement that called it, and so is
// the work of parallel workers. BEGIN, COMMIT and the like are no statements here, nor is what a
// deferred trigger runs.

namespace monitoring::hooks {

/// Installs the executor and utility hooks. Called once, while the library is preloaded.
void time_statements();

}  // namespace monitoring::hooks
