-- Jobs that run by the clock: by the worker, or by pg_cron after schedule_jobs().

CREATE VIEW monitoring_internal.job_definitions AS
SELECT job.job_name, job.schedule, job.command
FROM (VALUES
    ('hourly-metrics-aggregation', '5 * * * *', 'SELECT monitoring.aggregate_hourly_metrics()'),
    ('daily-metrics-aggregation', '10 0 * * *', 'SELECT monitoring.aggregate_daily_metrics()'),
    ('weekly-metrics-aggregation', '15 0 * * 1', 'SELECT monitoring.aggregate_weekly_metrics()'),
    ('purge-old-monitoring-events', '0 0 * * 0', 'SELECT public.purge_old_monitoring_events(30)'),
    ('monitoring-retention', '20 * * * *', 'SELECT monitoring.apply_retention()'),
    ('queue-check', '* * * * *', 'SELECT monitoring.check_queues()'),
    ('slo-counts', '* * * * *', 'SELECT monitoring.refresh_slos()')
) AS job (job_name, schedule, command);
COMMENT ON VIEW monitoring_internal.job_definitions IS 'The jobs and their times, in UTC';

CREATE TABLE monitoring_internal.job_runs (
    job_name text PRIMARY KEY,
    last_run_at timestamptz NOT NULL,
    last_status text NOT NULL,
    last_error text
);
COMMENT ON TABLE monitoring_internal.job_runs IS
    'The last run of each job by the worker. Not dumped: a copy has not run them.';
COMMENT ON COLUMN monitoring_internal.job_runs.job_name IS 'The job';
COMMENT ON COLUMN monitoring_internal.job_runs.last_run_at IS 'When the worker ran it last';
COMMENT ON COLUMN monitoring_internal.job_runs.last_status IS 'succeeded or failed';
COMMENT ON COLUMN monitoring_internal.job_runs.last_error IS 'Why it failed; NULL: it did not';

CREATE TABLE monitoring_internal.jobs_elsewhere (
    job_name text PRIMARY KEY,
    database text NOT NULL
);
COMMENT ON TABLE monitoring_internal.jobs_elsewhere IS
    'Jobs that pg_cron runs here from another database. Not dumped: pg_cron does not run them in a '
    'copy.';
COMMENT ON COLUMN monitoring_internal.jobs_elsewhere.job_name IS 'The job';
COMMENT ON COLUMN monitoring_internal.jobs_elsewhere.database IS 'Database whose pg_cron runs it';

CREATE FUNCTION monitoring_internal.next_run(schedule text, after timestamptz)
RETURNS timestamptz
AS 'MODULE_PATHNAME', 'monitoring_next_run' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION monitoring_internal.next_run(text, timestamptz) IS
    'When a cron schedule comes due next, in UTC; NULL if never';

CREATE FUNCTION monitoring_internal.pg_cron_jobs(
    OUT job_name text, OUT schedule text, OUT last_run_at timestamptz, OUT last_status text,
    OUT last_error text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'monitoring_pg_cron_jobs' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION monitoring_internal.pg_cron_jobs() IS
    'Those of our jobs that pg_cron in this database runs, as far as the caller may see them';

CREATE VIEW monitoring.jobs AS
SELECT d.job_name,
       COALESCE(c.schedule, d.schedule) AS schedule,
       CASE WHEN c.job_name IS NULL AND e.job_name IS NULL THEN 'worker' ELSE 'pg_cron' END
           AS runner,
       CASE WHEN c.job_name IS NULL THEN r.last_run_at ELSE c.last_run_at END AS last_run_at,
       CASE WHEN c.job_name IS NULL THEN r.last_status ELSE c.last_status END AS last_status,
       CASE WHEN c.job_name IS NULL THEN r.last_error ELSE c.last_error END AS last_error,
       monitoring_internal.next_run(COALESCE(c.schedule, d.schedule), pg_catalog.clock_timestamp())
           AS next_run_at
FROM monitoring_internal.job_definitions AS d
LEFT JOIN monitoring_internal.pg_cron_jobs() AS c USING (job_name)
LEFT JOIN monitoring_internal.jobs_elsewhere AS e USING (job_name)
LEFT JOIN monitoring_internal.job_runs AS r USING (job_name);
COMMENT ON VIEW monitoring.jobs IS
    'What runs by the clock, who runs it, and how the last run went';
COMMENT ON COLUMN monitoring.jobs.job_name IS 'Name of the job';
COMMENT ON COLUMN monitoring.jobs.last_run_at IS 'When it ran last';
COMMENT ON COLUMN monitoring.jobs.last_error IS 'Why it failed; NULL: it did not';
COMMENT ON COLUMN monitoring.jobs.next_run_at IS 'When it runs next by its schedule';
COMMENT ON COLUMN monitoring.jobs.runner IS
    'worker, or pg_cron after schedule_jobs(); of a pg_cron in another database the runs are seen there';
COMMENT ON COLUMN monitoring.jobs.schedule IS 'Minute, hour, day, month, day of the week, in UTC';
COMMENT ON COLUMN monitoring.jobs.last_status IS 'succeeded, failed, or what pg_cron says';

CREATE FUNCTION monitoring.schedule_jobs()
RETURNS integer
AS 'MODULE_PATHNAME', 'monitoring_schedule_jobs' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION monitoring.schedule_jobs() IS
    'Hands the jobs over to pg_cron and returns how many there are. '
    'Errors: 55000 where pg_cron is not installed.';

CREATE FUNCTION monitoring.unschedule_jobs()
RETURNS integer
AS 'MODULE_PATHNAME', 'monitoring_unschedule_jobs' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION monitoring.unschedule_jobs() IS
    'Takes the jobs back from pg_cron and returns how many it had; the worker runs them again. '
    'Errors: 25006 in a read-only transaction.';
