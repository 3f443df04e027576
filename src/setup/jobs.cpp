#include "monitoring/setup/jobs.hpp"

#include "monitoring/pg/extension_members.hpp"

extern "C" {
#include <catalog/pg_type.h>
#include <utils/guc.h>
}

namespace monitoring::setup {

namespace {

std::string one_text(pg::Spi& spi, const char* sql) {
  return *spi.query(sql).text(0, 1);
}

}  // namespace

std::vector<Job> all_jobs(pg::Spi& spi) {
  const pg::Rows rows = spi.query(
      "SELECT d.job_name, d.schedule, d.command, "
      "       COALESCE(r.last_run_at, (SELECT pg_catalog.max(i.activated_at) "
      "                                FROM monitoring.instance AS i)) "
      "FROM monitoring_internal.job_definitions AS d "
      "LEFT JOIN monitoring_internal.job_runs AS r ON r.job_name OPERATOR(pg_catalog.=) "
      "d.job_name");
  std::vector<Job> jobs;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    jobs.push_back({*rows.text(row, 1), *rows.text(row, 2), *rows.text(row, 3),
                    rows.timestamptz(row, 4).value_or(Instant{})});
  }
  return jobs;
}

void record_success(pg::Spi& spi, std::string_view job_name, Instant run_at) {
  spi.execute(
      "INSERT INTO monitoring_internal.job_runs AS r (job_name, last_run_at, last_status) "
      "VALUES ($1, $2, 'succeeded') "
      "ON CONFLICT (job_name) DO UPDATE SET last_run_at = EXCLUDED.last_run_at, "
      "    last_status = EXCLUDED.last_status, last_error = NULL",
      {pg::text(job_name), pg::timestamptz(run_at)});
}

void record_failure(pg::Spi& spi, std::string_view job_name, Instant run_at,
                    std::string_view error) {
  spi.execute(
      "INSERT INTO monitoring_internal.job_runs AS r (job_name, last_run_at, last_status, "
      "last_error) "
      "VALUES ($1, $2, 'failed', $3) "
      "ON CONFLICT (job_name) DO UPDATE SET last_run_at = EXCLUDED.last_run_at, "
      "    last_status = EXCLUDED.last_status, last_error = EXCLUDED.last_error",
      {pg::text(job_name), pg::timestamptz(run_at), pg::text(error)});
}

namespace {

constexpr const char* kPgCron = "pg_cron";

bool may_read(pg::Spi& spi, Oid relation) {
  const pg::Rows rows = spi.query(
      "SELECT FROM pg_catalog.pg_class AS c WHERE c.oid OPERATOR(pg_catalog.=) $1"
      " AND pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE')"
      " AND pg_catalog.has_table_privilege(c.oid, 'SELECT')",
      {pg::datum(OIDOID, ObjectIdGetDatum(relation))});
  return !rows.empty();
}

}  // namespace

std::optional<std::string> readable_table_of_pg_cron(pg::Spi& spi, const char* table) {
  const auto found = pg::relation_of_extension(spi, kPgCron, table);
  if (!found || !may_read(spi, found->oid)) return std::nullopt;
  return found->name;
}

void require_pg_cron(pg::Spi& spi) {
  const auto job = pg::relation_of_extension(spi, kPgCron, "job");
  bool is_whole = job && job->name == "cron.job";
  for (const char* routine : {"schedule", "schedule_in_database", "unschedule"}) {
    const auto found = pg::routine_of_extension(spi, kPgCron, routine);
    is_whole = is_whole && found && found->name == std::string("cron.") + routine;
  }
  if (is_whole) return;
  throw pg::Report(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                   "extension pg_cron is not installed in this database")
      .hint("Run CREATE EXTENSION pg_cron. A schema cron of somebody else's is not used.");
}

bool pg_cron_has(pg::Spi& spi, std::string_view job_name) {
  const bool elsewhere = !spi.query(
                                 "SELECT FROM monitoring_internal.jobs_elsewhere AS e "
                                 "WHERE e.job_name OPERATOR(pg_catalog.=) $1",
                                 {pg::text(job_name)})
                              .empty();
  if (elsewhere) return true;
  const std::optional<std::string> job = readable_table_of_pg_cron(spi, "job");
  if (!job) return false;
  const std::string sql =
      "SELECT FROM " + *job +
      " AS j WHERE j.jobname::pg_catalog.text OPERATOR(pg_catalog.=) $1 "
      "AND j.database OPERATOR(pg_catalog.=) pg_catalog.current_database()::pg_catalog.text";
  return !spi.query(sql.c_str(), {pg::text(job_name)}, 1).empty();
}

PgCron find_pg_cron(pg::Spi& spi) {
  // By C: in SQL only superusers may read it, and operators may run schedule_jobs().
  const char* database =
      pg::call([] { return GetConfigOption("cron.database_name", true, false); });
  if (database == nullptr) {
    throw pg::Report(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "pg_cron is not loaded")
        .hint(
            "Add pg_cron to shared_preload_libraries, restart the server and run CREATE EXTENSION "
            "pg_cron. Until then the worker of monitoring runs the jobs.");
  }
  const bool is_here = database == one_text(spi, "SELECT pg_catalog.current_database()");
  if (!is_here) return {database, false};
  require_pg_cron(spi);
  return {database, true};
}

std::string scheduling_statement(pg::Spi& spi, const PgCron& pg_cron) {
  if (pg_cron.is_here) {
    return "SELECT cron.schedule(d.job_name, d.schedule, d.command) "
           "FROM monitoring_internal.job_definitions AS d";
  }
  // pg_cron knows a job by its name and user: each database needs names of its own there.
  return one_text(spi,
                  "SELECT pg_catalog.format('SELECT cron.schedule_in_database(j.n, j.s, j.c, %L) "
                  "                          FROM (VALUES %s) AS j (n, s, c)', "
                  "    pg_catalog.current_database(), "
                  "    pg_catalog.string_agg(pg_catalog.format('(%L, %L, %L)', d.job_name "
                  "        OPERATOR(pg_catalog.||) ' in ' OPERATOR(pg_catalog.||) "
                  "pg_catalog.current_database(), "
                  "        d.schedule, "
                  "                                            d.command), ', ')) "
                  "FROM monitoring_internal.job_definitions AS d");
}

std::string unscheduling_statement(pg::Spi& spi) {
  return one_text(spi,
                  "SELECT pg_catalog.format('SELECT cron.unschedule(j.jobid) FROM cron.job AS j "
                  "    WHERE j.database = %L AND j.jobname::text = ANY (%L::text[])', "
                  "    pg_catalog.current_database(), pg_catalog.array_agg(d.job_name) "
                  "    OPERATOR(pg_catalog.||) pg_catalog.array_agg(d.job_name "
                  "        OPERATOR(pg_catalog.||) ' in ' OPERATOR(pg_catalog.||) "
                  "        pg_catalog.current_database())) "
                  "FROM monitoring_internal.job_definitions AS d");
}

void note_scheduled_elsewhere(pg::Spi& spi, const PgCron& pg_cron) {
  spi.execute(
      "INSERT INTO monitoring_internal.jobs_elsewhere (job_name, database) "
      "SELECT d.job_name, $1 FROM monitoring_internal.job_definitions AS d "
      "ON CONFLICT (job_name) DO UPDATE SET database = EXCLUDED.database",
      {pg::text(pg_cron.database)});
}

void note_unscheduled_elsewhere(pg::Spi& spi) {
  spi.execute("DELETE FROM monitoring_internal.jobs_elsewhere");
}

}  // namespace monitoring::setup
