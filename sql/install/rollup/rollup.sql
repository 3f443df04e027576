-- Roll-ups: hourly from raw, daily from hourly, weekly from daily (README, "Roll-ups").

CREATE FUNCTION monitoring_internal.dimensions_hash(dimensions jsonb) RETURNS uuid
AS 'MODULE_PATHNAME', 'monitoring_dimensions_hash' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION monitoring_internal.dimensions_hash(jsonb) IS
  '128-bit hash of a canonical form: equal for values that are equal as jsonb, such as {"a": 1} and {"a": 1.0}; NULL and {} differ.';

CREATE TABLE monitoring.aggregated_metrics (
  id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
  metric_name text NOT NULL,
  period text NOT NULL CONSTRAINT period_is_known CHECK (period IN ('hourly', 'daily', 'weekly')),
  period_start timestamptz NOT NULL,
  min_value double precision,
  max_value double precision,
  avg_value double precision,
  sum_value double precision,
  count_value bigint,
  dimensions jsonb DEFAULT '{}'::jsonb,
  created_at timestamptz DEFAULT pg_catalog.now(),
  stddev_value double precision,
  p50_value double precision,
  p95_value double precision,
  p99_value double precision,
  nonfinite_count bigint NOT NULL DEFAULT 0,
  measures jsonb NOT NULL DEFAULT '{}'::jsonb
);
CREATE UNIQUE INDEX aggregated_metrics_series_idx ON monitoring.aggregated_metrics
  (metric_name, period, period_start, monitoring_internal.dimensions_hash(dimensions));
CREATE INDEX aggregated_metrics_period_idx ON monitoring.aggregated_metrics (period, period_start);
COMMENT ON TABLE monitoring.aggregated_metrics IS
  'One row per metric, set of dimensions and closed period. Periods are UTC hours, UTC days and ISO weeks (from Monday, UTC).';
COMMENT ON COLUMN monitoring.aggregated_metrics.id IS 'Key of the row';
COMMENT ON COLUMN monitoring.aggregated_metrics.metric_name IS 'Name of the metric';
COMMENT ON COLUMN monitoring.aggregated_metrics.period IS 'hourly, daily or weekly';
COMMENT ON COLUMN monitoring.aggregated_metrics.period_start IS 'When the period began, UTC';
COMMENT ON COLUMN monitoring.aggregated_metrics.min_value IS 'Smallest finite value';
COMMENT ON COLUMN monitoring.aggregated_metrics.max_value IS 'Largest finite value';
COMMENT ON COLUMN monitoring.aggregated_metrics.sum_value IS 'Sum of the finite values';
COMMENT ON COLUMN monitoring.aggregated_metrics.dimensions IS
  'The tags that identify the series (metric_definitions.dimension_keys)';
COMMENT ON COLUMN monitoring.aggregated_metrics.created_at IS 'When the row was written first';
COMMENT ON COLUMN monitoring.aggregated_metrics.count_value IS 'All measurements of the period, non-finite ones included';
COMMENT ON COLUMN monitoring.aggregated_metrics.nonfinite_count IS 'Of these, NaN and infinities; every other column is over the finite ones';
COMMENT ON COLUMN monitoring.aggregated_metrics.avg_value IS 'sum_value / (count_value - nonfinite_count)';
COMMENT ON COLUMN monitoring.aggregated_metrics.stddev_value IS 'Sample standard deviation, as stddev_samp; NULL below two values';
COMMENT ON COLUMN monitoring.aggregated_metrics.p50_value IS 'Median, from a sketch: within 1 % of percentile_cont';
COMMENT ON COLUMN monitoring.aggregated_metrics.p95_value IS '95th percentile, within 1 %';
COMMENT ON COLUMN monitoring.aggregated_metrics.p99_value IS '99th percentile, within 1 %';
COMMENT ON COLUMN monitoring.aggregated_metrics.measures IS 'Sums of the tags that are no dimensions (metric_definitions.dimension_keys), by name';
SELECT pg_catalog.pg_extension_config_dump('monitoring.aggregated_metrics', '');

