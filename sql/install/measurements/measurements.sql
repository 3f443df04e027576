-- Measurements: what users and collectors insert (document: README, "Measurements").

CREATE TABLE monitoring.metric_definitions (
  metric_name text PRIMARY KEY CONSTRAINT metric_has_name CHECK (metric_name <> ''),
  metric_type text NOT NULL DEFAULT 'gauge'
    CONSTRAINT metric_type_is_known CHECK (metric_type IN ('counter', 'gauge', 'histogram')),
  unit text,
  help text,
  dimension_keys text[],
  buckets float8[] CONSTRAINT buckets_are_of_a_histogram CHECK (buckets IS NULL OR metric_type = 'histogram'),
  snapshot boolean NOT NULL DEFAULT false,
  samples text CONSTRAINT samples_are_known CHECK (samples IN ('levels', 'increases'))
);
COMMENT ON TABLE monitoring.metric_definitions IS
  'What users said about their metrics. monitoring.effective_metric_definitions adds the shipped defaults.';
COMMENT ON COLUMN monitoring.metric_definitions.metric_name IS 'Name of the metric';
COMMENT ON COLUMN monitoring.metric_definitions.help IS 'What it is, in words';
COMMENT ON COLUMN monitoring.metric_definitions.metric_type IS 'counter, gauge or histogram';
COMMENT ON COLUMN monitoring.metric_definitions.unit IS 'Unit of metric_value, as text: ms, seconds, bytes, ...';
COMMENT ON COLUMN monitoring.metric_definitions.dimension_keys IS
  'Names of the tags that identify a series in roll-ups. Of the other tags, numbers and strings that are integers are summed into aggregated_metrics.measures; the rest is dropped. NULL: all tags identify the series. Applies to rows rolled up from now on.';
COMMENT ON COLUMN monitoring.metric_definitions.buckets IS
  'Upper bounds of a counted histogram; NULL: 5 ms to 10 s, in seconds. Use monitoring.define_metric(), which checks them';
COMMENT ON COLUMN monitoring.metric_definitions.snapshot IS
  'Whether what counter_inc and the like have counted is recorded as measurements every monitoring.snapshot_interval';
COMMENT ON COLUMN monitoring.metric_definitions.samples IS
  'What the recorded measurements of a counter or histogram are: levels (running totals), or increases since the one before, as snapshots are. NULL: increases where snapshot is true, otherwise levels';
SELECT pg_catalog.pg_extension_config_dump('monitoring.metric_definitions', '');

CREATE VIEW monitoring_internal.recorded_increases AS
SELECT d.metric_name || p.suffix AS recorded_name, d.metric_name, p.suffix
FROM monitoring.metric_definitions d
JOIN (VALUES ('counter', ''), ('histogram', '_sum'), ('histogram', '_count'), ('histogram', '_bucket'))
  AS p(metric_type, suffix) USING (metric_type)
WHERE coalesce(d.samples = 'increases', d.snapshot);
COMMENT ON VIEW monitoring_internal.recorded_increases IS
  'Names of measurements that are increases, and the counter or histogram that they are of.';

CREATE VIEW monitoring.effective_metric_definitions AS
SELECT d.metric_name, d.metric_type, d.unit, d.help, d.dimension_keys, false AS is_default
FROM monitoring.metric_definitions d
UNION ALL
SELECT s.metric_name, s.metric_type, s.unit, s.help, s.dimension_keys, true
FROM (VALUES
  ('queue_processing', 'gauge', 'ms', 'Time to process one batch of a queue.', ARRAY['queue']),
  ('api_call', 'gauge', 'ms', 'Duration of one API call.', ARRAY['api', 'success'])
) AS s(metric_name, metric_type, unit, help, dimension_keys)
WHERE NOT EXISTS (
  SELECT FROM monitoring.metric_definitions d WHERE d.metric_name = s.metric_name);
COMMENT ON VIEW monitoring.effective_metric_definitions IS
  'The metric definitions that apply: the rows of monitoring.metric_definitions, and the shipped defaults for names that are not there.';
COMMENT ON COLUMN monitoring.effective_metric_definitions.metric_name IS 'Name of the metric';
COMMENT ON COLUMN monitoring.effective_metric_definitions.metric_type IS
  'counter, gauge or histogram';
COMMENT ON COLUMN monitoring.effective_metric_definitions.unit IS 'Unit of its values, as text';
COMMENT ON COLUMN monitoring.effective_metric_definitions.help IS 'What it is, in words';
COMMENT ON COLUMN monitoring.effective_metric_definitions.dimension_keys IS
  'Tags that identify a series; NULL: all do';
COMMENT ON COLUMN monitoring.effective_metric_definitions.is_default IS
  'Whether it is a shipped definition';

CREATE TABLE monitoring.pipeline_metrics (
  id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
  metric_name text NOT NULL,
  metric_value double precision NOT NULL,
  tags jsonb DEFAULT '{}'::jsonb,
  "timestamp" timestamptz NOT NULL DEFAULT pg_catalog.now(),
  created_at timestamptz DEFAULT pg_catalog.now()
) PARTITION BY RANGE ("timestamp");
COMMENT ON TABLE monitoring.pipeline_metrics IS
  'Measurements. Partitioned by UTC day on "timestamp"; rows outside of the days that have a partition are in pipeline_metrics_default. Rolled up into monitoring.aggregated_metrics; removed after monitoring.retention of kind raw.';
