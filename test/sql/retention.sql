-- Retention, and rows that come 20, 100 and 400 days late: before and after retention removed what
-- they belong to, each makes its hour, day and week grow by itself and nothing else.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
SET TimeZone = 'UTC';
\set VERBOSITY terse

DO $$ BEGIN PERFORM monitoring.pause_worker(); EXCEPTION WHEN object_not_in_prerequisite_state THEN END $$;
CREATE PROCEDURE pg_temp.start_over() LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE monitoring.pipeline_metrics, monitoring.aggregated_metrics, monitoring_internal.rollup_state,
        monitoring_internal.rollup_pending, monitoring_internal.rollup_periods, monitoring_internal.rollup_corrections, monitoring_internal.rollup_purged,
        monitoring.retention, public.monitoring_events, monitoring.worker_issues;
END $$;
CREATE FUNCTION pg_temp.passes(OUT hourly integer, OUT daily integer, OUT weekly integer)
LANGUAGE plpgsql AS $$
BEGIN
    hourly := monitoring.aggregate_hourly_metrics();
    daily := monitoring.aggregate_daily_metrics();
    weekly := monitoring.aggregate_weekly_metrics();
END $$;
-- The hour of n days ago, and one of tomorrow; one clock for the whole script.
CREATE TEMP TABLE days AS
SELECT n AS ago, date_trunc('hour', now()) - n * interval '24 hours' AS hour FROM unnest('{-1,20,100,400}'::int[]) AS n;
-- What the periods of these hours have.
CREATE VIEW pg_temp.late AS
SELECT d.ago, p.period, a.count_value AS n, a.sum_value AS total, a.max_value AS max,
       round(a.p50_value::numeric) AS p50, round((a.p99_value / a.max_value)::numeric, 1) AS p99_to_max
FROM days AS d CROSS JOIN (VALUES (1, 'hourly', 'hour'), (2, 'daily', 'day'), (3, 'weekly', 'week')) AS p(i, period, unit)
LEFT JOIN monitoring.aggregated_metrics AS a
    ON a.period = p.period AND a.metric_name = 'm'
    AND a.period_start = date_trunc(p.unit, d.hour, 'UTC')
WHERE d.ago > 1 ORDER BY d.ago, p.i;
CREATE PROCEDURE pg_temp.come_late(value float8) LANGUAGE sql AS $$
    INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, timestamp)
    SELECT 'm', value, hour + interval '7 minutes' FROM days WHERE ago > 1
$$;

CALL pg_temp.start_over();
SELECT kind, keep, is_default FROM monitoring.effective_retention ORDER BY kind COLLATE "C";
-- The day of 20 days ago has a partition, as days that the worker made have; the others have none.
DO $$
DECLARE
    day timestamptz := (SELECT date_trunc('day', hour, 'UTC') FROM days WHERE ago = 20);
BEGIN
    EXECUTE format('CREATE TABLE monitoring_internal.pipeline_metrics_%s PARTITION OF monitoring.pipeline_metrics'
                   ' FOR VALUES FROM (%L) TO (%L)', to_char(day, 'YYYYMMDD'), day, day + interval '24 hours');
END $$;
-- Nine values in each hour.
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, timestamp)
SELECT 'm', i, hour + i * interval '1 minute' FROM days, generate_series(1, 9) AS i;
SELECT * FROM pg_temp.passes();
SELECT * FROM pg_temp.late;

---- Late rows while raw rows are there.
CALL pg_temp.come_late(100);
SELECT * FROM pg_temp.passes();
SELECT * FROM pg_temp.late;
SELECT * FROM pg_temp.passes();

---- Late rows that no pass has seen are rolled up before they are removed.
CALL pg_temp.come_late(200);
SELECT * FROM monitoring.apply_retention() WHERE removed <> 0;
SELECT * FROM monitoring.apply_retention() WHERE removed <> 0;
SELECT * FROM pg_temp.passes();
SELECT * FROM pg_temp.late;
SELECT count(*) AS raw, min(timestamp) > now() - interval '14 days' AS young FROM monitoring.pipeline_metrics;
SELECT count(*) AS old_partitions FROM pg_inherits
WHERE inhparent = 'monitoring.pipeline_metrics'::regclass
    AND inhrelid::regclass::text < 'monitoring_internal.pipeline_metrics_' || to_char(now() - interval '16 days', 'YYYYMMDD')
    AND inhrelid::regclass::text ~ '[0-9]{8}$';

