-- Document 001's views, from roll-ups and from what no pass has seen yet.

-- One piece of a series: a roll-up state, or a single measurement.
CREATE VIEW monitoring_internal.hourly_pieces AS
SELECT s.metric_name, s.period_start AS hour, s.dimensions AS tags, s.count_value,
       s.count_value - s.nonfinite_count AS finite_count, s.sum_value, s.sketch, s.measures,
       s.min_value, s.max_value
FROM monitoring_internal.rollup_state s
WHERE s.period = 'hourly';
COMMENT ON VIEW monitoring_internal.hourly_pieces IS 'The hourly states that views merge.';

-- Each hour by its name: so the index of the states leads to those of one metric, where a range of hours
-- would go through those of all metrics. Clocks that are ahead may have made later ones: few, and each is
-- looked up behind the one before.
CREATE VIEW monitoring_internal.recent_hours AS
WITH RECURSIVE ahead (hour) AS (
  SELECT (SELECT min(period_start) FROM monitoring_internal.rollup_state WHERE period_start > now())
  UNION ALL
  SELECT (SELECT min(period_start) FROM monitoring_internal.rollup_state WHERE period_start > hour)
  FROM ahead
  WHERE hour IS NOT NULL)
SELECT generate_series(date_trunc('hour', now() - interval '168 hours', 'UTC'), now(), interval '1 hour') AS hour
UNION ALL
SELECT hour FROM ahead;
COMMENT ON VIEW monitoring_internal.recent_hours IS
  'The UTC hours of the last 7 days (whole hours), which views show, and later ones; then one NULL.';

CREATE FUNCTION monitoring_internal.integer_tag(tags jsonb, tag text) RETURNS bigint
AS 'MODULE_PATHNAME', 'monitoring_integer_tag' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION monitoring_internal.integer_tag(jsonb, text) IS
  'The tag as an integer of at most 18 digits, or NULL: a malformed tag never breaks a view.';

CREATE FUNCTION monitoring_internal.measure_tag(tags jsonb, tag text) RETURNS double precision
AS 'MODULE_PATHNAME', 'monitoring_measure_tag' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION monitoring_internal.measure_tag(jsonb, text) IS
  'What a roll-up adds of the tag: a number, or a text that casts to integer; otherwise NULL.';

CREATE FUNCTION monitoring_internal.whole(double precision) RETURNS bigint
AS 'MODULE_PATHNAME', 'monitoring_whole' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION monitoring_internal.whole(double precision) IS
  'The nearest bigint, also of what is beyond all of them.';

-- Grouped first and then put in order: few groups are sorted, and by hashing they need no order.
-- Rows are counted as float8, which is exact below 2^53: sum(bigint) is numeric, and dearer.
CREATE VIEW monitoring.queue_metrics AS
WITH pieces AS (
  SELECT tags ->> 'queue' AS queue_name, hour, count_value, finite_count, sum_value,
         monitoring_internal.measure_tag(measures, 'success_count') AS success_count,
         monitoring_internal.measure_tag(measures, 'error_count') AS error_count,
         monitoring_internal.measure_tag(measures, 'batch_size') AS batch_size
  FROM monitoring_internal.hourly_pieces
  WHERE metric_name = 'queue_processing'
    AND hour = ANY (ARRAY(SELECT recent.hour FROM monitoring_internal.recent_hours AS recent))
  UNION ALL
  SELECT tags ->> 'queue', date_trunc('hour', "timestamp", 'UTC'), 1,
         CASE WHEN metric_value - metric_value = 0 THEN 1 ELSE 0 END,
         CASE WHEN metric_value - metric_value = 0 THEN metric_value END,
         monitoring_internal.measure_tag(tags, 'success_count'),
         monitoring_internal.measure_tag(tags, 'error_count'),
         monitoring_internal.measure_tag(tags, 'batch_size')
  FROM monitoring_internal.new_measurements(
    'queue_processing', date_trunc('hour', now() - interval '168 hours', 'UTC'))
)
SELECT *
FROM (
  SELECT queue_name,
         hour,
         monitoring_internal.sum(count_value)::bigint AS total_batches,
         monitoring_internal.whole(monitoring_internal.sum(success_count)) AS success_count,
         monitoring_internal.whole(monitoring_internal.sum(error_count)) AS error_count,
         monitoring_internal.sum(sum_value) / nullif(monitoring_internal.sum(finite_count), 0) AS avg_processing_time_ms,
         monitoring_internal.whole(monitoring_internal.sum(batch_size)) AS total_messages_processed
  FROM pieces
  GROUP BY queue_name, hour) AS hours
