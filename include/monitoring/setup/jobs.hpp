#pragma once
// The jobs that run by the clock, and pg_cron, which may run them instead of the worker.
// Statements qualify every name: they are safe whatever search_path is.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace monitoring::setup {

struct Job {
  std::string name;
  std::string schedule;  ///< CronSchedule
  std::string command;   ///< one SQL statement
  /// By the worker; the time of activation where it has not run yet.
  Instant last_run_at;
};

std::vector<Job> all_jobs(pg::Spi& spi);

void record_success(pg::Spi& spi, std::string_view job_name, Instant run_at);
void record_failure(pg::Spi& spi, std::string_view job_name, Instant run_at,
                    std::string_view error);

/// The qualified name of pg_cron's own table of that name (job, job_run_details) in this database,
/// if the current user may read it. Somebody else's table of that name is never touched.
std::optional<std::string> readable_table_of_pg_cron(pg::Spi& spi, const char* table);

/// 55000 unless all that the queries below name belongs to pg_cron in the current database, where
/// nothing of it goes before the transaction ends.
void require_pg_cron(pg::Spi& spi);

/// Whether pg_cron has a job of this name for this database: its own table says so where it works
/// in this database, and monitoring_internal.jobs_elsewhere where it works in another one.
bool pg_cron_has(pg::Spi& spi, std::string_view job_name);

struct PgCron {
  std::string database;  ///< the one that it works in (cron.database_name)
  bool is_here;
};

/// Errors: 55000 where pg_cron is not loaded, or works here and is not installed.
PgCron find_pg_cron(pg::Spi& spi);

/// Queries to run in pg_cron's database after require_pg_cron() there, with one row per job.
std::string scheduling_statement(pg::Spi& spi, const PgCron& pg_cron);
std::string unscheduling_statement(pg::Spi& spi);

void note_scheduled_elsewhere(pg::Spi& spi, const PgCron& pg_cron);
void note_unscheduled_elsewhere(pg::Spi& spi);

}  // namespace monitoring::setup
