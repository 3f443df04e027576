-- Roll-ups against document 001's own aggregation, which is the oracle, and hand-computed values.
-- Timestamps are of 2024: such rows come late, and their hours, days and weeks are all closed.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
RESET client_min_messages;
SET TimeZone = 'UTC';
\set VERBOSITY terse

-- A worker of this database would take the rows before this script does.
DO $$ BEGIN PERFORM monitoring.pause_worker(); EXCEPTION WHEN object_not_in_prerequisite_state THEN END $$;
CREATE PROCEDURE pg_temp.start_over() LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE monitoring.pipeline_metrics, monitoring.aggregated_metrics, monitoring_internal.rollup_state,
        monitoring_internal.rollup_pending, monitoring_internal.rollup_periods, monitoring_internal.rollup_corrections, monitoring_internal.rollup_purged,
        monitoring.metric_definitions;
END $$;
CALL pg_temp.start_over();

-- The document's SELECT for all closed periods, with the time zone UTC.
CREATE FUNCTION pg_temp.document(unit text)
RETURNS TABLE (metric_name text, period_start timestamptz, min_value float8, max_value float8,
               avg_value numeric, sum_value float8, count_value bigint, dimensions jsonb)
LANGUAGE sql SET TimeZone = 'UTC' AS $$
    SELECT metric_name, date_trunc(unit, timestamp), MIN(metric_value), MAX(metric_value),
           round(AVG(metric_value)::numeric, 9), SUM(metric_value), COUNT(*), tags
    FROM monitoring.pipeline_metrics
    WHERE timestamp < date_trunc(unit, now()) AND isfinite(timestamp)
        AND metric_value - metric_value = 0
    GROUP BY metric_name, tags, date_trunc(unit, timestamp)
$$;
-- Rows of one side that the other has not.
CREATE FUNCTION pg_temp.differences() RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
    CREATE TEMP TABLE expected ON COMMIT DROP AS
        SELECT 'hourly' AS period, d.* FROM pg_temp.document('hour') d
        UNION ALL SELECT 'daily', d.* FROM pg_temp.document('day') d
        UNION ALL SELECT 'weekly', d.* FROM pg_temp.document('week') d;
    CREATE TEMP TABLE got ON COMMIT DROP AS
        SELECT period, metric_name, period_start, min_value, max_value,
               round(avg_value::numeric, 9) AS avg_value, sum_value,
               count_value - nonfinite_count AS count_value, dimensions
        FROM monitoring.aggregated_metrics WHERE count_value > nonfinite_count;
    RETURN QUERY
        SELECT 'missing', x::text FROM (TABLE expected EXCEPT ALL TABLE got) x
        UNION ALL SELECT 'surplus', x::text FROM (TABLE got EXCEPT ALL TABLE expected) x
        ORDER BY 1, 2;
END $$;

---- Hand-computed: two hours, two series, tags NULL and {} apart, an hour without rows between.
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, timestamp) VALUES
    ('m', 1, '{"a": 1}', '2024-03-05 10:00:00+00'),
    ('m', 3, '{"a": 1.0}', '2024-03-05 10:59:59.999999+00'),
    ('m', 5, '{"a": "1"}', '2024-03-05 10:30:00+00'),
    ('m', 7, NULL, '2024-03-05 12:00:00+00'),
    ('m', 9, '{}', '2024-03-05 12:10:00+00'),
    ('m', 11, '[1, 2]', '2024-03-05 12:20:00+00'),
    ('m', 13, '"text"', '2024-03-05 12:20:00+00'),
    ('m', 14, '"text"', '2024-03-05 12:21:00+00'),
    ('m', 15, 'null', '2024-03-05 12:20:00+00'),
    ('n', 17, '{"a": 1}', '2024-03-05 10:00:00+00');
SELECT monitoring.aggregate_hourly_metrics(), monitoring.aggregate_daily_metrics(),
       monitoring.aggregate_weekly_metrics();
SELECT metric_name, period, period_start, min_value, max_value, avg_value, sum_value, count_value,
       dimensions, stddev_value, nonfinite_count, measures
FROM monitoring.aggregated_metrics
ORDER BY metric_name, period, period_start, dimensions::text NULLS FIRST;
-- A second run changes nothing.
SELECT monitoring.aggregate_hourly_metrics(), monitoring.aggregate_daily_metrics(),
       monitoring.aggregate_weekly_metrics();
