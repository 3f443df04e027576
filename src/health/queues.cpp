#include "monitoring/health/queues.hpp"

#include "health/queue_plans.hpp"
#include "monitoring/issues/events.hpp"
#include "monitoring/issues/issues.hpp"
#include "monitoring/issues/owner_runs.hpp"
#include "monitoring/issues/unusable.hpp"
#include "monitoring/pg/extension_members.hpp"
#include "monitoring/pg/intervals.hpp"
#include "monitoring/pg/relations.hpp"
#include "monitoring/pg/transaction.hpp"

extern "C" {
#include <catalog/pg_type.h>
#include <utils/guc.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace monitoring::health {

namespace {

constexpr const char* kCheckFailed = "queue_check_failed";
constexpr const char* kDiscoveryFailed = "queue_discovery_failed";
constexpr Duration kDiscoveryTimeout = std::chrono::seconds(5);
constexpr Duration kRequeueTimeout = std::chrono::minutes(5);

struct Counts {
  std::int64_t pending = 0;
  std::int64_t processing = 0;
  std::int64_t stuck = 0;
  std::optional<Instant> oldest;
  /// Jobs whose time is infinite, or in no year that a clock shows.
  std::int64_t odd = 0;
  std::int64_t dead = 0;
  std::int64_t finished = 0;
  std::int64_t failed = 0;
  std::optional<double> p50_s;
  std::optional<double> p95_s;
  std::optional<double> p99_s;
};

/// The definition of a queue without a row of its own is that of the defaults.
constexpr const char* kConfiguredQueues =
    "SELECT queue_name, kind,"
    " coalesce(source, 'pgmq.' || quote_ident('q_' || lower(queue_name))),"
    " check_timeout, enabled"
    " FROM monitoring.queues ORDER BY queue_name";

/// $1 are pgmq's queues. Without those that have a row, and without those that take the dead
/// letters of another one.
constexpr const char* kUnconfigured =
    "SELECT n, 'pgmq.' || quote_ident('q_' || lower(n)) FROM unnest($1) AS n"
    " WHERE NOT EXISTS (SELECT FROM monitoring.queues q"
    "   WHERE q.queue_name = n OR lower(q.dead_letter_queue) = lower(n))"
    "  AND NOT EXISTS (SELECT FROM unnest($1) AS other WHERE lower(n) = lower(other) || '_dlq')";

std::vector<Queue> configured_queues(pg::Spi& spi) {
  const pg::Rows rows = spi.query(kConfiguredQueues);
  std::vector<Queue> queues;
  for (std::uint64_t i = 0; i < rows.size(); ++i) {
    queues.push_back({*rows.text(i, 1), *rows.text(i, 2), *rows.text(i, 3),
                      *pg::interval_at(rows, i, 4), *rows.boolean(i, 5)});
  }
  return queues;
}

/// Names from pgmq's own list, read as its owner: anybody may have made a schema of that name.
std::optional<pg::OwnerFailure> pgmq_names(pg::Spi& spi, std::vector<std::string>* names) {
  const auto meta = pg::relation_of_extension(spi, "pgmq", "meta");
  if (!meta) return std::nullopt;
  const std::string sql = "SELECT queue_name::text FROM " + meta->name;
  const pg::NamedRelations nothing_else(sql.c_str(), meta->owner);
  pg::OwnerLimits limits{kDiscoveryTimeout};
  limits.what = "queue_monitor/pgmq.meta";
  return issues::run_owned(spi, meta->owner, limits, [&] {
    pg::Spi inner;
    const pg::Rows found = inner.query(sql.c_str());
    for (std::uint64_t i = 0; i < found.size(); ++i) {
      if (auto name = found.text(i, 1)) names->push_back(*name);
    }
  });
}

std::optional<pg::OwnerFailure> add_pgmq_queues(pg::Spi& spi, std::vector<Queue>* queues) {
  std::vector<std::string> names;
  if (auto failure = pgmq_names(spi, &names)) return failure;
  const pg::Rows rows = spi.query(kUnconfigured, {pg::text_array(names)});
  for (std::uint64_t i = 0; i < rows.size(); ++i) {
    queues->push_back({*rows.text(i, 1), "pgmq", *rows.text(i, 2), kDiscoveryTimeout, true});
  }
  return std::nullopt;
}

/// False if pgmq's queues could not be listed, which is an issue.
bool discover(pg::Spi& spi, std::vector<Queue>* queues) {
  if (const auto failure = add_pgmq_queues(spi, queues)) {
    issues::log_issue_once(spi,
                           {"queue_monitor", kDiscoveryFailed, "pgmq.meta: " + failure->message});
    return false;
  }
  issues::resolve_issues(spi, "queue_monitor", kDiscoveryFailed, "the list could be read again");
  return true;
}

Counts counts_of(const pg::Rows& rows) {
  return {*rows.int8(0, 1),  *rows.int8(0, 2),   *rows.int8(0, 3),  rows.timestamptz(0, 4),
          *rows.int8(0, 5),  *rows.int8(0, 6),   *rows.int8(0, 7),  *rows.int8(0, 8),
          rows.float8(0, 9), rows.float8(0, 10), rows.float8(0, 11)};
}

/// In the scope of an owner, and undone with it. A policy that hides rows is an error, not a
/// smaller number; a timestamp without time zone is UTC, whatever the caller's TimeZone.
void read_all_rows_in_utc() {
  pg::call([] {
    const auto set = [](const char* name, const char* value) {
      set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
    };
    set("row_security", "off");
    set("TimeZone", "UTC");
  });
}

std::string reason_of(const pg::OwnerFailure& failure) {
  const bool is_hidden = failure.sqlstate == ERRCODE_INSUFFICIENT_PRIVILEGE &&
                         failure.message.find("row-level security") != std::string::npos;
  if (!is_hidden) return failure.message;
  return failure.message +
         ": counts would leave out what it hides; let the queue belong to a role that owns the "
         "table or has BYPASSRLS";
}

/// The worker_name of a queue's issues: the queue is part of it, so that there is one issue for
/// each queue and error.
std::string worker_of(const Queue& queue) {
  return "queue_monitor/" + queue.name;
}

/// What a look has counted: who read, as whom for what is its own, and with which statement. Queues
/// that are defined alike over one table are counted by one scan of it.
using KnownCounts = std::map<std::tuple<Oid, bool, std::string>, Counts>;

/// Nothing: counted. Otherwise what went wrong.
std::optional<std::string> count(pg::Spi& spi, const Queue& queue, KnownCounts& known,
                                 Counts* counts) {
  const std::string what = worker_of(queue);
  try {
    const QueuePlan plan = plan_count(spi, queue);
    const KnownCounts::key_type key{plan.role, plan.stands_in, plan.sql};
    const auto found = known.find(key);
    if (found != known.end()) {
      pg::unlock(plan.source);
      *counts = found->second;
      return std::nullopt;
    }
    std::optional<pg::NamedRelations> names;
    if (plan.stands_in) names.emplace(plan.sql.c_str(), plan.role);
    pg::OwnerLimits limits{queue.timeout};
    limits.what = what.c_str();
    const auto failure = issues::run_owned(spi, plan.role, limits, [&] {
      read_all_rows_in_utc();
      pg::Spi inner;
      *counts = counts_of(inner.query(plan.sql.c_str()));
    });
    pg::unlock(plan.source);
    if (failure) return reason_of(*failure);
    known.emplace(key, *counts);
    return std::nullopt;
  } catch (const pg::Report& report) {
    return report.what();
  }
}

void write_counts(pg::Spi& spi, const Queue& queue, const Counts& counts) {
  spi.execute(
      "INSERT INTO monitoring.queue_state AS s (queue_name, pending_messages, processing_messages,"
      "  stuck_messages, dead_letter_messages, oldest_message_age, last_check_time,"
      "  finished_messages, failed_messages, processing_p50_seconds, processing_p95_seconds,"
      "  processing_p99_seconds)"
      " VALUES ($1, $2, $3, $4, $5, clock_timestamp() - $6, clock_timestamp(), $7, $8, $9, $10, "
      "$11)"
      " ON CONFLICT (queue_name) DO UPDATE SET pending_messages = excluded.pending_messages,"
      " processing_messages = excluded.processing_messages,"
      " stuck_messages = excluded.stuck_messages,"
      " dead_letter_messages = excluded.dead_letter_messages,"
      " oldest_message_age = excluded.oldest_message_age,"
      " last_check_time = excluded.last_check_time, last_error = NULL,"
      " finished_messages = excluded.finished_messages,"
      " failed_messages = excluded.failed_messages,"
      " processing_p50_seconds = excluded.processing_p50_seconds,"
      " processing_p95_seconds = excluded.processing_p95_seconds,"
      " processing_p99_seconds = excluded.processing_p99_seconds",
      {pg::text(queue.name), pg::int8(counts.pending), pg::int8(counts.processing),
       pg::int8(counts.stuck), pg::int8(counts.dead), pg::timestamptz(counts.oldest),
       pg::int8(counts.finished), pg::int8(counts.failed), pg::float8(counts.p50_s),
       pg::float8(counts.p95_s), pg::float8(counts.p99_s)});
}

void write_failure(pg::Spi& spi, const Queue& queue, const std::string& message) {
  spi.execute(
      "INSERT INTO monitoring.queue_state AS s (queue_name, last_error) VALUES ($1, $2)"
      " ON CONFLICT (queue_name) DO UPDATE SET last_error = excluded.last_error",
      {pg::text(queue.name), pg::text(message)});
}

/// True if the queue could be counted.
bool check(pg::Spi& spi, const Queue& queue, KnownCounts& known, Counts* counts) {
  const std::string worker_name = worker_of(queue);
  if (const auto error = count(spi, queue, known, counts)) {
    issues::log_issue_once(spi, {worker_name, kCheckFailed, *error});
    write_failure(spi, queue, *error);
    return false;
  }
  write_counts(spi, queue, *counts);
  issues::resolve_issues(spi, worker_name, kCheckFailed, "the queue could be checked again");
  return true;
}

/// The same for a queue that fails in some other way: it costs the others nothing.
bool check_alone(pg::Spi& spi, const Queue& queue, KnownCounts& known, Counts* counts) {
  bool counted = false;
  const auto failure = issues::try_alone([&] { counted = check(spi, queue, known, counts); });
  if (!failure) return counted;
  issues::log_issue_once(spi, {"queue_monitor/" + queue.name, kCheckFailed, *failure});
  write_failure(spi, queue, *failure);
  return false;
}

/// Forgets queues that are no longer there, and the issues that they left behind.
void forget_others(pg::Spi& spi, const std::vector<Queue>& queues) {
  std::vector<std::string> names;
  for (const Queue& queue : queues) names.push_back(queue.name);
  spi.execute(
      "WITH gone AS (DELETE FROM monitoring.queue_state WHERE queue_name <> ALL ($1)"
      "  RETURNING queue_name)"
      " UPDATE monitoring.worker_issues i SET resolved = true, resolved_at = now(),"
      " resolution_details = 'the queue is no longer watched' FROM gone"
      " WHERE i.worker_name = 'queue_monitor/' || gone.queue_name AND i.resolved IS NOT TRUE",
      {pg::text_array(names)});
}

Queue queue_named(pg::Spi& spi, const std::string& name) {
  std::vector<Queue> queues = configured_queues(spi);
  if (const auto failure = add_pgmq_queues(spi, &queues)) {
    throw pg::Report(failure->sqlstate, "pgmq.meta: " + failure->message);
  }
  for (Queue& queue : queues) {
    if (queue.name == name) return std::move(queue);
  }
  throw pg::Report(ERRCODE_UNDEFINED_OBJECT, "there is no queue \"" + name + "\"")
      .hint("See public.queue_monitoring_view.");
}

}  // namespace

QueueCheck check_queues(pg::Spi& spi) {
  std::vector<Queue> queues = configured_queues(spi);
  const bool all_known = discover(spi, &queues);
  queues.erase(std::remove_if(queues.begin(), queues.end(),
                              [](const Queue& queue) { return !queue.enabled; }),
               queues.end());
  // Rows are locked in one order whoever runs this.
  std::sort(queues.begin(), queues.end(),
            [](const Queue& a, const Queue& b) { return a.name < b.name; });
  QueueCheck result;
  KnownCounts known;
  issues::UnusableObjects odd_times("queue_monitor", "unusable_times");
  for (const Queue& queue : queues) {
    Counts counts;
    if (!check_alone(spi, queue, known, &counts)) {
      ++result.failed;
      continue;
    }
    ++result.checked;
    result.stuck_messages += counts.stuck;
    if (counts.odd == 0) continue;
    odd_times.add("queue \"" + queue.name + "\"",
                  std::to_string(counts.odd) +
                      " of its messages have a time that is infinite or out of any calendar; they "
                      "are counted, but not as the oldest");
  }
  odd_times.settle(spi);
  if (all_known) forget_others(spi, queues);
  return result;
}

std::int64_t requeue_dead_letters(pg::Spi& spi, const std::string& queue_name) {
  const QueuePlan plan = plan_requeue(spi, queue_named(spi, queue_name));
  pg::OwnerLimits limits{kRequeueTimeout};
  limits.read_only = false;
  limits.what = "requeue_dead_letters()";
  std::int64_t requeued = 0;
  std::optional<pg::NamedRelations> names;
  if (plan.stands_in) names.emplace(plan.sql.c_str(), plan.role);
  const auto failure = issues::run_asked(plan.role, limits, [&] {
    read_all_rows_in_utc();
    pg::Spi inner;
    requeued = *inner.query(plan.sql.c_str()).int8(0, 1);
  });
  if (failure) throw pg::Report(failure->sqlstate, reason_of(*failure));
  return requeued;
}

}  // namespace monitoring::health
