-- What is recorded of counters and histograms, read as what it is: by metric_values, thresholds and
-- roll-ups. Samples of snapshots are increases; a counter that a program records itself is a level.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
SET TimeZone = 'UTC';
\set VERBOSITY terse
DO $$ BEGIN PERFORM monitoring.pause_worker(); EXCEPTION WHEN object_not_in_prerequisite_state THEN END $$;

SELECT monitoring.define_metric('s_orders_total', 'counter', 'Snapshots.', snapshot => true);
SELECT monitoring.define_metric('s_level_total', 'counter', 'Its program records the running total.');
SELECT monitoring.define_metric('s_wait_seconds', 'histogram', 'Snapshots.', 'seconds', '{0.1,0.25,0.5,1}', true);
SELECT metric_name, samples FROM monitoring.metric_definitions WHERE metric_name LIKE 's\_%' ORDER BY 1;

-- 400 orders in four minutes, as a snapshot and as its program's total.
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, timestamp)
SELECT 's_orders_total', v, '{"k": "v"}'::jsonb, timestamptz '2024-03-05 10:00+00' + n * interval '1 minute'
FROM unnest('{50,150,75,125}'::float8[]) WITH ORDINALITY AS s(v, n)
UNION ALL
SELECT 's_level_total', v, '{}'::jsonb, timestamptz '2024-03-05 10:00+00' + n * interval '1 minute'
FROM unnest('{1000,1100,1200,100,200}'::float8[]) WITH ORDINALITY AS s(v, n);
CREATE FUNCTION pg_temp.at_five(name text, aggregate text, by_labels text[] DEFAULT NULL) RETURNS TABLE (labels jsonb, value numeric)
LANGUAGE sql AS $$
    SELECT labels, round(value::numeric, 4) FROM monitoring.metric_values(name, aggregate, '5 minutes',
        '2024-03-05 10:05+00', by_labels => by_labels) ORDER BY 1
$$;
SELECT aggregate, v.* FROM unnest('{increase,rate,sum,count,max}'::text[]) WITH ORDINALITY AS a(aggregate, n),
    pg_temp.at_five('s_orders_total', aggregate) AS v ORDER BY n;
SELECT aggregate, v.* FROM unnest('{increase,last}'::text[]) WITH ORDINALITY AS a(aggregate, n),
    pg_temp.at_five('s_level_total', aggregate) AS v ORDER BY n;
-- One sample is enough, and a snapshot that is off says nothing of what it has recorded before.
SELECT value FROM monitoring.metric_values('s_orders_total', 'increase', '1 minute', '2024-03-05 10:01+00');
SELECT monitoring.define_metric('s_orders_total', 'counter', 'Snapshots.', snapshot => false);
SELECT * FROM pg_temp.at_five('s_orders_total', 'increase');
UPDATE monitoring.metric_definitions SET samples = 'levels' WHERE metric_name = 's_orders_total';
SELECT * FROM pg_temp.at_five('s_orders_total', 'increase');
UPDATE monitoring.metric_definitions SET samples = 'increases' WHERE metric_name = 's_orders_total';
SELECT monitoring.aggregate_hourly_metrics() > 0 AS rolled_up;
SELECT metric_name, count_value, sum_value FROM monitoring.aggregated_metrics
WHERE metric_name = 's_orders_total' AND period = 'hourly';