SELECT * FROM pg_temp.differences() AS d(side text, line text);
SELECT period, last_period_start, pending_periods, last_run_at IS NOT NULL AS has_run, last_error
FROM monitoring.rollup_status ORDER BY period;

---- UTC whatever the session says, across days on which clocks change.
CALL pg_temp.start_over();
SET TimeZone = 'America/New_York';
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, timestamp)
SELECT 'dst', i % 17, jsonb_build_object('k', i % 2), t
FROM (SELECT row_number() OVER () AS i, t
      FROM generate_series('2024-03-09 00:00+00'::timestamptz, '2024-03-12', '13 minutes') AS t) s;
SELECT monitoring.aggregate_hourly_metrics(), monitoring.aggregate_daily_metrics(),
       monitoring.aggregate_weekly_metrics();
SET TimeZone = 'Asia/Kolkata';
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, timestamp)
SELECT 'dst', i % 17, jsonb_build_object('k', i % 2), t
FROM (SELECT row_number() OVER () AS i, t
      FROM generate_series('2024-11-02 00:00+00'::timestamptz, '2024-11-05', '13 minutes') AS t) s;
SELECT monitoring.aggregate_hourly_metrics(), monitoring.aggregate_daily_metrics(),
       monitoring.aggregate_weekly_metrics();
SELECT * FROM pg_temp.differences() AS d(side text, line text);
SELECT period, count(*), count(DISTINCT period_start) AS periods, sum(count_value) AS rows,
       bool_and(period_start = date_trunc('hour', period_start, 'UTC')) AS whole_hours
FROM monitoring.aggregated_metrics GROUP BY period ORDER BY period;
SELECT DISTINCT period_start AT TIME ZONE 'UTC' AS week, to_char(period_start AT TIME ZONE 'UTC', 'Dy') AS day
FROM monitoring.aggregated_metrics WHERE period = 'weekly' ORDER BY 1;
SET TimeZone = 'America/New_York';
SELECT monitoring.aggregate_hourly_metrics(), monitoring.aggregate_daily_metrics(),
       monitoring.aggregate_weekly_metrics();
SET TimeZone = 'UTC';

---- NaN and infinities are counted, and poison nothing.
CALL pg_temp.start_over();
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, timestamp)
SELECT 'odd', v, '{}'::jsonb, '2024-03-05 10:00+00'::timestamptz FROM unnest('{1,NaN,2,inf,-inf,6}'::float8[]) AS v
UNION ALL SELECT 'only odd', v, '{}'::jsonb, '2024-03-05 10:00+00'::timestamptz FROM unnest('{NaN,inf}'::float8[]) AS v
-- Extremes: the sum of finite values may overflow, and says so.
UNION ALL SELECT 'huge', v, '{}'::jsonb, '2024-03-05 10:00+00'::timestamptz FROM unnest('{1.7e308,1.7e308}'::float8[]) AS v
UNION ALL SELECT 'tiny', v, '{}'::jsonb, '2024-03-05 10:00+00'::timestamptz FROM unnest('{-0.0,5e-324,-5e-324}'::float8[]) AS v;
-- Infinite timestamps lie in no period.
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, timestamp)
VALUES ('never', 1, 'infinity'), ('never', 1, '-infinity');
SELECT monitoring.aggregate_hourly_metrics(), monitoring.aggregate_daily_metrics(),
       monitoring.aggregate_weekly_metrics();
SELECT metric_name, period, count_value, nonfinite_count, min_value, max_value, avg_value, sum_value,
       stddev_value, p50_value BETWEEN min_value AND max_value AS median
FROM monitoring.aggregated_metrics ORDER BY metric_name, period;
SELECT monitoring.aggregate_hourly_metrics() AS again;