CREATE TABLE monitoring_internal.rollup_state (
  period text NOT NULL,
  period_start timestamptz NOT NULL,
  metric_name text NOT NULL,
  dimensions_hash uuid NOT NULL,
  dimensions jsonb,
  count_value bigint NOT NULL,
  nonfinite_count bigint NOT NULL,
  sum_value double precision,
  min_value double precision,
  max_value double precision,
  m2_value double precision,
  measures jsonb NOT NULL,
  sketch bytea,
  published boolean NOT NULL,
  PRIMARY KEY (period_start, metric_name, dimensions_hash, period)
)
-- The state of open hours is updated all the time; room on the page keeps the indexes out of it.
WITH (fillfactor = 70);
CREATE INDEX rollup_state_open_idx ON monitoring_internal.rollup_state (period_start) WHERE NOT published;
COMMENT ON TABLE monitoring_internal.rollup_state IS
  'The mergeable state behind aggregated_metrics, and that of hours still open (not published).';
COMMENT ON COLUMN monitoring_internal.rollup_state.period IS 'hourly, daily or weekly';
COMMENT ON COLUMN monitoring_internal.rollup_state.period_start IS 'When the period began, UTC';
COMMENT ON COLUMN monitoring_internal.rollup_state.metric_name IS 'Name of the metric';
COMMENT ON COLUMN monitoring_internal.rollup_state.dimensions_hash IS 'Hash of the dimensions';
COMMENT ON COLUMN monitoring_internal.rollup_state.dimensions IS 'The tags that identify the series';
COMMENT ON COLUMN monitoring_internal.rollup_state.count_value IS
  'All measurements, non-finite ones included';
COMMENT ON COLUMN monitoring_internal.rollup_state.nonfinite_count IS 'Of these, NaN and infinities';
COMMENT ON COLUMN monitoring_internal.rollup_state.sum_value IS 'Sum of the finite values';
COMMENT ON COLUMN monitoring_internal.rollup_state.min_value IS 'Smallest finite value';
COMMENT ON COLUMN monitoring_internal.rollup_state.max_value IS 'Largest finite value';
COMMENT ON COLUMN monitoring_internal.rollup_state.measures IS 'Sums of the tags that are no dimensions';
COMMENT ON COLUMN monitoring_internal.rollup_state.published IS
  'Whether monitoring.aggregated_metrics has it: its period is closed';
COMMENT ON COLUMN monitoring_internal.rollup_state.m2_value IS
  'Sum of squared differences from the mean; NaN beside a finite sum: adopted, its distribution is not known';
COMMENT ON COLUMN monitoring_internal.rollup_state.sketch IS 'Quantile sketch; format: src/metrics/FORMAT.md';
SELECT pg_catalog.pg_extension_config_dump('monitoring_internal.rollup_state', '');

CREATE TABLE monitoring_internal.rollup_pending (
  LIKE monitoring_internal.rollup_state
);
ALTER TABLE monitoring_internal.rollup_pending DROP COLUMN published;
CREATE INDEX rollup_pending_idx ON monitoring_internal.rollup_pending (period, period_start);
COMMENT ON TABLE monitoring_internal.rollup_pending IS
  'What arrived for days and weeks that were rolled up already: merged into them by the next daily or weekly pass.';
COMMENT ON COLUMN monitoring_internal.rollup_pending.period IS 'daily or weekly';
COMMENT ON COLUMN monitoring_internal.rollup_pending.period_start IS 'When the period began, UTC';
COMMENT ON COLUMN monitoring_internal.rollup_pending.metric_name IS 'Name of the metric';
COMMENT ON COLUMN monitoring_internal.rollup_pending.dimensions_hash IS 'Hash of the dimensions';
COMMENT ON COLUMN monitoring_internal.rollup_pending.dimensions IS 'The tags that identify the series';
COMMENT ON COLUMN monitoring_internal.rollup_pending.count_value IS
  'All measurements, non-finite ones included';
