-- A database that has document 001's objects already: one error lists them, its hint moves them
-- aside, and adopt() brings the rows along.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS monitoring CASCADE;
DROP SCHEMA IF EXISTS monitoring CASCADE;
RESET client_min_messages;

SET TimeZone = 'UTC';
-- Document 001's tables, views and functions; document 000's system_metrics.
CREATE SCHEMA monitoring;
CREATE TABLE monitoring.pipeline_metrics (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    metric_name TEXT NOT NULL,
    metric_value DOUBLE PRECISION NOT NULL,
    tags JSONB DEFAULT '{}'::jsonb,
    timestamp TIMESTAMPTZ DEFAULT now(),
    created_at TIMESTAMPTZ DEFAULT now()
);
CREATE TABLE monitoring.aggregated_metrics (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    metric_name TEXT NOT NULL,
    period TEXT NOT NULL, -- 'hourly', 'daily', 'weekly'
    period_start TIMESTAMPTZ NOT NULL,
    min_value DOUBLE PRECISION,
    max_value DOUBLE PRECISION,
    avg_value DOUBLE PRECISION,
    sum_value DOUBLE PRECISION,
    count_value INTEGER,
    dimensions JSONB DEFAULT '{}'::jsonb,
    created_at TIMESTAMPTZ DEFAULT now()
);
CREATE TABLE monitoring.worker_issues (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    worker_name TEXT NOT NULL,
    issue_type TEXT NOT NULL,
    severity TEXT NOT NULL,
    message TEXT,
    details JSONB,
    resolved BOOLEAN DEFAULT FALSE,
    resolution_details TEXT,
    created_at TIMESTAMPTZ DEFAULT now(),
    resolved_at TIMESTAMPTZ
);
CREATE TABLE public.monitoring_events (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    event_type TEXT NOT NULL,
    details JSONB DEFAULT '{}'::jsonb,
    created_at TIMESTAMPTZ DEFAULT now()
);
CREATE VIEW monitoring.queue_metrics AS
SELECT tags->>'queue' AS queue_name FROM monitoring.pipeline_metrics;
CREATE FUNCTION monitoring.aggregate_hourly_metrics() RETURNS INTEGER LANGUAGE sql AS 'SELECT 0';
CREATE FUNCTION public.get_system_health() RETURNS JSONB LANGUAGE sql AS $$ SELECT '{}'::jsonb $$;
CREATE FUNCTION public.purge_old_monitoring_events(retention_days INTEGER DEFAULT 30)
RETURNS INTEGER LANGUAGE sql AS 'SELECT 0';
CREATE VIEW public.queue_monitoring_view AS SELECT 1 AS stuck_messages;
CREATE TABLE public.system_metrics (id bigserial PRIMARY KEY, metric_name text,
    metric_value numeric, recorded_at timestamptz DEFAULT now());
-- What is in nobody's way stays where it is.
CREATE TABLE monitoring.other (x integer);
CREATE FUNCTION public.record_metric(text) RETURNS void LANGUAGE sql AS '';

INSERT INTO monitoring.pipeline_metrics (id, metric_name, metric_value, tags, timestamp, created_at)
SELECT ('00000000-0000-0000-0000-' || lpad(i::text, 12, '0'))::uuid, 'queue_processing', i,
       '{"queue": "a"}', '2026-01-01 10:00:00+00'::timestamptz + i * interval '1 minute',
       '2026-01-01 10:00:00+00'
FROM generate_series(1, 90) i;
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, timestamp, created_at)
VALUES ('timeless', 1, NULL, NULL, NULL), ('created', 1, '[1]', NULL, '2026-01-01');
INSERT INTO monitoring.aggregated_metrics (metric_name, period, period_start, sum_value, count_value,
                                           dimensions, created_at)
VALUES ('queue_processing', 'hourly', '2026-01-01 10:00+00', 1, 1, '{}', '2026-01-01'),
       ('queue_processing', 'hourly', '2025-12-01 10:00+00', 10, 5, '{"queue": "a"}', '2026-01-01'),
       ('queue_processing', 'hourly', '2025-12-01 10:00+00', 20, 6, '{"queue": "a"}', '2026-01-02'),
       ('queue_processing', 'hourly', '2025-12-01 10:00+00', 30, 7, NULL, '2026-01-02'),
       ('queue_processing', 'monthly', '2025-12-01 10:00+00', 30, 7, '{}', '2026-01-02');
INSERT INTO monitoring.worker_issues (worker_name, issue_type, severity, message)
VALUES ('crawler', 'timeout', 'P2', 'slow');
INSERT INTO public.monitoring_events (event_type) VALUES ('system_reset'), ('system_reset');
INSERT INTO public.system_metrics (metric_name, metric_value, recorded_at)
VALUES ('queue_depth', 7, '2026-01-01'), ('queue_depth', 7, '2026-01-01'), ('queue_depth', NULL, now());