ORDER BY queue_name, hour DESC;
COMMENT ON VIEW monitoring.queue_metrics IS
  'Per queue and UTC hour of the last 7 days (whole hours): batches, successes, errors, mean processing time in ms, messages; from measurements queue_processing. Complete at any moment: roll-up states, and the measurements no pass has taken.';
COMMENT ON COLUMN monitoring.queue_metrics.queue_name IS 'Tag queue of the measurements';
COMMENT ON COLUMN monitoring.queue_metrics.hour IS 'Start of the UTC hour';
COMMENT ON COLUMN monitoring.queue_metrics.total_batches IS
  'Measurements, each of which is a batch';
COMMENT ON COLUMN monitoring.queue_metrics.success_count IS 'Sum of their tags success_count';
COMMENT ON COLUMN monitoring.queue_metrics.error_count IS 'Sum of their tags error_count';
COMMENT ON COLUMN monitoring.queue_metrics.avg_processing_time_ms IS 'Mean of their values, in ms';
COMMENT ON COLUMN monitoring.queue_metrics.total_messages_processed IS
  'Sum of their tags batch_size';

CREATE VIEW monitoring.api_metrics AS
WITH pieces AS (
  SELECT tags ->> 'api' AS api_name, tags ->> 'success' AS success, hour, count_value,
         finite_count, sum_value, sketch, NULL::double precision AS single_value, min_value, max_value
  FROM monitoring_internal.hourly_pieces
  WHERE metric_name = 'api_call'
    AND hour = ANY (ARRAY(SELECT recent.hour FROM monitoring_internal.recent_hours AS recent))
  UNION ALL
  SELECT tags ->> 'api', tags ->> 'success', date_trunc('hour', "timestamp", 'UTC'), 1,
         CASE WHEN metric_value - metric_value = 0 THEN 1 ELSE 0 END,
         CASE WHEN metric_value - metric_value = 0 THEN metric_value END,
         NULL, metric_value,
         CASE WHEN metric_value - metric_value = 0 THEN metric_value END,
         CASE WHEN metric_value - metric_value = 0 THEN metric_value END
  FROM monitoring_internal.new_measurements(
    'api_call', date_trunc('hour', now() - interval '168 hours', 'UTC'))
)
SELECT *
FROM (
  SELECT api_name,
         hour,
         monitoring_internal.sum(count_value)::bigint AS total_calls,
         coalesce(monitoring_internal.sum(count_value) FILTER (WHERE success = 'true'), 0)::bigint AS success_count,
         coalesce(monitoring_internal.sum(count_value) FILTER (WHERE success = 'false'), 0)::bigint AS error_count,
         monitoring_internal.sum(sum_value) FILTER (WHERE success = 'true')
           / nullif(monitoring_internal.sum(finite_count) FILTER (WHERE success = 'true'), 0)
           AS avg_success_time_ms,
         -- A sketch knows its buckets; the extremes are exact.
         greatest(least(monitoring_internal.sketch_quantile_agg(sketch, single_value, 0.95), max(max_value)),
                  min(min_value)) AS p95_time_ms
  FROM pieces
  GROUP BY api_name, hour) AS hours
ORDER BY api_name, hour DESC;
COMMENT ON VIEW monitoring.api_metrics IS
  'Per API and UTC hour of the last 7 days (whole hours): calls, successes, errors, mean time of successful calls and 95th percentile of all in ms (within 1 %); from measurements api_call. Complete at any moment.';
COMMENT ON COLUMN monitoring.api_metrics.api_name IS 'Tag api of the measurements';
COMMENT ON COLUMN monitoring.api_metrics.hour IS 'Start of the UTC hour';
COMMENT ON COLUMN monitoring.api_metrics.total_calls IS 'Calls';
COMMENT ON COLUMN monitoring.api_metrics.success_count IS 'Calls that succeeded (tag success)';
COMMENT ON COLUMN monitoring.api_metrics.error_count IS 'Calls that failed';
COMMENT ON COLUMN monitoring.api_metrics.avg_success_time_ms IS
  'Mean time of calls that succeeded, in ms';
COMMENT ON COLUMN monitoring.api_metrics.p95_time_ms IS
  '95th percentile of the time of all calls, in ms, within 1 %';
