-- Document 001: its INSERTs, its queries and its functions, with its own SQL as the oracle.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
RESET client_min_messages;
-- A worker of this database, if there is one, waits meanwhile.
DO $$ BEGIN PERFORM monitoring.pause_worker(); EXCEPTION WHEN object_not_in_prerequisite_state THEN END $$;
SET TimeZone = 'UTC';

BEGIN;
DELETE FROM monitoring.pipeline_metrics WHERE metric_name IN ('queue_processing', 'api_call');

-- recordProcessingMetric and recordApiCall, as PostgREST inserts them.
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags)
VALUES ('queue_processing', 120, '{"queue": "artists", "success_count": 9, "error_count": 1}');
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags)
VALUES ('api_call', 35.5, '{"api": "spotify", "success": "true"}');
-- logWorkerIssue.
INSERT INTO monitoring.worker_issues (worker_name, issue_type, message, severity, details, resolved)
VALUES ('artist-worker', 'rate_limit', 'Rate limit hit', 'warning', '{}', false);
INSERT INTO public.monitoring_events (event_type, details)
VALUES ('queue_monitoring_run', '{"queues": 2}');

-- Every column of the document's tables is there, with its type and default.
SELECT c.table_schema, c.table_name, c.column_name, c.data_type, c.column_default, c.is_nullable
FROM information_schema.columns AS c
JOIN (VALUES ('pipeline_metrics', 6), ('aggregated_metrics', 11), ('worker_issues', 10),
             ('monitoring_events', 4)) AS d(table_name, columns)
    ON c.table_name = d.table_name AND c.ordinal_position <= d.columns
WHERE c.table_schema IN ('monitoring', 'public')
ORDER BY c.table_name, c.ordinal_position;

-- Some more of the last hours: several queues and APIs, tags that are missing, an API without one.
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, timestamp)
SELECT 'queue_processing', 100 + i,
       jsonb_build_object('queue', CASE i % 3 WHEN 0 THEN 'artists' WHEN 1 THEN 'albums' END,
                          'success_count', i % 7, 'error_count', (i % 2)::text)
           || CASE WHEN i % 4 = 0 THEN '{"batch_size": 10}' ELSE '{}' END::jsonb,
       date_trunc('hour', now()) - (i % 5) * interval '1 hour' - interval '1 minute'
FROM generate_series(1, 60) AS i;
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, timestamp)
SELECT 'api_call', 10 * i,
       jsonb_build_object('api', 'api ' || i % 2, 'success', CASE i % 3 WHEN 0 THEN 'false' ELSE 'true' END),
       date_trunc('hour', now()) - (i % 5) * interval '1 hour' - interval '1 minute'
FROM generate_series(1, 60) AS i;
-- Clocks that are ahead.
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, timestamp)
SELECT name, 25, '{"queue": "artists", "success_count": 1, "api": "api 1", "success": "true"}', now() + ahead
FROM unnest('{queue_processing,api_call}'::text[]) AS name, unnest('{2 hours,3 hours,1000 years}'::interval[]) AS ahead;

-- The document's two view queries, against the views: before and after the hours are rolled up.
CREATE VIEW pg_temp.document_queues AS
SELECT
    tags->>'queue' AS queue_name,
    date_trunc('hour', timestamp) AS hour,
    COUNT(*) AS total_batches,
    SUM((tags->>'success_count')::integer) AS success_count,
    SUM((tags->>'error_count')::integer) AS error_count,
    AVG(metric_value) AS avg_processing_time_ms,
    SUM((tags->>'batch_size')::integer) AS total_messages_processed
FROM
    monitoring.pipeline_metrics
WHERE
    metric_name = 'queue_processing'
    AND timestamp > now() - interval '7 days'
GROUP BY
    tags->>'queue', date_trunc('hour', timestamp);
CREATE VIEW pg_temp.document_apis AS
SELECT
    tags->>'api' AS api_name,
    date_trunc('hour', timestamp) AS hour,
    COUNT(*) AS total_calls,
    SUM(CASE WHEN tags->>'success' = 'true' THEN 1 ELSE 0 END) AS success_count,
    SUM(CASE WHEN tags->>'success' = 'false' THEN 1 ELSE 0 END) AS error_count,
    AVG(CASE WHEN tags->>'success' = 'true' THEN metric_value ELSE NULL END) AS avg_success_time_ms,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY metric_value) AS p95_time_ms
