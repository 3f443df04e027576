-- Counters, gauges and histograms in shared memory, and the text in which Prometheus reads them.

CREATE FUNCTION monitoring.define_metric(name text, type text, help text, unit text DEFAULT NULL,
                                         buckets float8[] DEFAULT NULL,
                                         snapshot boolean DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'monitoring_define_metric' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION monitoring.define_metric(text, text, text, text, float8[], boolean) IS
    'Describes a metric: type counter, gauge or histogram; help and unit for Prometheus; upper bounds of a histogram''s buckets (NULL: 5 ms to 10 s, in seconds); snapshot: record it as measurements, too. Called again, it changes the description; another type or other buckets only where nothing is counted. Optional: the first use of a name defines it. '
    'Errors: 22023 for a bad name, type or buckets, 55000 without shared_preload_libraries.';

CREATE FUNCTION monitoring.linear_buckets(start float8, width float8, count integer)
RETURNS float8[]
AS 'MODULE_PATHNAME', 'monitoring_linear_buckets' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION monitoring.linear_buckets(float8, float8, integer) IS
    'Upper bounds for define_metric: start, start + width, start + 2 * width, . '
    'Errors: 22023 for a width that is not positive.';

CREATE FUNCTION monitoring.exponential_buckets(start float8, factor float8, count integer)
RETURNS float8[]
AS 'MODULE_PATHNAME', 'monitoring_exponential_buckets' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION monitoring.exponential_buckets(float8, float8, integer) IS
    'Upper bounds for define_metric: start, start * factor, start * factor^2, . '
    'Errors: 22023 for a factor that is not above 1.';

CREATE FUNCTION monitoring.remove_metric(name text)
RETURNS bigint
AS 'MODULE_PATHNAME', 'monitoring_remove_metric' LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION monitoring.remove_metric(text) IS
    'Forgets what was counted under this name, at once and for good, and returns how many series that were. The definition stays. '
    'Errors: 25006 in a read-only transaction.';

CREATE FUNCTION monitoring.counter_inc(name text, by float8 DEFAULT 1, labels jsonb DEFAULT '{}',
                                       transactional boolean DEFAULT false)
RETURNS void
AS 'MODULE_PATHNAME', 'monitoring_counter_inc' LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION monitoring.counter_inc(text, float8, jsonb, boolean) IS
    'Adds to a counter, which never goes down. It counts at once, also if the transaction rolls back; transactional => true counts at COMMIT only. '
    'Errors: 22023 for a bad name or a negative amount, 42809 where the name is of another type, '
    '55000 without shared_preload_libraries.';

CREATE FUNCTION monitoring.gauge_set(name text, value float8, labels jsonb DEFAULT '{}')
RETURNS void
AS 'MODULE_PATHNAME', 'monitoring_gauge_set' LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION monitoring.gauge_set(text, float8, jsonb) IS
    'Sets a gauge, at once, whatever becomes of the transaction. '
    'Errors: 22023 for a bad name, 42809 where the name is of another type, 55000 without '
    'shared_preload_libraries.';

CREATE FUNCTION monitoring.gauge_add(name text, delta float8, labels jsonb DEFAULT '{}')
RETURNS void
AS 'MODULE_PATHNAME', 'monitoring_gauge_add' LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION monitoring.gauge_add(text, float8, jsonb) IS
    'Adds to a gauge, or takes away from it, at once, whatever becomes of the transaction. '
    'Errors: 22023 for a bad name, 42809 where the name is of another type, 55000 without '
    'shared_preload_libraries.';

CREATE FUNCTION monitoring.histogram_observe(name text, value float8, labels jsonb DEFAULT '{}')
RETURNS void
AS 'MODULE_PATHNAME', 'monitoring_histogram_observe' LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION monitoring.histogram_observe(text, float8, jsonb) IS
    'Counts a value in its bucket, at once, whatever becomes of the transaction. '
    'Errors: 22023 for a bad name, 42809 where the name is of another type, 55000 without '
    'shared_preload_libraries.';

CREATE FUNCTION monitoring_internal.counted_metrics(
    only_metrics text[] DEFAULT NULL, OUT metric_name text, OUT metric_type text, OUT labels jsonb, OUT value float8,
    OUT sum float8, OUT count bigint, OUT buckets jsonb, OUT origin bigint,
    OUT whole_cluster boolean)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'monitoring_counted_metrics' LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION monitoring_internal.counted_metrics(text[]) IS
    'What is counted of this database and of the whole cluster, of all metrics or of these; origin differs after a series has started from zero';

CREATE VIEW monitoring.metrics AS
SELECT m.metric_name, m.metric_type, m.labels, m.value, m.sum, m.count, m.buckets
FROM monitoring_internal.counted_metrics() AS m;
COMMENT ON VIEW monitoring.metrics IS
    'Counters, gauges and histograms of this database, and those that the whole cluster has in common, as they are now; empty without shared_preload_libraries';
COMMENT ON COLUMN monitoring.metrics.metric_name IS 'Name of the metric';
COMMENT ON COLUMN monitoring.metrics.metric_type IS 'counter, gauge or histogram';
COMMENT ON COLUMN monitoring.metrics.labels IS 'Labels of the series';
COMMENT ON COLUMN monitoring.metrics.value IS 'Of a counter or a gauge';
COMMENT ON COLUMN monitoring.metrics.sum IS 'Of what a histogram has observed';
COMMENT ON COLUMN monitoring.metrics.count IS 'How often a histogram has observed; always that of its bucket +Inf';
COMMENT ON COLUMN monitoring.metrics.buckets IS
    'Of a histogram: [{"le": upper bound, "count": observations up to it}, ...]';

CREATE FUNCTION monitoring.prometheus_metrics(openmetrics boolean DEFAULT false)
RETURNS text
AS 'MODULE_PATHNAME', 'monitoring_prometheus_metrics' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION monitoring.prometheus_metrics(boolean) IS
    'monitoring.metrics, and what the extension costs itself, in Prometheus''s text format 0.0.4 or in OpenMetrics 1.0';

CREATE FUNCTION monitoring_internal.bucket_quantile(quantile float8, bounds float8[], counts float8[])
RETURNS float8
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  last integer := cardinality(bounds);
  rank float8 := quantile * counts[last];
  place integer := 1;
  low float8 := 0;
  below float8 := 0;
BEGIN
  IF last < 2 OR bounds[last] <> 'infinity' OR NOT counts[last] > 0 THEN
    RETURN NULL;
  END IF;
  WHILE place < last AND counts[place] < rank LOOP
    place := place + 1;
  END LOOP;
  IF place = last THEN
    RETURN bounds[last - 1];
  END IF;
  IF place > 1 THEN
    low := bounds[place - 1];
    below := counts[place - 1];
  ELSIF bounds[1] <= 0 THEN
    RETURN bounds[1];
  END IF;
  IF counts[place] <= below THEN
    RETURN low;
  END IF;
  RETURN low + (bounds[place] - low) * (rank - below) / (counts[place] - below);
END
$$;
COMMENT ON FUNCTION monitoring_internal.bucket_quantile(float8, float8[], float8[]) IS
    'A quantile from the upper bounds of buckets, in ascending order, and how many values are up to each; as Prometheus''s histogram_quantile';

-- What the last snapshot of a counter or histogram has recorded. It dies with the series, so it is
-- not dumped: another server counts from zero.
CREATE TABLE monitoring_internal.metric_snapshots (
    origin bigint PRIMARY KEY,
    value float8 NOT NULL,
    count bigint NOT NULL,
    buckets jsonb
);
COMMENT ON TABLE monitoring_internal.metric_snapshots IS
    'Up to where counted metrics are recorded as measurements, by series';
COMMENT ON COLUMN monitoring_internal.metric_snapshots.origin IS 'Of one life of a series: from zero on';
COMMENT ON COLUMN monitoring_internal.metric_snapshots.value IS 'Of a histogram, the sum';
COMMENT ON COLUMN monitoring_internal.metric_snapshots.count IS 'Of a histogram; 0 otherwise';
COMMENT ON COLUMN monitoring_internal.metric_snapshots.buckets IS 'Of a histogram, as in monitoring.metrics';

CREATE FUNCTION monitoring_internal.snapshot_metric(only_metric text) RETURNS bigint
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
WITH here AS MATERIALIZED (
  SELECT m.*, s.value AS old_value, s.count AS old_count, s.buckets AS old_buckets
  FROM monitoring_internal.counted_metrics(ARRAY(
      SELECT marked.metric_name FROM monitoring.metric_definitions AS marked
      WHERE marked.snapshot AND (only_metric IS NULL OR marked.metric_name = only_metric))) AS m
  JOIN monitoring.metric_definitions AS d USING (metric_name)
  LEFT JOIN monitoring_internal.metric_snapshots AS s USING (origin)
  WHERE d.snapshot AND NOT m.whole_cluster AND (only_metric IS NULL OR m.metric_name = only_metric)
), forgotten AS (
  DELETE FROM monitoring_internal.metric_snapshots AS s
  WHERE only_metric IS NULL AND NOT EXISTS (SELECT FROM here AS h WHERE h.origin = s.origin)
), remembered AS (
  INSERT INTO monitoring_internal.metric_snapshots AS s (origin, value, count, buckets)
  SELECT h.origin, coalesce(h.value, h.sum), coalesce(h.count, 0), h.buckets
  FROM here AS h WHERE h.metric_type <> 'gauge'
  ON CONFLICT (origin) DO UPDATE SET value = excluded.value, count = excluded.count,
    buckets = excluded.buckets
  WHERE (s.value, s.count) IS DISTINCT FROM (excluded.value, excluded.count)
), recorded AS (
  INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, "timestamp")
  SELECT v.name, v.value, CASE WHEN v.le IS NULL THEN h.labels
                               ELSE h.labels || jsonb_build_object('le', v.le) END, now()
  FROM here AS h, LATERAL (
    SELECT h.metric_name, h.value, NULL WHERE h.metric_type = 'gauge'
    UNION ALL
    SELECT h.metric_name, h.value - coalesce(h.old_value, 0), NULL WHERE h.metric_type = 'counter'
    UNION ALL
    SELECT h.metric_name || '_sum', h.sum - coalesce(h.old_value, 0), NULL
    WHERE h.metric_type = 'histogram'
    UNION ALL
    SELECT h.metric_name || '_count', h.count - coalesce(h.old_count, 0), NULL
    WHERE h.metric_type = 'histogram'
    UNION ALL
    -- All bounds, so that quantiles know where a bucket begins; none where nothing was observed.
    SELECT h.metric_name || '_bucket', (b.bucket ->> 'count')::float8
             - coalesce((h.old_buckets -> (b.place - 1)::integer ->> 'count')::float8, 0),
           b.bucket ->> 'le'
    FROM jsonb_array_elements(h.buckets) WITH ORDINALITY AS b(bucket, place)
    WHERE h.metric_type = 'histogram' AND h.count > coalesce(h.old_count, 0)) AS v(name, value, le)
  RETURNING 1
)
SELECT count(*) FROM recorded
$$;
COMMENT ON FUNCTION monitoring_internal.snapshot_metric(text) IS
    'Records one metric, or, with NULL, those that are marked for it, as measurements: gauges as they are; counters, and _sum, _count and _bucket of histograms, as what has come since the last time. Returns the measurements';

CREATE FUNCTION monitoring_internal.snapshot_metrics() RETURNS bigint
AS 'MODULE_PATHNAME', 'monitoring_snapshot_metrics' LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring_internal.snapshot_metrics() IS
    'What snapshot_metric() does, of all metrics; one that fails costs itself, and is an issue';
