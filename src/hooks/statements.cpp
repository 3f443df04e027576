#include "monitoring/hooks/statements.hpp"

#include "monitoring/pg/run_then.hpp"
#include "monitoring/pg/version.hpp"

extern "C" {
#include <access/xact.h>
#include <executor/executor.h>
#include <miscadmin.h>
#include <nodes/plannodes.h>
#include <portability/instr_time.h>
#include <tcop/pquery.h>
#include <tcop/utility.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <iterator>
#include <utility>

#include "hooks/context_settings.hpp"
#include "monitoring/metrics/query_duration.hpp"
#include "monitoring/pg/client.hpp"
#include "monitoring/pg/settings.hpp"
#include "monitoring/shmem/database_names.hpp"
#include "monitoring/shmem/registry.hpp"

namespace monitoring::hooks {

namespace {

using shmem::MetricSpec;
using shmem::MetricType;

constexpr MetricSpec kContextMs = {
    "rls_context_set_duration_ms",
    MetricType::histogram,
    "Time to set the context of row-level security, in milliseconds.",
    "",
    metrics::kQueryMsBounds,
    std::size(metrics::kQueryMsBounds)};

ExecutorRun_hook_type next_run = nullptr;
ExecutorFinish_hook_type next_finish = nullptr;
ExecutorEnd_hook_type next_end = nullptr;
ProcessUtility_hook_type next_utility = nullptr;

/// Inside a statement of the client: what begins now is part of it.
bool inside = false;

/// One that has run, and whose AFTER triggers are next. Nothing comes between the two.
struct Unfinished {
  const QueryDesc* query;
  instr_time begin;
};
Unfinished unfinished;

/// Time of a statement that the client fetches in parts; of several, where portals take turns.
struct Kept {
  const QueryDesc* query;
  double seconds;
};
Kept kept[8];
bool keeps_any = false;

/// Only clients' own backends, no parallel worker and no background worker; and only where a portal
/// runs: what a deferred trigger does at the end of a transaction is no client's statement.
bool is_counted() {
  return MyBackendType == B_BACKEND && ActivePortal != nullptr && pg::settings().track_queries;
}

/// On a standby nobody else tells what the database is called.
void introduce_database() {
  static bool done = false;
  if (done) return;
  done = true;
  if (const char* name = pg::requested_database()) shmem::note_name(MyDatabaseId, name);
}

/// Readers see it in milliseconds, too.
void count_statement(double seconds) {
  static shmem::HookSeries series;
  introduce_database();
  series.observe(metrics::kQuerySeconds, seconds);
}

void count_context(double seconds) {
  static shmem::HookSeries series;
  series.observe(kContextMs, seconds * 1000);
}

double seconds_since(const instr_time& begin) {
  instr_time now;
  INSTR_TIME_SET_CURRENT(now);
  INSTR_TIME_SUBTRACT(now, begin);
  return INSTR_TIME_GET_DOUBLE(now);
}

Kept* find_kept(const QueryDesc* query) {
  const auto found = std::find_if(std::begin(kept), std::end(kept),
                                  [&](const Kept& entry) { return entry.query == query; });
  return found != std::end(kept) ? found : nullptr;
}

double take(Kept& entry) {
  entry.query = nullptr;
  return entry.seconds;
}

double take_kept(const QueryDesc* query) {
  Kept* const entry = keeps_any ? find_kept(query) : nullptr;
  return entry != nullptr ? take(*entry) : 0;
}

/// An aborted portal has no end: what is still there ends with the transaction.
void count_all_kept(XactEvent event, void*) {
  const bool is_end = event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT;
  if (!is_end || !keeps_any) return;
  for (Kept& entry : kept) {
    if (entry.query != nullptr) count_statement(take(entry));
  }
  keeps_any = false;
}

void watch_transactions() {
  static bool watching = false;
  if (!watching) RegisterXactCallback(count_all_kept, nullptr);
  watching = true;
}

void keep(const QueryDesc* query, double seconds) {
  watch_transactions();
  keeps_any = true;
  const double before = take_kept(query);
  Kept* entry = find_kept(nullptr);
  // So many portals take turns that one has to be counted before its end.
  if (entry == nullptr) {
    entry = kept;
    count_statement(take(*entry));
  }
  *entry = {query, before + seconds};
}

/// Whether ExecutorFinish has anything to do. It comes at once, as the portals of such statements
/// run to their end in one go.
bool has_triggers(const QueryDesc* query) {
  return query->operation != CMD_SELECT || query->plannedstmt->hasModifyingCTE;
}

/// Where the client takes all rows, this was the whole statement.
void end_run(const QueryDesc* query, const instr_time& begin, bool whole, bool failed) {
  if (!failed && has_triggers(query)) {
    unfinished = {query, begin};
    return;
  }
  const double seconds = seconds_since(begin);
  if (!failed && !whole) return keep(query, seconds);
  count_statement(take_kept(query) + seconds);
}

/// Runs body, and last(failed) in any case. What a statement runs meanwhile is part of it.
template <class Body, class Last>
void run_inside(Body&& body, Last&& last) {
  bool failed = true;
  inside = true;
  pg::run_then(
      [&] {
        body();
        failed = false;
      },
      [&] {
        inside = false;
        last(failed);
      });
}

template <class Body>
void run_uncounted(Body&& body) {
  run_inside(body, [](bool) {});
}

template <class Run>
void run_statement(const QueryDesc* query, bool whole, Run&& run) {
  instr_time begin;
  INSTR_TIME_SET_CURRENT(begin);
  unfinished.query = nullptr;
  run_inside(run, [&](bool failed) { end_run(query, begin, whole, failed); });
}

template <class Run>
void time_context(bool sets_context, Run&& run) {
  if (!sets_context || !is_counted()) return run();
  instr_time begin;
  INSTR_TIME_SET_CURRENT(begin);
  run();
  count_context(seconds_since(begin));
}

/// The arguments after the third differ between the major versions.
template <class... Rest>
void on_run(QueryDesc* query, ScanDirection direction, uint64 rows, Rest... rest) {
  const auto run_next = [&] {
    next_run != nullptr ? next_run(query, direction, rows, rest...)
                        : standard_ExecutorRun(query, direction, rows, rest...);
  };
  time_context(sets_rls_context(query->plannedstmt), [&] {
    if (inside) return run_next();
    // A portal that is at its end does not move any more.
    if (!is_counted() || direction == NoMovementScanDirection) return run_uncounted(run_next);
    run_statement(query, rows == 0, run_next);
  });
}

void on_finish(QueryDesc* query) {
  const auto finish = [&] {
    next_finish != nullptr ? next_finish(query) : standard_ExecutorFinish(query);
  };
  if (inside || !has_triggers(query)) return finish();
  if (std::exchange(unfinished.query, nullptr) != query) return run_uncounted(finish);
  run_inside(finish, [](bool) { count_statement(seconds_since(unfinished.begin)); });
}

void on_end(QueryDesc* query) {
  Kept* const entry = keeps_any && !inside ? find_kept(query) : nullptr;
  if (entry != nullptr) count_statement(take(*entry));
  next_end != nullptr ? next_end(query) : standard_ExecutorEnd(query);
}

void on_utility(PlannedStmt* planned, const char* text, bool read_only_tree,
                ProcessUtilityContext context, ParamListInfo params, QueryEnvironment* environment,
                DestReceiver* destination, QueryCompletion* completion) {
  const ProcessUtility_hook_type next =
      next_utility != nullptr ? next_utility : standard_ProcessUtility;
  const auto run_next = [&] {
    next(planned, text, read_only_tree, context, params, environment, destination, completion);
  };
  const bool is_statement = !IsA(planned->utilityStmt, TransactionStmt);
  time_context(sets_rls_context(planned), [&] {
    if (inside) return run_next();
    if (!is_statement || !is_counted()) return run_uncounted(run_next);
    instr_time begin;
    INSTR_TIME_SET_CURRENT(begin);
    run_inside(run_next, [&](bool) { count_statement(seconds_since(begin)); });
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