---- Dimensions and measures of the metrics that name their dimensions.
CALL pg_temp.start_over();
INSERT INTO monitoring.metric_definitions (metric_name, dimension_keys)
VALUES ('keyed', '{region,host}'), ('keyless', '{}'), ('api_call', NULL);
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, timestamp)
SELECT m, v, t::jsonb, '2024-03-05 10:00+00' FROM (VALUES
    ('keyed', 1, '{"region": "eu", "host": "a", "n": 1, "s": "2", "sp": " 3 ", "plus": "+4"}'),
    ('keyed', 2, '{"host": "a", "region": "eu", "n": 2.5, "s": "-7", "bad": "1.5", "worse": "x"}'),
    ('keyed', 3, '{"host": "a", "region": "eu", "bool": true, "none": null, "list": [1], "obj": {"q": 1}}'),
    ('keyed', 4, '{"region": "eu", "n": 9223372036854775807, "s": "99999999999999999999"}'),
    ('keyed', 5, '{"region": "eu", "n": 9223372036854775807}'),
    ('keyed', 6, '{"region": {"deep": [1, 2]}, "n": 1}'),
    ('keyed', 7, '{"region": {"deep": [1.0, 2]}, "n": 1}'),
    ('keyed', 8, NULL),
    ('keyed', 9, '[3]'),
    ('keyless', 1, '{"n": 1}'),
    ('keyless', 2, '{"n": 2, "other": "5"}'),
    ('api_call', 1, '{"api": "x", "success": "true", "extra": 1}'),
    ('queue_processing', 10, '{"queue": "q", "success_count": 3, "error_count": "1", "batch_size": 4, "note": "n"}'),
    ('queue_processing', 20, '{"queue": "q", "success_count": "2", "error_count": "oops"}')) AS v(m, v, t);
SELECT monitoring.aggregate_hourly_metrics(), monitoring.aggregate_daily_metrics(),
       monitoring.aggregate_weekly_metrics();
SELECT metric_name, dimensions, count_value, sum_value, measures
FROM monitoring.aggregated_metrics WHERE period = 'hourly'
ORDER BY metric_name, dimensions::text NULLS FIRST, sum_value;
-- Later levels sum the measures of the finer ones; a late row adds its own.
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, timestamp)
VALUES ('queue_processing', 30, '{"queue": "q", "success_count": 10}', '2024-03-05 11:00+00');
SELECT monitoring.aggregate_hourly_metrics(), monitoring.aggregate_daily_metrics(),
       monitoring.aggregate_weekly_metrics();
SELECT period, period_start, count_value, sum_value, measures
FROM monitoring.aggregated_metrics WHERE metric_name = 'queue_processing' ORDER BY period_start, period;

---- Averages are weighted by count, deviations are those of a sample, percentiles within 1 %.
CALL pg_temp.start_over();
SELECT setseed(0.25);
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, timestamp)
SELECT d, CASE d WHEN 'uniform' THEN r * 1000
                 WHEN 'exponential' THEN -ln(1 - r) * 50
                 WHEN 'pareto' THEN (1 - r) ^ (-1.2)
                 WHEN 'negative' THEN -r * 10 - 1
                 WHEN 'bimodal' THEN CASE WHEN r < 0.7 THEN 10 + r ELSE 5000 + r END
                 WHEN 'constant' THEN 42
                 WHEN 'integers' THEN floor(r * 20) END, '{}',
       '2024-03-04 00:00+00'::timestamptz + i % 40 * interval '1 hour' + r * interval '59 minutes'
FROM unnest('{uniform,exponential,pareto,negative,bimodal,constant,integers}'::text[]) AS d,
     LATERAL (SELECT i, random() AS r FROM generate_series(1, 3000) AS i WHERE d <> '') AS s;
SELECT monitoring.aggregate_hourly_metrics() AS hours, monitoring.aggregate_daily_metrics() AS days,
       monitoring.aggregate_weekly_metrics() AS weeks;
CREATE FUNCTION pg_temp.near(a float8, b float8, part float8) RETURNS boolean
RETURN abs(a - b) <= abs(b) * part + 1e-9;
-- The percentile of a small hour falls between two values that may lie far apart: the value of the
-- same rank below or above is as good.
WITH exact AS (
    SELECT metric_name, p.period, date_trunc(p.unit, timestamp, 'UTC') AS period_start,
           avg(metric_value) AS avg, stddev_samp(metric_value) AS stddev, count(*) AS n,
           percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY metric_value) AS below,
           percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY metric_value) AS pct,
           -percentile_disc(1 - 0.5) WITHIN GROUP (ORDER BY -metric_value) AS above50,
           -percentile_disc(1 - 0.95) WITHIN GROUP (ORDER BY -metric_value) AS above95,
           -percentile_disc(1 - 0.99) WITHIN GROUP (ORDER BY -metric_value) AS above99
    FROM monitoring.pipeline_metrics,
         (VALUES ('hourly', 'hour'), ('daily', 'day'), ('weekly', 'week')) AS p(period, unit)
    GROUP BY 1, 2, 3)
