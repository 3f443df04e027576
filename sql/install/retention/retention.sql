-- How long data is kept, and the partitions of measurements.

CREATE TABLE monitoring.retention (
  kind text PRIMARY KEY CONSTRAINT retention_kind_check CHECK (kind IN ('raw', 'hourly', 'daily', 'weekly', 'events', 'issues',
    'notifications', 'alert_history', 'probe_results', 'silences', 'costs', 'config_history',
    'samples')),
  keep interval CONSTRAINT keep_is_not_negative CHECK (keep >= interval '0')
);
COMMENT ON TABLE monitoring.retention IS
  'What users decided about retention. monitoring.effective_retention adds the shipped defaults.';
COMMENT ON COLUMN monitoring.retention.kind IS
  'raw, hourly, daily, weekly, events, issues, notifications, alert_history, probe_results, '
  'silences, costs, config_history or samples';
COMMENT ON COLUMN monitoring.retention.keep IS 'How long rows of this kind are kept; NULL: for ever';
SELECT pg_catalog.pg_extension_config_dump('monitoring.retention', '');

CREATE VIEW monitoring.effective_retention AS
SELECT d.kind, CASE WHEN r.kind IS NULL THEN d.keep ELSE r.keep END AS keep, r.kind IS NULL AS is_default
FROM (VALUES
  ('raw', interval '14 days'), ('hourly', interval '90 days'), ('daily', interval '365 days'),
  ('weekly', NULL), ('events', interval '30 days'), ('issues', interval '90 days'),
  ('notifications', interval '90 days'), ('alert_history', interval '90 days'),
  ('probe_results', interval '14 days'), ('silences', interval '5 days'), ('costs', interval '90 days'),
  ('config_history', interval '365 days'),
  ('samples', interval '15 days')
) AS d(kind, keep)
LEFT JOIN monitoring.retention r USING (kind);
COMMENT ON VIEW monitoring.effective_retention IS
  'The retention that applies: monitoring.retention, and the shipped defaults for kinds that are not there. Issues are removed once resolved, silences once expired.';
COMMENT ON COLUMN monitoring.effective_retention.kind IS 'What is kept, as in monitoring.retention';
COMMENT ON COLUMN monitoring.effective_retention.keep IS 'How long; NULL: for ever';
COMMENT ON COLUMN monitoring.effective_retention.is_default IS
  'Whether it is the shipped retention';

-- Retention looks for old rows here; the partitions of a day are dropped whole.
CREATE INDEX pipeline_metrics_default_by_time_idx
  ON monitoring_internal.pipeline_metrics_default ("timestamp");
CREATE INDEX rollup_periods_rows_idx ON monitoring_internal.rollup_periods (period, period_start)
  WHERE NOT rows_removed;

CREATE FUNCTION monitoring.apply_retention()
RETURNS TABLE (kind text, removed bigint)
AS 'MODULE_PATHNAME', 'monitoring_apply_retention' LANGUAGE C VOLATILE ROWS 10
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring.apply_retention() IS
  'Removes what is older than its retention, and says how much. Raw days go as whole partitions, once all their hours are rolled up; removed counts their measurements as the roll-ups counted them. A partition that somebody is reading stays until the next run.';

CREATE FUNCTION monitoring_internal.maintain_partitions(days_ahead integer DEFAULT 7,
                                                 all_days boolean DEFAULT false) RETURNS integer
AS 'MODULE_PATHNAME', 'monitoring_maintain_partitions' LANGUAGE C VOLATILE STRICT
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring_internal.maintain_partitions(integer, boolean) IS
  'Makes the partitions of pipeline_metrics for the days to come, up to days_ahead; with all_days also for today and the days of the raw retention, which is for CREATE EXTENSION only. Gives up on a lock after 100 ms, for the next run to try again. Returns the partitions made.';

-- The first days, so that no row of today ever goes to the default partition. Partitions are no members
-- of the extension, like those that the worker makes: a dump has them, and a restore brings its own. (A
-- member whose rows are dumped is what pg_dump 15 dies of with --schema, if it is a partition.)
DO $$
DECLARE
  partition regclass;
BEGIN
  IF monitoring_internal.restoring() THEN
    DROP TABLE monitoring_internal.pipeline_metrics_default;
    RETURN;
  END IF;
  PERFORM monitoring_internal.own_partition('monitoring_internal.pipeline_metrics_default');
  PERFORM monitoring_internal.maintain_partitions(7, true);
  FOR partition IN
    SELECT inhrelid::regclass FROM pg_catalog.pg_inherits
    WHERE inhparent = 'monitoring.pipeline_metrics'::regclass
  LOOP
    EXECUTE pg_catalog.format('ALTER EXTENSION monitoring DROP TABLE %s', partition);
  END LOOP;
END
$$;