COMMENT ON COLUMN monitoring_internal.rollup_pending.nonfinite_count IS 'Of these, NaN and infinities';
COMMENT ON COLUMN monitoring_internal.rollup_pending.sum_value IS 'Sum of the finite values';
COMMENT ON COLUMN monitoring_internal.rollup_pending.min_value IS 'Smallest finite value';
COMMENT ON COLUMN monitoring_internal.rollup_pending.max_value IS 'Largest finite value';
COMMENT ON COLUMN monitoring_internal.rollup_pending.m2_value IS 'Sum of squared differences from the mean';
COMMENT ON COLUMN monitoring_internal.rollup_pending.measures IS 'Sums of the tags that are no dimensions';
COMMENT ON COLUMN monitoring_internal.rollup_pending.sketch IS 'Quantile sketch';
SELECT pg_catalog.pg_extension_config_dump('monitoring_internal.rollup_pending', '');

CREATE TABLE monitoring_internal.rollup_periods (
  period text NOT NULL,
  period_start timestamptz NOT NULL,
  rolled_up_at timestamptz NOT NULL,
  raw_removed boolean NOT NULL DEFAULT false,
  rows_removed boolean NOT NULL DEFAULT false,
  PRIMARY KEY (period, period_start)
);
COMMENT ON TABLE monitoring_internal.rollup_periods IS 'The closed periods that have been rolled up.';
COMMENT ON COLUMN monitoring_internal.rollup_periods.period IS 'hourly, daily or weekly';
COMMENT ON COLUMN monitoring_internal.rollup_periods.period_start IS 'When the period began, UTC';
COMMENT ON COLUMN monitoring_internal.rollup_periods.rolled_up_at IS 'When it was rolled up';
COMMENT ON COLUMN monitoring_internal.rollup_periods.rows_removed IS
  'Retention has removed its roll-up rows.';
COMMENT ON COLUMN monitoring_internal.rollup_periods.raw_removed IS
  'Hours: retention has removed raw rows of it, so it is never computed anew.';
SELECT pg_catalog.pg_extension_config_dump('monitoring_internal.rollup_periods', '');

CREATE TABLE monitoring_internal.rollup_purged (
  period_start timestamptz NOT NULL,
  metric_name text NOT NULL,
  PRIMARY KEY (period_start, metric_name)
);
COMMENT ON TABLE monitoring_internal.rollup_purged IS
  'Rolled-up hours of metrics of which measurements were deleted since. They keep what was rolled up, take late measurements, and are computed again from raw rows by refresh_rollups() alone.';
COMMENT ON COLUMN monitoring_internal.rollup_purged.period_start IS 'The hour';
COMMENT ON COLUMN monitoring_internal.rollup_purged.metric_name IS 'The metric';
SELECT pg_catalog.pg_extension_config_dump('monitoring_internal.rollup_purged', '');

CREATE TABLE monitoring_internal.rollup_progress (
  singleton boolean PRIMARY KEY DEFAULT true CONSTRAINT only_one_row CHECK (singleton),
  pass bigint NOT NULL,
  next_xid bigint NOT NULL,
  pending_xids bigint[] NOT NULL,
  own_xids bigint[] NOT NULL,
  own_rows bytea NOT NULL,
  partition_files bigint[] NOT NULL DEFAULT '{}',
  last_run_at timestamptz
);
COMMENT ON TABLE monitoring_internal.rollup_progress IS
  'Which rows the passes have seen: those of transactions before next_xid that are not pending. One row; its lock serialises passes. It is bound to this database and is not dumped: monitoring.activate() makes it anew after a restore.';
COMMENT ON COLUMN monitoring_internal.rollup_progress.singleton IS 'Always true: there is one row';
COMMENT ON COLUMN monitoring_internal.rollup_progress.pass IS 'How many passes there were';
COMMENT ON COLUMN monitoring_internal.rollup_progress.pending_xids IS
  'Transactions that were running when the last pass looked';
COMMENT ON COLUMN monitoring_internal.rollup_progress.own_rows IS
  'Where the rows lie that the last pass saw of its own transaction: partitions, blocks and offsets.';
COMMENT ON COLUMN monitoring_internal.rollup_progress.last_run_at IS 'When the last pass ran';
COMMENT ON COLUMN monitoring_internal.rollup_progress.next_xid IS 'Full transaction id (64 bits), as txid_current() shows it';
COMMENT ON COLUMN monitoring_internal.rollup_progress.own_xids IS
  'The transaction of the last pass, of whose own rows it saw those that own_rows has.';