SELECT e.metric_name, e.period, count(*) AS periods, bool_and(e.n = a.count_value) AS counts,
       bool_and(pg_temp.near(a.avg_value, e.avg, 1e-12)) AS averages,
       bool_and(pg_temp.near(a.stddev_value, e.stddev, 1e-9)) AS deviations,
       bool_and(a.p50_value BETWEEN LEAST(e.below[1], e.above50, pct[1]) - 0.01 * abs(e.pct[1])
                                AND GREATEST(e.below[1], e.above50, pct[1]) + 0.01 * abs(e.pct[1])) AS p50,
       bool_and(a.p95_value BETWEEN LEAST(e.below[2], e.above95, pct[2]) - 0.01 * abs(e.pct[2])
                                AND GREATEST(e.below[2], e.above95, pct[2]) + 0.01 * abs(e.pct[2])) AS p95,
       bool_and(a.p99_value BETWEEN LEAST(e.below[3], e.above99, pct[3]) - 0.01 * abs(e.pct[3])
                                AND GREATEST(e.below[3], e.above99, pct[3]) + 0.01 * abs(e.pct[3])) AS p99
FROM exact AS e LEFT JOIN monitoring.aggregated_metrics AS a USING (metric_name, period, period_start)
GROUP BY e.metric_name, e.period ORDER BY 1, 2;
-- With a thousand values and more neighbours are near: within 1 % of percentile_cont itself.
SELECT metric_name, bool_and(pg_temp.near(a.p50_value, e.pct[1], 0.01)) AS p50,
       bool_and(pg_temp.near(a.p95_value, e.pct[2], 0.01)) AS p95,
       bool_and(pg_temp.near(a.p99_value, e.pct[3], 0.01)) AS p99
FROM (SELECT metric_name,
             percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY metric_value) AS pct
      FROM monitoring.pipeline_metrics GROUP BY metric_name) AS e
JOIN monitoring.aggregated_metrics AS a USING (metric_name)
WHERE a.period = 'weekly' AND metric_name <> 'pareto' GROUP BY metric_name ORDER BY metric_name;

---- Names that are no periods.
SELECT monitoring_internal.pending_periods('monthly');

---- Tags of 8 kB, which are stored out of line, and tags that compress.
CALL pg_temp.start_over();
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, timestamp)
SELECT 'big', i, jsonb_build_object('k', i % 3, 'noise', n), '2024-03-05 10:00+00'
FROM (SELECT string_agg(md5(x::text), '') AS n FROM generate_series(1, 256) AS x) AS noise,
     generate_series(1, 30) AS i;
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, timestamp)
SELECT 'flat', i, jsonb_build_object('k', repeat('a', 8192)), '2024-03-05 10:00+00'
FROM generate_series(1, 5) AS i;
SELECT monitoring.aggregate_hourly_metrics(), monitoring.aggregate_daily_metrics(),
       monitoring.aggregate_weekly_metrics();
SELECT * FROM pg_temp.differences() AS d(side text, line text);
SELECT metric_name, period, dimensions -> 'k' = '1' AS one, count_value, length(dimensions::text)
FROM monitoring.aggregated_metrics ORDER BY metric_name, period, dimensions -> 'k', 4;

---- A table that somebody gave a trigger is written through SQL, which fires it.
CALL pg_temp.start_over();
CREATE TABLE public.published (metric_name text, p50_value float8);
CREATE FUNCTION public.note_published() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.published VALUES (NEW.metric_name, NEW.p50_value);
    RETURN NULL;
END $$;
CREATE TRIGGER note AFTER INSERT ON monitoring.aggregated_metrics
    FOR EACH ROW EXECUTE FUNCTION public.note_published();
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, timestamp)
VALUES ('watched', 7, '2024-03-05 10:00+00'), ('watched', 7, '2024-03-05 11:00+00');
SELECT monitoring.aggregate_hourly_metrics();
SELECT * FROM public.published;
DROP TRIGGER note ON monitoring.aggregated_metrics;
DROP FUNCTION public.note_published();
DROP TABLE public.published;