-- One error for all of it, before anything is made.
\set VERBOSITY default
\set SHOW_CONTEXT never
CREATE EXTENSION monitoring;
\echo :LAST_ERROR_SQLSTATE

-- The hint's commands, as they are printed.
DO $$
DECLARE hint text;
BEGIN
    CREATE EXTENSION monitoring;
EXCEPTION WHEN duplicate_object THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    PERFORM set_config('regress.block', substr(hint, position(E'\n' IN hint) + 1), false);
END
$$;
SELECT current_setting('regress.block') AS block \gset
:block

SELECT metric_name, count(*), min("timestamp"), max("timestamp") FROM monitoring.pipeline_metrics
GROUP BY 1 ORDER BY 1;
SELECT period, period_start, sum_value, count_value, dimensions FROM monitoring.aggregated_metrics
WHERE period_start < '2026-01-01' ORDER BY count_value;
SELECT worker_name, severity, message FROM monitoring.worker_issues WHERE worker_name = 'crawler';
SELECT count(*) FROM public.monitoring_events WHERE event_type = 'system_reset';
SELECT to_regclass('monitoring.other') IS NOT NULL AS other_stayed,
       to_regprocedure('public.record_metric(text)') IS NOT NULL AS function_stayed,
       to_regclass('monitoring_old.pipeline_metrics') IS NOT NULL AS moved;

-- Again: nothing is there twice.
SELECT * FROM monitoring.adopt('monitoring_old');
INSERT INTO monitoring_old.worker_issues (worker_name, issue_type, severity) VALUES ('late', 't', 'info');
SELECT * FROM monitoring.adopt(old_schema => 'monitoring_old');

-- Days and weeks are made of adopted hours, and late rows go into them.
SELECT monitoring.aggregate_hourly_metrics() >= 0 AS hourly,
       monitoring.aggregate_daily_metrics() >= 0 AS daily,
       monitoring.aggregate_weekly_metrics() >= 0 AS weekly;
SELECT period, period_start, sum_value, count_value, p50_value FROM monitoring.aggregated_metrics
WHERE period_start < '2026-01-01' AND period_start > '2025-11-30' AND dimensions = '{"queue": "a"}'
    AND metric_name = 'queue_processing' AND count_value < 10
ORDER BY period;
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, "timestamp")
VALUES ('queue_processing', 7, '{"queue": "a"}', '2025-12-01 10:30+00');
SELECT monitoring.aggregate_hourly_metrics() >= 0 AS hourly,
       monitoring.aggregate_daily_metrics() >= 0 AS daily,
       monitoring.aggregate_weekly_metrics() >= 0 AS weekly;
SELECT period, period_start, sum_value, count_value, p50_value FROM monitoring.aggregated_metrics
WHERE period_start < '2026-01-01' AND period_start > '2025-11-30' AND dimensions = '{"queue": "a"}'
    AND metric_name = 'queue_processing' AND count_value < 10
ORDER BY period;

-- What adopt() refuses: anything whose reading would run somebody's code.
SELECT * FROM monitoring.adopt('nowhere');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM monitoring.adopt('monitoring');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM monitoring.adopt(NULL);
\echo :LAST_ERROR_SQLSTATE
CREATE SCHEMA odd;
CREATE VIEW odd.worker_issues AS SELECT * FROM monitoring_old.worker_issues;
SELECT * FROM monitoring.adopt('odd');
\echo :LAST_ERROR_SQLSTATE
DROP VIEW odd.worker_issues;
CREATE DOMAIN odd.text AS text;
CREATE TABLE odd.monitoring_events (id uuid, event_type odd.text, details jsonb, created_at timestamptz);
SELECT * FROM monitoring.adopt('odd');
\echo :LAST_ERROR_SQLSTATE

-- The schema itself in somebody else's hands.
SET client_min_messages = warning;
DROP EXTENSION monitoring;
DROP SCHEMA odd CASCADE;
DROP SCHEMA monitoring_old CASCADE;
CREATE ROLE regress_schema_owner;
ALTER SCHEMA monitoring OWNER TO regress_schema_owner;
RESET client_min_messages;
CREATE EXTENSION monitoring;
ALTER SCHEMA monitoring OWNER TO CURRENT_USER;
DROP ROLE regress_schema_owner;

-- Drop and create again.
CREATE EXTENSION monitoring;
DROP EXTENSION monitoring;
CREATE EXTENSION monitoring;
DROP EXTENSION monitoring;
DROP TABLE monitoring.other;
DROP FUNCTION public.record_metric(text);
DROP SCHEMA monitoring;
