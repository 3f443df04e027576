#include "worker/duties.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "monitoring/base/cron.hpp"
#include "monitoring/measurements/records.hpp"
#include "monitoring/outbox/clock_steps.hpp"
#include "monitoring/pg/settings.hpp"
#include "monitoring/pg/system_clock.hpp"
#include "monitoring/rules/evaluation.hpp"
#include "monitoring/setup/jobs.hpp"
#include "monitoring/shmem/record_ring.hpp"
#include "worker/collect_duty.hpp"
#include "worker/self_metrics.hpp"
#include "worker/send_duty.hpp"

namespace monitoring::worker {

namespace {

using std::chrono::hours;
using std::chrono::seconds;

/// Far enough away for what never comes due, and no overflow.
constexpr Duration kNever = hours(24 * 365);

/// `interval` reads a setting, so that a reload takes effect at the next run.
std::function<Instant(Instant)> every(int pg::Settings::*interval_s) {
  return [interval_s](Instant ran_at) { return ran_at + seconds(pg::settings().*interval_s); };
}

/// A duty that is one call of a SQL function without arguments.
Duty call_of(const char* name, const std::string& function,
             std::function<Instant(Instant)> next_after) {
  Duty duty;
  duty.name = name;
  duty.next_after = std::move(next_after);
  duty.run = [function](DutyContext& context) {
    context.spi.query(("SELECT " + function).c_str());
  };
  return duty;
}

/// The server's own basics, as measurements. Idle connections include those idle in a transaction.
void collect_basics(DutyContext& context) {
  context.rows_written = context.spi.execute(
      "INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, \"timestamp\") "
      "SELECT sample.metric_name, sample.metric_value, "
      "       pg_catalog.jsonb_build_object('database', d.datname), $1 "
      "FROM pg_catalog.pg_stat_database AS d, "
      "LATERAL (SELECT pg_catalog.count(*) FILTER (WHERE a.state = 'active') AS active, "
      "                pg_catalog.count(*) FILTER (WHERE a.state <> 'active') AS idle "
      "         FROM pg_catalog.pg_stat_activity AS a "
      "         WHERE a.datid = d.datid AND a.backend_type = 'client backend') AS connections, "
      "LATERAL (VALUES ('db_connections_active', connections.active::float8), "
      "                ('db_connections_idle', connections.idle::float8), "
      "                ('db_transactions_committed_total', d.xact_commit::float8), "
      "                ('db_transactions_rolled_back_total', d.xact_rollback::float8), "
      "                ('db_deadlocks_total', d.deadlocks::float8), "
      "                ('db_size_bytes', pg_catalog.pg_database_size(d.datid)::float8)) "
      "        AS sample (metric_name, metric_value) "
      "WHERE d.datname = pg_catalog.current_database()",
      {pg::timestamptz(context.now)});
}

Duty basics() {
  Duty duty;
  duty.name = "collect-basics";
  duty.next_after = every(&pg::Settings::collect_interval_s);
  duty.run = collect_basics;
  return duty;
}

/// One batch of recorded measurements. What is left has its turn after the other duties.
void drain_records(DutyContext& context) {
  constexpr std::size_t kBatchRows = 8192;
  const measurements::DrainResult drained =
      measurements::drain_records(kBatchRows, measurements::IfBusy::leave);
  context.rows_written = drained.rows;
  if (drained.busy) context.held_up = "a transaction that has called flush_records() is still open";
  if (drained.more) shmem::request_drain();
}

Duty drain() {
  Duty duty;
  duty.name = "drain-records";
  duty.next_after = [](Instant ran_at) {
    return ran_at + std::chrono::milliseconds(pg::settings().flush_interval_ms);
  };
  duty.wanted = shmem::take_drain_request;
  duty.pointless = [] { return shmem::ring_status().waiting_bytes == 0; };
  duty.run = drain_records;
  return duty;
}

/// The counted metrics that are marked for it, as measurements.
Duty snapshot() {
  Duty duty;
  duty.name = "metric-snapshots";
  duty.next_after = every(&pg::Settings::snapshot_interval_s);
  duty.run = [](DutyContext& context) {
    const pg::Rows rows = context.spi.query("SELECT monitoring_internal.snapshot_metrics()");
    context.rows_written = static_cast<std::uint64_t>(rows.int8(0, 1).value_or(0));
  };
  return duty;
}

/// What shared memory has of databases that were dropped.
Duty discard() {
  Duty duty;
  duty.name = "discard-gone-databases";
  duty.next_after = [](Instant ran_at) { return ran_at + seconds(60); };
  duty.run = [](DutyContext&) { measurements::discard_gone_databases(); };
  return duty;
}

/// Once a day, for the first time when a new server has settled down.
Duty invariants(Instant now) {
  Duty duty = call_of("invariants", "monitoring_internal.report_invariants()",
                      [](Instant ran_at) { return ran_at + hours(24); });
  duty.first_at = now + hours(1);
  return duty;
}

Duration clock_step_to_settle{};

/// At the start, and when the clock was set back.
Duty settle_clock() {
  Duty duty;
  duty.name = "clock";
  duty.next_after = [](Instant ran_at) { return ran_at + kNever; };
  duty.wanted = [] { return clock_step_to_settle != Duration::zero(); };
  duty.run = [](DutyContext& context) {
    outbox::bring_nearer(context.spi, clock_step_to_settle, context.now);
    clock_step_to_settle = {};
  };
  return duty;
}

std::function<Instant(Instant)> by_clock(const std::string& text) {
  const Result<CronSchedule> schedule = CronSchedule::parse(text);
  if (!schedule) throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, schedule.error());
  return [schedule = *schedule](Instant ran_at) {
    return schedule.next_after(ran_at).value_or(ran_at + kNever);
  };
}

/// A job is due from its last run on, so one that was missed while the server was down is made up
/// for. pg_cron's jobs are left to it.
Duty job_duty(const setup::Job& job) {
  Duty duty;
  duty.name = job.name;
  duty.by_time_of_day = job.name != "queue-check";
  duty.next_after =
      duty.by_time_of_day ? by_clock(job.schedule) : every(&pg::Settings::queue_check_interval_s);
  // The last run may lie in the future of a clock that was set back.
  duty.first_at =
      std::min(duty.next_after(job.last_run_at), duty.next_after(pg::SystemClock().now()));
  duty.run = [job](DutyContext& context) {
    if (setup::pg_cron_has(context.spi, job.name)) return;
    context.spi.query(job.command.c_str());
    setup::record_success(context.spi, job.name, context.now);
  };
  duty.note_failure = [job](DutyContext& context, const std::string& error) {
    setup::record_failure(context.spi, job.name, context.now, error);
  };
  return duty;
}

/// After so long the rest of a pass gets a transaction of its own, after the other duties' turn.
constexpr auto kLongestTurn = seconds(2);

struct AlertPasses {
  /// The last one that was committed, as far as this process knows.
  std::optional<Instant> last;
  /// The one that is under way.
  std::optional<rules::DuePass> current;
};

void take_turn(DutyContext& context, AlertPasses& passes) {
  if (!passes.current) passes.current = rules::DuePass{context.now, passes.last, {}, {}, 0};
  const auto until = std::chrono::steady_clock::now() + kLongestTurn;
  const auto turn = rules::evaluate_due(context.spi, *passes.current,
                                        [&] { return std::chrono::steady_clock::now() >= until; });
  if (turn == rules::DuePassTurn::kMore) return;
  if (turn == rules::DuePassTurn::kHeldUp) {
    context.held_up =
        "a transaction that has called evaluate_alerts() is still open, or somebody has locked "
        "monitoring_internal.alert_progress (pg_locks says who)";
  }
  if (turn == rules::DuePassTurn::kDone) passes.last = passes.current->at;
  passes.current.reset();
}

/// Rules whose time has come. Every second: what comes due when is in the table, and may change.
Duty evaluate_alerts() {
  const auto passes = std::make_shared<AlertPasses>();
  Duty duty;
  duty.name = "alerts";
  duty.next_after = [passes](Instant ran_at) {
    return passes->current ? ran_at : ran_at + seconds(1);
  };
  duty.run = [passes](DutyContext& context) { take_turn(context, *passes); };
  duty.note_failure = [passes](DutyContext&, const std::string&) { *passes = AlertPasses(); };
  return duty;
}

}  // namespace