---- More open series than one batch, brought up to date several times.
CALL pg_temp.start_over();
INSERT INTO monitoring.metric_definitions (metric_name, dimension_keys) VALUES ('crowd', '{n}');
CREATE PROCEDURE add_to_crowd(members integer) LANGUAGE sql AS $$
  INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, "timestamp")
  SELECT 'crowd', i % 40 + j, jsonb_build_object('n', i, 'cost', j), '2100-01-01 00:30+00'
  FROM generate_series(1, members) AS i, generate_series(1, 1 + members % 30) AS j
$$;
CALL add_to_crowd(450);
SELECT monitoring_internal.rollup_advance();
CALL add_to_crowd(300);
SELECT monitoring_internal.rollup_advance();
CALL add_to_crowd(515);
SELECT monitoring_internal.rollup_advance();
CALL add_to_crowd(450);
SELECT monitoring_internal.rollup_advance();
CREATE VIEW crowd_difference AS
(SELECT (tags ->> 'n')::integer AS n, count(*) AS count_value, sum(metric_value) AS sum_value,
   min(metric_value) AS min_value, max(metric_value) AS max_value, sum((tags ->> 'cost')::integer) AS cost
 FROM monitoring.pipeline_metrics WHERE metric_name = 'crowd' GROUP BY 1)
EXCEPT
SELECT (dimensions ->> 'n')::integer, count_value, sum_value, min_value, max_value, (measures ->> 'cost')::integer
FROM monitoring_internal.rollup_state WHERE metric_name = 'crowd' AND NOT published;
SELECT count(*) AS differing FROM crowd_difference;
SELECT count(*) AS states, sum(count_value) FROM monitoring_internal.rollup_state WHERE metric_name = 'crowd';
-- Its percentiles are those of the raw rows, within 1 %.
SELECT n, monitoring_internal.sketch_quantile(sketch, 0.5) BETWEEN 0.99 * exact AND 1.01 * exact AS close
FROM (SELECT (dimensions ->> 'n')::integer AS n, sketch FROM monitoring_internal.rollup_state WHERE metric_name = 'crowd') AS s
JOIN (SELECT (tags ->> 'n')::integer AS n, percentile_cont(0.5) WITHIN GROUP (ORDER BY metric_value) AS exact
      FROM monitoring.pipeline_metrics WHERE metric_name = 'crowd' GROUP BY 1) AS r USING (n)
WHERE n IN (1, 300, 450, 515) ORDER BY n;
DROP VIEW crowd_difference;
DROP PROCEDURE add_to_crowd(integer);

---- Measures are read as they are stored: every shape of a number, against numeric itself.
CALL pg_temp.start_over();
INSERT INTO monitoring.metric_definitions (metric_name, dimension_keys) VALUES ('shapes', '{k}');
CREATE TEMP TABLE shape AS
SELECT row_number() OVER () AS k, sign * value AS n
FROM unnest(ARRAY[1, -1]) AS sign, unnest('{0, 0.00, 1, 1.0, 7, 100.00, 9999, 10000, 10001, 12345678, 99999999,
  100000000, 1e12, 999999999999999, 9999999999999999, 1e16, 10000000000000001, 4611686018427387904, 1e20, 1e130,
  0.5, 1.50, 0.0001, 0.00001, 12345678.9, 10000.0001, 1e-20}'::numeric[]) AS value;
INSERT INTO shape SELECT 1000 + i, round((random() - 0.5)::numeric * 10 ^ (i % 18)) FROM generate_series(1, 300) AS i;
INSERT INTO shape SELECT 2000 + i, round((random() - 0.5)::numeric * 10000, i % 9) FROM generate_series(1, 100) AS i;
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, "timestamp")
SELECT 'shapes', 1, jsonb_build_object('k', k, 'n', n), '2024-03-05 10:00+00' FROM shape;
SELECT monitoring.aggregate_hourly_metrics();
SELECT k, n, measures FROM shape JOIN monitoring.aggregated_metrics ON (dimensions ->> 'k')::integer = k
WHERE (measures ->> 'n')::float8 <> n::float8 OR (n = trunc(n) AND abs(n) < 9e18 AND (measures ->> 'n')::numeric <> n);

CALL pg_temp.start_over();
DO $$ BEGIN PERFORM monitoring.resume_worker(); EXCEPTION WHEN object_not_in_prerequisite_state THEN END $$;