COMMENT ON COLUMN monitoring.pipeline_metrics.id IS
  'Key of the measurement, together with "timestamp"';
COMMENT ON COLUMN monitoring.pipeline_metrics.metric_name IS 'Name of the metric, such as queue_processing';
COMMENT ON COLUMN monitoring.pipeline_metrics.metric_value IS 'The measurement, in the unit of its metric; NaN and infinities are kept and counted apart in roll-ups';
COMMENT ON COLUMN monitoring.pipeline_metrics.tags IS 'Dimensions and measures of this measurement, an object';
COMMENT ON COLUMN monitoring.pipeline_metrics."timestamp" IS 'When it was measured; any time is accepted, however late';
COMMENT ON COLUMN monitoring.pipeline_metrics.created_at IS 'When the row was written';
SELECT pg_catalog.pg_extension_config_dump('monitoring.pipeline_metrics', '');

CREATE TABLE monitoring_internal.pipeline_metrics_default
PARTITION OF monitoring.pipeline_metrics DEFAULT;
COMMENT ON TABLE monitoring_internal.pipeline_metrics_default IS
  'The measurements of days without a partition: very late, far ahead, or written before the worker first ran.';

-- The indexes are those of each partition, and the parent has none: pg_dump takes a parent's index
-- for the extension's, does not write it, and still writes the statements that attach partitions'
-- indexes to it. No restore gets past them.
CREATE FUNCTION monitoring_internal.index_partition(partition regclass) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  name text := (SELECT relname FROM pg_class WHERE oid = partition);
BEGIN
  EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I PRIMARY KEY (id, "timestamp")',
                 partition, name || '_pkey');
  EXECUTE format('CREATE INDEX %I ON %s (metric_name, "timestamp")',
                 name || '_metric_name_timestamp_idx', partition);
  EXECUTE format('CREATE INDEX %I ON %s USING monitoring_changes ("timestamp")',
                 name || '_changes_idx', partition);
END
$$;
COMMENT ON FUNCTION monitoring_internal.index_partition(regclass) IS
  'Gives a partition of pipeline_metrics its primary key and its indexes.';

SELECT monitoring_internal.index_partition('monitoring_internal.pipeline_metrics_default');

-- What an UPDATE or DELETE of measurements means for roll-ups, noted for the next pass.
CREATE TABLE monitoring_internal.rollup_corrections (
  period_start timestamptz NOT NULL,
  metric_name text NOT NULL,
  removed boolean NOT NULL,
  inserter bigint NOT NULL
);
COMMENT ON TABLE monitoring_internal.rollup_corrections IS
  'Hours whose measurements were updated or deleted since the last roll-up pass. An update is rolled up again while the raw rows are there; a deletion only while its hour is open, so that purging raw rows by hand never takes roll-ups away.';
COMMENT ON COLUMN monitoring_internal.rollup_corrections.period_start IS 'The hour';
COMMENT ON COLUMN monitoring_internal.rollup_corrections.metric_name IS 'The metric';
COMMENT ON COLUMN monitoring_internal.rollup_corrections.removed IS
  'Whether rows were deleted; false: they were updated';
COMMENT ON COLUMN monitoring_internal.rollup_corrections.inserter IS
  'Of deleted rows: 1 where a pass had seen them; otherwise the full transaction id that wrote them, which a pass that is not told of the deletion yet may see; 0 where that is not known, after a restore';
SELECT pg_catalog.pg_extension_config_dump('monitoring_internal.rollup_corrections', '');

CREATE FUNCTION monitoring_internal.note_correction() RETURNS trigger
AS 'MODULE_PATHNAME', 'monitoring_note_correction' LANGUAGE C;
COMMENT ON FUNCTION monitoring_internal.note_correction() IS
  'Trigger of pipeline_metrics: notes the hours of updated and deleted rows in rollup_corrections.';

CREATE TRIGGER note_correction
AFTER UPDATE OR DELETE ON monitoring.pipeline_metrics
FOR EACH ROW EXECUTE FUNCTION monitoring_internal.note_correction();
ALTER TABLE monitoring.pipeline_metrics ENABLE ALWAYS TRIGGER note_correction;

CREATE TRIGGER note_truncation
AFTER TRUNCATE ON monitoring.pipeline_metrics
FOR EACH STATEMENT EXECUTE FUNCTION monitoring_internal.note_correction();
ALTER TABLE monitoring.pipeline_metrics ENABLE ALWAYS TRIGGER note_truncation;

CREATE FUNCTION monitoring_internal.own_partition(partition regclass) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  grantee record;
BEGIN
  EXECUTE format('ALTER TABLE %s OWNER TO %I', partition,
    (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'monitoring.pipeline_metrics'::regclass));
  -- Default privileges may have given it to others.
  FOR grantee IN
    SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS name
    FROM pg_class c, aclexplode(c.relacl) a
    WHERE c.oid = partition AND a.grantee <> c.relowner
  LOOP
    EXECUTE format('REVOKE ALL ON TABLE %s FROM %s', partition, grantee.name);
  END LOOP;
END
$$;
COMMENT ON FUNCTION monitoring_internal.own_partition(regclass) IS
  'Gives a new partition to the owner of pipeline_metrics and takes it from everybody else.';