---- Late rows after retention: raw rows are gone, of some levels the rolled-up rows too.
CALL pg_temp.come_late(300);
SELECT * FROM pg_temp.passes();
SELECT * FROM pg_temp.late;
SELECT * FROM pg_temp.passes();
-- The worker's steps in between, several at a time.
CALL pg_temp.come_late(400);
SELECT monitoring_internal.rollup_advance();
CALL pg_temp.come_late(500);
CALL pg_temp.come_late(600);
SELECT monitoring_internal.rollup_advance();
SELECT * FROM pg_temp.passes();
SELECT * FROM pg_temp.late;
SELECT * FROM monitoring.apply_retention() WHERE removed <> 0;
SELECT * FROM pg_temp.passes();
SELECT * FROM pg_temp.late;
SELECT count(*) AS unpublished FROM monitoring_internal.rollup_state
WHERE NOT published AND period_start < date_trunc('hour', now());

---- Rows that no pass has seen: apply_retention() makes the pass itself, and counts them once.
CALL pg_temp.start_over();
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, timestamp)
SELECT 'm', i, '2024-03-05 10:00+00'::timestamptz + i * interval '1 minute' FROM generate_series(1, 300) AS i;
SELECT * FROM monitoring.apply_retention() WHERE removed <> 0;
SELECT count(*) AS hours, sum(count_value) AS n FROM monitoring.aggregated_metrics WHERE period = 'hourly';
-- The days of hours that were removed before a daily pass ran.
SELECT * FROM pg_temp.passes();
SELECT * FROM monitoring.apply_retention() WHERE removed <> 0;
SELECT * FROM pg_temp.passes();
SELECT period, count(*) AS rows, sum(count_value) AS n FROM monitoring.aggregated_metrics GROUP BY 1 ORDER BY 1;

---- The user's decisions: kept for ever, kept for a shorter time, nothing kept.
CALL pg_temp.start_over();
INSERT INTO monitoring.retention VALUES ('raw', NULL), ('hourly', NULL), ('daily', '2 days'), ('weekly', '0'), ('events', NULL);
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, timestamp)
SELECT 'm', 1, hour FROM days;
INSERT INTO public.monitoring_events (event_type, created_at) VALUES ('old', now() - interval '3 years');
SELECT * FROM pg_temp.passes();
SELECT kind, removed FROM monitoring.apply_retention() WHERE removed <> 0;
SELECT count(*) AS raw FROM monitoring.pipeline_metrics;
SELECT kind, removed FROM monitoring.apply_retention() WHERE removed <> 0;
INSERT INTO monitoring.retention VALUES ('issues', '-1 day');
INSERT INTO monitoring.retention VALUES ('hours', '1 day');
-- Events, resolved issues.
CALL pg_temp.start_over();
INSERT INTO public.monitoring_events (event_type, created_at)
VALUES ('old', now() - interval '31 days'), ('young', now() - interval '29 days');
INSERT INTO monitoring.worker_issues (worker_name, issue_type, message, severity, resolved, created_at, resolved_at)
VALUES ('w', 't', 'old and open', 'warning', false, now() - interval '200 days', NULL),
       ('w', 't', 'old, resolved lately', 'warning', true, now() - interval '200 days', now()),
       ('w', 't', 'old and resolved', 'warning', true, now() - interval '200 days', now() - interval '91 days');
SELECT kind, removed FROM monitoring.apply_retention() WHERE removed <> 0;
SELECT message FROM monitoring.worker_issues ORDER BY message;
SELECT event_type FROM public.monitoring_events ORDER BY event_type;

-- Somebody's own partition, whose name is nearly that of a day.
CREATE TABLE monitoring_internal.pipeline_metrics_20250231 PARTITION OF monitoring.pipeline_metrics
FOR VALUES FROM ('1999-01-01 00:00Z') TO ('1999-01-02 00:00Z');
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, timestamp) VALUES ('m', 1, '1999-01-01 10:00Z');
SELECT kind, removed FROM monitoring.apply_retention() WHERE removed <> 0;
SELECT count(*) FROM monitoring_internal.pipeline_metrics_20250231;
DROP TABLE monitoring_internal.pipeline_metrics_20250231;

CALL pg_temp.start_over();
DO $$ BEGIN PERFORM monitoring.resume_worker(); EXCEPTION WHEN object_not_in_prerequisite_state THEN END $$;