COMMENT ON COLUMN monitoring_internal.rollup_progress.partition_files IS
  'Of each partition its oid (high 32 bits) and the file it lay in (low 32 bits). Rows of one that lies in another file now were rewritten: they are counted anew.';

INSERT INTO monitoring_internal.rollup_progress (pass, next_xid, pending_xids, own_xids, own_rows)
SELECT 0, 0, '{}', '{}', ''
WHERE NOT monitoring_internal.restoring();

CREATE FUNCTION monitoring_internal.measures_add(jsonb, jsonb) RETURNS jsonb
AS 'MODULE_PATHNAME', 'monitoring_measures_add' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION monitoring_internal.measures_add(jsonb, jsonb) IS 'Adds two objects of numbers key by key.';

CREATE AGGREGATE monitoring_internal.measures_sum(jsonb) (
  SFUNC = monitoring_internal.measures_add, STYPE = jsonb,
  COMBINEFUNC = monitoring_internal.measures_add, PARALLEL = SAFE);
COMMENT ON AGGREGATE monitoring_internal.measures_sum(jsonb) IS 'Adds objects of numbers key by key.';

-- SQL's float8 addition raises an error on overflow; a sum of finite measurements may overflow.
CREATE FUNCTION monitoring_internal.sum_add(float8, float8) RETURNS float8
AS 'MODULE_PATHNAME', 'monitoring_sum_add' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION monitoring_internal.sum_add(float8, float8) IS 'a + b, infinite on overflow.';

CREATE AGGREGATE monitoring_internal.sum(float8) (
  SFUNC = monitoring_internal.sum_add, STYPE = float8,
  COMBINEFUNC = monitoring_internal.sum_add, PARALLEL = SAFE);
COMMENT ON AGGREGATE monitoring_internal.sum(float8) IS 'The sum, infinite on overflow.';

CREATE FUNCTION monitoring_internal.m2_merge(count_a bigint, sum_a float8, m2_a float8,
                                     count_b bigint, sum_b float8, m2_b float8) RETURNS float8
AS 'MODULE_PATHNAME', 'monitoring_m2_merge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION monitoring_internal.m2_merge(bigint, float8, float8, bigint, float8, float8) IS
  'Sum of squared differences from the mean of two samples together (Chan, Golub, LeVeque 1979).';

CREATE FUNCTION monitoring_internal.m2_accumulate(float8[], bigint, float8, float8) RETURNS float8[]
AS 'MODULE_PATHNAME', 'monitoring_m2_accumulate' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION monitoring_internal.m2_accumulate(float8[], bigint, float8, float8) IS
  'Transition function of m2: {count, sum, m2}.';

CREATE FUNCTION monitoring_internal.m2_final(float8[]) RETURNS float8
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN $1[3];
COMMENT ON FUNCTION monitoring_internal.m2_final(float8[]) IS 'Final function of m2.';

CREATE AGGREGATE monitoring_internal.m2(bigint, float8, float8) (
  SFUNC = monitoring_internal.m2_accumulate, STYPE = float8[], FINALFUNC = monitoring_internal.m2_final,
  PARALLEL = SAFE);
COMMENT ON AGGREGATE monitoring_internal.m2(bigint, float8, float8) IS
  'Sum of squared differences of samples given by (finite count, sum, m2) together.';

CREATE FUNCTION monitoring.aggregate_hourly_metrics() RETURNS integer
AS 'MODULE_PATHNAME', 'monitoring_aggregate_hourly' LANGUAGE C VOLATILE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring.aggregate_hourly_metrics() IS
  'Rolls up every closed hour that has measurements not yet rolled up, late ones included. Returns the rows of aggregated_metrics written; 0 when there is nothing new. Errors: 25006 on a standby, 55000 in a restored copy before monitoring.activate().';

CREATE FUNCTION monitoring.aggregate_daily_metrics() RETURNS integer
AS 'MODULE_PATHNAME', 'monitoring_aggregate_daily' LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring.aggregate_daily_metrics() IS
  'Rolls up every closed UTC day from its hours, and merges what arrived late. Returns the rows written.';