FROM
    monitoring.pipeline_metrics
WHERE
    metric_name = 'api_call'
    AND timestamp > now() - interval '7 days'
GROUP BY
    tags->>'api', date_trunc('hour', timestamp);
-- Rows of one side that the other has not; averages within rounding, percentiles within 1 %.
CREATE TEMP VIEW differences AS
SELECT 'queues' AS view, d.queue_name AS name, d.hour
FROM pg_temp.document_queues AS d FULL JOIN monitoring.queue_metrics AS v
    ON v.queue_name IS NOT DISTINCT FROM d.queue_name AND v.hour = d.hour
WHERE (v.total_batches, v.success_count, v.error_count, v.total_messages_processed)
        IS DISTINCT FROM
      (d.total_batches, d.success_count, d.error_count, d.total_messages_processed)
    OR abs(v.avg_processing_time_ms - d.avg_processing_time_ms) > 1e-9
UNION ALL
SELECT 'apis', d.api_name, d.hour
FROM pg_temp.document_apis AS d FULL JOIN monitoring.api_metrics AS v
    ON v.api_name IS NOT DISTINCT FROM d.api_name AND v.hour = d.hour
WHERE (v.total_calls, v.success_count, v.error_count)
        IS DISTINCT FROM (d.total_calls, d.success_count, d.error_count)
    OR abs(v.avg_success_time_ms - d.avg_success_time_ms) > 1e-9;
SELECT count(*) > 10 AS enough FROM pg_temp.document_queues;
SELECT count(*) >= 10 AS enough FROM pg_temp.document_apis;
SELECT * FROM differences;
SELECT monitoring.aggregate_hourly_metrics() > 0 AS rolled_up;
SELECT monitoring.aggregate_hourly_metrics() AS again;
SELECT * FROM differences;
-- Each hour by its name is what makes an index lead to the states of one metric.
SET LOCAL enable_seqscan = off;
SET LOCAL enable_bitmapscan = off;
CREATE FUNCTION pg_temp.plan_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query; END $$;
SELECT view, count(*) FILTER (WHERE line LIKE '%Index Cond: ((period_start = ANY%metric_name =%') AS by_hour_and_metric
FROM unnest('{queue_metrics,api_metrics}'::text[]) AS view, pg_temp.plan_of('TABLE monitoring.' || view) AS line
GROUP BY view ORDER BY view;
RESET enable_seqscan;
RESET enable_bitmapscan;
-- The document's columns and their order.
SELECT column_name FROM information_schema.columns
WHERE table_schema = 'monitoring' AND table_name = 'queue_metrics' ORDER BY ordinal_position;
SELECT column_name FROM information_schema.columns
WHERE table_schema = 'monitoring' AND table_name = 'api_metrics' ORDER BY ordinal_position;

-- The document's roll-up of the last whole hour, for metrics whose tags are all dimensions.
WITH document AS (
    SELECT
        metric_name,
        'hourly' AS period,
        date_trunc('hour', now()) - interval '1 hour' AS period_start,
        MIN(metric_value) AS min_value,
        MAX(metric_value) AS max_value,
        AVG(metric_value) AS avg_value,
        SUM(metric_value) AS sum_value,
        COUNT(*) AS count_value,
        tags AS dimensions
    FROM
        monitoring.pipeline_metrics
    WHERE
        timestamp >= date_trunc('hour', now()) - interval '1 hour'
        AND timestamp < date_trunc('hour', now())
        AND metric_name = 'api_call'
    GROUP BY
        metric_name, tags
)
SELECT count(*) AS groups,
       count(*) FILTER (WHERE a.min_value = d.min_value AND a.max_value = d.max_value
                        AND abs(a.avg_value - d.avg_value) < 1e-9 AND a.sum_value = d.sum_value
                        AND a.count_value = d.count_value) AS equal
FROM document AS d LEFT JOIN monitoring.aggregated_metrics AS a
    USING (metric_name, period, period_start, dimensions);

-- getSystemHealth, and the purge with its default.
SELECT public.get_system_health() ->> 'overall_status' IN ('healthy', 'warning', 'critical') AS known;
SELECT public.purge_old_monitoring_events(30) >= 0 AS purged;
ROLLBACK;

DO $$
BEGIN
    PERFORM monitoring.resume_worker();
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    NULL;
END
$$;
