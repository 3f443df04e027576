// SQL entry points of the jobs that run by the clock.

#include "monitoring/pg/arguments.hpp"

extern "C" {
#include <funcapi.h>
#include <utils/timestamp.h>
#include <utils/tuplestore.h>
}
// clang-format keeps the server's headers first.
#include "api/standby.hpp"
#include "monitoring/base/cron.hpp"
#include "monitoring/hooks/commit.hpp"
#include "monitoring/setup/jobs.hpp"
#include "monitoring/worker/remote_sql.hpp"

using namespace monitoring;

namespace {

/// Runs the query where pg_cron works. In another database it commits on its own: if this
/// transaction rolls back after that, worker and pg_cron both run the jobs, which does no harm.
std::int64_t run_in(const setup::PgCron& pg_cron, pg::Spi& spi, const std::string& sql) {
  if (pg_cron.is_here) return static_cast<std::int64_t>(spi.query(sql.c_str()).size());
  try {
    return worker::run_beside_pg_cron(pg_cron.database, sql);
  } catch (const pg::Report& error) {
    if (error.sqlstate() != ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE) throw;
    throw pg::Report(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                     "extension pg_cron is not installed in database \"" + pg_cron.database + "\"")
        .hint("Run CREATE EXTENSION pg_cron there. A schema cron of somebody else's is not used.");
  }
}

}  // namespace

/// monitoring_internal.next_run(schedule, after) -> timestamptz
MONITORING_FUNCTION(monitoring_next_run) {
  const auto schedule = CronSchedule::parse(pg::required_text(fcinfo, 0, "schedule"));
  if (!schedule) throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, schedule.error());
  pg::require(fcinfo, 1, "after");
  const TimestampTz after = PG_GETARG_TIMESTAMPTZ(1);
  if (TIMESTAMP_NOT_FINITE(after)) PG_RETURN_NULL();
  const auto due = schedule->next_after(pg::instant_of(after));
  if (!due) PG_RETURN_NULL();
  PG_RETURN_TIMESTAMPTZ(pg::timestamptz_of(*due));
}

/// monitoring_internal.pg_cron_jobs() -> setof record
MONITORING_FUNCTION(monitoring_pg_cron_jobs) {
  auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  pg::call([&] { InitMaterializedSRF(fcinfo, 0); });
  pg::Spi spi;
  const auto job = setup::readable_table_of_pg_cron(spi, "job");
  const auto runs = setup::readable_table_of_pg_cron(spi, "job_run_details");
  if (!job || !runs) return 0;
  const std::string sql =
      "SELECT DISTINCT ON (j.jobname) j.jobname::pg_catalog.text, j.schedule, d.start_time, "
      "       d.status, CASE WHEN d.status OPERATOR(pg_catalog.=) 'failed' "
      "                      THEN d.return_message END "
      "FROM " +
      *job +
      " AS j "
      "LEFT JOIN LATERAL (SELECT r.start_time, r.status, r.return_message "
      "                   FROM " +
      *runs +
      " AS r "
      "                   WHERE r.jobid OPERATOR(pg_catalog.=) j.jobid "
      "                   ORDER BY r.runid DESC LIMIT 1) AS d ON true "
      "WHERE j.jobname::pg_catalog.text IN (SELECT n.job_name FROM "
      "monitoring_internal.job_definitions AS "
      "n)"
      "  AND j.database OPERATOR(pg_catalog.=) pg_catalog.current_database()::pg_catalog.text "
      "ORDER BY j.jobname, j.jobid";
  const pg::Rows rows = spi.query(sql.c_str());
  constexpr int kColumns = 5;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    Datum values[kColumns];
    bool nulls[kColumns];
    for (int i = 0; i < kColumns; ++i) values[i] = rows.raw(row, i + 1, &nulls[i]);
    pg::call([&] { tuplestore_putvalues(result->setResult, result->setDesc, values, nulls); });
  }
  return 0;
}

/// monitoring.schedule_jobs() -> integer
MONITORING_FUNCTION(monitoring_schedule_jobs) {
  api::refuse_in_read_only("schedule_jobs()");
  pg::Spi spi;
  const setup::PgCron pg_cron = setup::find_pg_cron(spi);
  const std::int64_t count = run_in(pg_cron, spi, setup::scheduling_statement(spi, pg_cron));
  if (!pg_cron.is_here) setup::note_scheduled_elsewhere(spi, pg_cron);
  hooks::wake_worker_at_commit();
  PG_RETURN_INT32(static_cast<int32>(count));
}

/// monitoring.unschedule_jobs() -> integer
MONITORING_FUNCTION(monitoring_unschedule_jobs) {
  api::refuse_in_read_only("unschedule_jobs()");
  pg::Spi spi;
  const setup::PgCron pg_cron = setup::find_pg_cron(spi);
  const std::int64_t count = run_in(pg_cron, spi, setup::unscheduling_statement(spi));
  setup::note_unscheduled_elsewhere(spi);
  hooks::wake_worker_at_commit();
  PG_RETURN_INT32(static_cast<int32>(count));
}
