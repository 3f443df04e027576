#include "monitoring/hooks/statements.hpp"

#include "monitoring/pg/run_then.hpp"
#include "monitoring/pg/version.hpp"

extern "C" {
#include <executor/executor.h>
#include <miscadmin.h>
#include <nodes/plannodes.h>
#include <portability/instr_time.h>
#include <tcop/utility.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <iterator>

#include "hooks/context_settings.hpp"
#include "monitoring/pg/client.hpp"
#include "monitoring/pg/settings.hpp"
#include "monitoring/shmem/database_names.hpp"
#include "monitoring/shmem/registry.hpp"

namespace monitoring::hooks {

namespace {

using shmem::MetricSpec;
using shmem::MetricType;

constexpr double kSeconds[] = {.0001, .00025, .0005, .001, .0025, .005, .01, .025,
                               .05,   .1,     .25,   .5,   1,     2.5,  5,   10};
constexpr double kMilliseconds[] = {.1, .25, .5,  1,   2.5,  5,    10,   25,
                                    50, 100, 250, 500, 1000, 2500, 5000, 10000};
static_assert(std::size(kSeconds) == std::size(kMilliseconds));

constexpr MetricSpec kQuerySeconds = {"database_query_duration_seconds",
                                      MetricType::histogram,
                                      "Time that statements of clients took.",
                                      "seconds",
                                      kSeconds,
                                      std::size(kSeconds)};
constexpr MetricSpec kQueryMs = {"db_query_duration_ms",
                                 MetricType::histogram,
                                 "Time that statements of clients took, in milliseconds.",
                                 "",
                                 kMilliseconds,
                                 std::size(kMilliseconds)};
constexpr MetricSpec kContextMs = {
    "rls_context_set_duration_ms",
    MetricType::histogram,
    "Time to set the context of row-level security, in milliseconds.",
    "",
    kMilliseconds,
    std::size(kMilliseconds)};

ExecutorRun_hook_type next_run = nullptr;
ExecutorFinish_hook_type next_finish = nullptr;
ExecutorEnd_hook_type next_end = nullptr;
ProcessUtility_hook_type next_utility = nullptr;

/// How many statements surround the one that begins: 0 for what the client has sent.
int depth = 0;

/// Time of the client's statements whose end has not come, of several where portals take turns.
/// An entry whose transaction is over is free: an aborted portal has no end.
struct Spent {
  const QueryDesc* query;
  LocalTransactionId transaction;
  double ms;
};
Spent spent[8];

/// Only clients' own backends: no parallel worker, no background worker.
bool is_counted() {
  return MyBackendType == B_BACKEND && pg::settings().track_queries && shmem::registry_available();
}

/// On a standby nobody else tells what the database is called.
void introduce_database() {
  static bool done = false;
  if (done) return;
  done = true;
  if (const char* name = pg::requested_database()) shmem::note_name(MyDatabaseId, name);
}

void count_statement(double ms) {
  static shmem::HookSeries in_seconds;
  static shmem::HookSeries in_ms;
  introduce_database();
  in_seconds.observe(kQuerySeconds, ms / 1000);
  in_ms.observe(kQueryMs, ms);
}

void count_context(double ms) {
  static shmem::HookSeries in_ms;
  in_ms.observe(kContextMs, ms);
}

double ms_since(const instr_time& begin) {
  instr_time now;
  INSTR_TIME_SET_CURRENT(now);
  INSTR_TIME_SUBTRACT(now, begin);
  return INSTR_TIME_GET_MILLISEC(now);
}

Spent* find_spent(const QueryDesc* query) {
  const LocalTransactionId transaction = pg::own_local_transaction();
  const auto found = std::find_if(std::begin(spent), std::end(spent), [&](const Spent& entry) {
    return entry.query == query && entry.transaction == transaction;
  });
  return found != std::end(spent) ? found : nullptr;
}

void keep_spent(const QueryDesc* query, double ms) {
  if (Spent* entry = find_spent(query)) {
    entry->ms += ms;
    return;
  }
  const LocalTransactionId transaction = pg::own_local_transaction();
  Spent* entry = std::find_if(std::begin(spent), std::end(spent), [&](const Spent& other) {
    return other.query == nullptr || other.transaction != transaction;
  });
  // So many portals take turns that one has to be counted before its end.
  if (entry == std::end(spent)) {
    entry = spent;
    count_statement(entry->ms);
  }
  *entry = {query, transaction, ms};
}

void count_spent(const QueryDesc* query) {
  Spent* entry = find_spent(query);
  if (entry == nullptr) return;
  entry->query = nullptr;
  count_statement(entry->ms);
}

/// Runs one of the executor's phases for a statement of the client and keeps its time. A statement
/// that fails has no end, and is counted here.
template <class Phase>
void run_timed(const QueryDesc* query, Phase&& phase) {
  instr_time begin;
  INSTR_TIME_SET_CURRENT(begin);
  bool failed = true;
  ++depth;
  pg::run_then(
      [&] {
        phase();
        failed = false;
      },
      [&] {
        --depth;
        keep_spent(query, ms_since(begin));
        if (failed) count_spent(query);
      });
}

template <class Phase>
void run_below(Phase&& phase) {
  ++depth;
  pg::run_then(phase, [] { --depth; });
}

template <class Phase>
void run_phase(const QueryDesc* query, bool timed, Phase&& phase) {
  if (timed && depth == 0 && is_counted()) return run_timed(query, phase);
  run_below(phase);
}

bool times_context(bool sets_context) {
  return sets_context && is_counted();
}

/// The arguments after the first differ between the major versions.
template <class... Rest>
void on_run(QueryDesc* query, Rest... rest) {
  const auto run = [&] {
    next_run != nullptr ? next_run(query, rest...) : standard_ExecutorRun(query, rest...);
  };
  if (!times_context(sets_rls_context(query->plannedstmt))) return run_phase(query, true, run);
  instr_time begin;
  INSTR_TIME_SET_CURRENT(begin);
  run_phase(query, true, run);
  count_context(ms_since(begin));
}

/// AFTER triggers run here; a plain SELECT has none, and its two looks at the clock are saved.
void on_finish(QueryDesc* query) {
  const bool has_triggers = query->operation != CMD_SELECT || query->plannedstmt->hasModifyingCTE;
  run_phase(query, has_triggers,
            [&] { next_finish != nullptr ? next_finish(query) : standard_ExecutorFinish(query); });
}

void on_end(QueryDesc* query) {
  if (depth == 0) count_spent(query);
  next_end != nullptr ? next_end(query) : standard_ExecutorEnd(query);
}

void on_utility(PlannedStmt* planned, const char* text, bool read_only_tree,
                ProcessUtilityContext context, ParamListInfo params, QueryEnvironment* environment,
                DestReceiver* destination, QueryCompletion* completion) {
  const ProcessUtility_hook_type next =
      next_utility != nullptr ? next_utility : standard_ProcessUtility;
  const auto run = [&] {
    next(planned, text, read_only_tree, context, params, environment, destination, completion);
  };
  // The statement may be gone with its memory when it has run.
  const bool is_context = times_context(sets_rls_context(planned));
  const bool is_statement =
      depth == 0 && !IsA(planned->utilityStmt, TransactionStmt) && is_counted();
  if (!is_context && !is_statement) return run_below(run);
  instr_time begin;
  INSTR_TIME_SET_CURRENT(begin);
  ++depth;
  pg::run_then(run, [&] {
    --depth;
    const double ms = ms_since(begin);
    if (is_statement) count_statement(ms);
    if (is_context) count_context(ms);
  });
}

}  // namespace

void time_statements() {
  next_run = ExecutorRun_hook;
  ExecutorRun_hook = on_run;
  next_finish = ExecutorFinish_hook;
  ExecutorFinish_hook = on_finish;
  next_end = ExecutorEnd_hook;
  ExecutorEnd_hook = on_end;
  next_utility = ProcessUtility_hook;
  ProcessUtility_hook = on_utility;
}

}  // namespace monitoring::hooks