-- Real snapshots of a histogram: 90 waits below 0.1 s, 10 between 0.25 and 0.5 s; then one of two pages only.
SELECT count(monitoring.histogram_observe('s_wait_seconds', CASE WHEN n <= 90 THEN 0.05 ELSE 0.3 END, jsonb_build_object('page', 'p' || n % 2)))
FROM generate_series(1, 100) AS n;
SELECT monitoring_internal.snapshot_metrics() > 0 AS recorded;
SELECT metric_name, tags, metric_value FROM monitoring.pipeline_metrics WHERE metric_name LIKE 's\_wait%' AND tags ->> 'page' = 'p0'
ORDER BY metric_name, (tags ->> 'le')::float8;
SELECT monitoring_internal.snapshot_metrics() > 0 AS recorded;
SELECT count(*) AS no_buckets_without_observations FROM monitoring.pipeline_metrics WHERE metric_name = 's_wait_seconds_bucket';
SELECT monitoring.histogram_observe('s_wait_seconds', 7, '{"page": "p1"}');
SELECT monitoring_internal.snapshot_metrics() > 0 AS recorded;
CREATE FUNCTION pg_temp.now_is(aggregate text, by_labels text[] DEFAULT NULL) RETURNS TABLE (labels jsonb, value numeric)
LANGUAGE sql AS $$
    SELECT labels, round(value::numeric, 4) FROM monitoring.metric_values('s_wait_seconds', aggregate, '10 minutes',
        now() + interval '1 second', by_labels => by_labels) ORDER BY 1
$$;
SELECT aggregate, v.* FROM unnest('{p50,p95,p99,avg,sum,count,increase,max}'::text[]) WITH ORDINALITY AS a(aggregate, n),
    pg_temp.now_is(aggregate) AS v ORDER BY n, labels;
SELECT aggregate, v.* FROM unnest('{p50,p95,avg,count}'::text[]) WITH ORDINALITY AS a(aggregate, n),
    pg_temp.now_is(aggregate, '{}') AS v ORDER BY n;
-- As histogram_quantile: in the first bucket from 0, in the last one its lower bound, none without values.
SELECT q, monitoring_internal.bucket_quantile(q, '{0.1,0.25,0.5,1,inf}', '{90,90,100,100,101}') FROM unnest('{0,0.5,0.95,1}'::float8[]) AS q;
SELECT monitoring_internal.bucket_quantile(0.5, '{1,inf}', '{0,0}') IS NULL AS none,
    monitoring_internal.bucket_quantile(0.5, '{-1,inf}', '{3,3}') AS at_most, monitoring_internal.bucket_quantile(0.5, '{1}', '{3}') IS NULL AS no_inf,
    monitoring_internal.bucket_quantile(0.5, '{}', '{}') IS NULL AS nothing;

-- A threshold on its p95 fires.
SELECT monitoring.create_threshold('s_wait_seconds', 0.2, NULL, aggregate => 'p95', over_last => '10 minutes', rule_name => 'SlowWaits') > 0 AS made;
SELECT monitoring.evaluate_alerts(now() + interval '1 second') IS NOT NULL AS evaluated;
SELECT labels ->> 'page' AS page, state FROM monitoring.alerts WHERE rule_name = 'SlowWaits' ORDER BY 1;

-- The 95th percentile of one value is this value, and lies between the extremes.
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags) VALUES ('api_call', 42.5, '{"api": "one", "success": true}');
SELECT p95_time_ms FROM monitoring.api_metrics WHERE api_name = 'one';
SELECT monitoring_internal.rollup_advance() > 0 AS taken;
SELECT p95_time_ms FROM monitoring.api_metrics WHERE api_name = 'one';

SELECT monitoring.remove_metric('s_wait_seconds') > 0 AS removed;
DELETE FROM monitoring.alert_rules WHERE rule_name = 'SlowWaits';
DELETE FROM monitoring.alerts WHERE rule_name = 'SlowWaits';
DELETE FROM monitoring.alert_history WHERE rule_name = 'SlowWaits';
DELETE FROM monitoring.metric_definitions WHERE metric_name LIKE 's\_%';
TRUNCATE monitoring.pipeline_metrics, monitoring.aggregated_metrics, monitoring_internal.rollup_state,
    monitoring_internal.rollup_pending, monitoring_internal.rollup_periods, monitoring_internal.rollup_corrections, monitoring_internal.rollup_purged;
DO $$ BEGIN PERFORM monitoring.resume_worker(); EXCEPTION WHEN object_not_in_prerequisite_state THEN END $$;