void note_clock_step(Duration step) {
  clock_step_to_settle += step;
}

std::vector<Duty> make_duties(pg::Spi& spi) {
  std::vector<Duty> duties;
  duties.push_back(settle_clock());
  duties.push_back(call_of("partitions", "monitoring_internal.maintain_partitions()",
                           [](Instant ran_at) { return ran_at + hours(1); }));
  duties.push_back(drain());
  duties.push_back(basics());
  duties.push_back(call_of("roll-up", "monitoring_internal.rollup_advance()",
                           every(&pg::Settings::rollup_interval_s)));
  for (const setup::Job& job : setup::all_jobs(spi)) duties.push_back(job_duty(job));
  duties.push_back(call_of("health", "monitoring_internal.check_health()",
                           every(&pg::Settings::health_check_interval_s)));
  duties.push_back(evaluate_alerts());
  duties.push_back(collect_duty());
  duties.push_back(collector_budget_duty());
  duties.push_back(call_of("packs", "monitoring_internal.settle_packs()",
                           [](Instant ran_at) { return ran_at + seconds(60); }));
  duties.push_back(send_duty());
  duties.push_back(snapshot());
  duties.push_back(self_metrics_duty());
  duties.push_back(discard());
  duties.push_back(call_of("compact-samples", "monitoring_internal.compact_samples()",
                           [](Instant ran_at) { return ran_at + seconds(60); }));
  duties.push_back(invariants(*spi.query("SELECT pg_catalog.clock_timestamp()").timestamptz(0, 1)));
  return duties;
}

}  // namespace monitoring::worker