CREATE FUNCTION monitoring.aggregate_weekly_metrics() RETURNS integer
AS 'MODULE_PATHNAME', 'monitoring_aggregate_weekly' LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring.aggregate_weekly_metrics() IS
  'Rolls up every closed ISO week (Monday to Sunday, UTC) from its days, and merges what arrived late. Returns the rows written.';

CREATE FUNCTION monitoring_internal.rollup_advance() RETURNS bigint
AS 'MODULE_PATHNAME', 'monitoring_rollup_advance' LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring_internal.rollup_advance() IS
  'Takes new measurements into the state of their hours without closing any hour, so that closing is cheap. Called by the worker every few seconds; returns the rows taken.';

CREATE FUNCTION monitoring_internal.rollup_rebaseline() RETURNS void
AS 'MODULE_PATHNAME', 'monitoring_rollup_rebaseline' LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring_internal.rollup_rebaseline() IS
  'After a restore: takes the rows of rolled-up hours as seen, all others as new. Part of activate().';

CREATE FUNCTION monitoring.refresh_rollups(start_at timestamptz, end_at timestamptz) RETURNS integer
AS 'MODULE_PATHNAME', 'monitoring_refresh_rollups' LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring.refresh_rollups(timestamptz, timestamptz) IS
  'Computes the roll-ups of the closed hours that begin in [start_at, end_at), and of the days and weeks they lie in, again from raw rows. Returns the rows written. Errors: 55000 where raw rows were removed by retention, 22023 for a bad range.';

CREATE FUNCTION monitoring_internal.new_measurements(wanted_name text, since timestamptz)
RETURNS TABLE (metric_value double precision, tags jsonb, "timestamp" timestamptz)
AS 'MODULE_PATHNAME', 'monitoring_new_measurements' LANGUAGE C STABLE ROWS 1000
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring_internal.new_measurements(text, timestamptz) IS
  'The measurements of one metric, from since on, that no pass has taken into rollup_state, as this query''s snapshot sees both.';

CREATE FUNCTION monitoring_internal.pending_periods(wanted_period text) RETURNS bigint
AS 'MODULE_PATHNAME', 'monitoring_pending_periods' LANGUAGE C STABLE STRICT
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring_internal.pending_periods(text) IS
  'Closed periods that have data not yet rolled up.';

CREATE VIEW monitoring.rollup_status AS
SELECT p.period,
       (SELECT pg_catalog.max(r.period_start) FROM monitoring_internal.rollup_periods r
        WHERE r.period = p.period) AS last_period_start,
       monitoring_internal.pending_periods(p.period) AS pending_periods,
       g.last_run_at,
       (SELECT i.message FROM monitoring.worker_issues i
        WHERE i.worker_name = 'monitoring worker' AND i.resolved IS NOT TRUE
          AND i.issue_type IN ('roll-up', CASE p.period WHEN 'hourly' THEN 'hourly-metrics-aggregation'
                               WHEN 'daily' THEN 'daily-metrics-aggregation'
                               ELSE 'weekly-metrics-aggregation' END)
        ORDER BY i.created_at DESC LIMIT 1) AS last_error
FROM (VALUES ('hourly'), ('daily'), ('weekly')) AS p(period)
LEFT JOIN monitoring_internal.rollup_progress g ON true;
COMMENT ON VIEW monitoring.rollup_status IS
  'How far the roll-ups are: the last period rolled up, closed periods that wait, the last run and its error.';
COMMENT ON COLUMN monitoring.rollup_status.period IS 'hourly, daily or weekly';
COMMENT ON COLUMN monitoring.rollup_status.last_period_start IS
  'Start of the last period that was rolled up';
COMMENT ON COLUMN monitoring.rollup_status.pending_periods IS
  'Closed periods that have measurements not yet rolled up';
COMMENT ON COLUMN monitoring.rollup_status.last_run_at IS 'When a pass ran last';
COMMENT ON COLUMN monitoring.rollup_status.last_error IS
  'Why the last pass failed; NULL: it did not';
