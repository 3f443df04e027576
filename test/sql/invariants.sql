-- check_invariants() finds each kind of damage; the extension's functions and views are not replaced
-- by a script from before it; rows of no time stay.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
SET TimeZone = 'UTC';
\set VERBOSITY terse
DO $$ BEGIN PERFORM monitoring.pause_worker(); EXCEPTION WHEN object_not_in_prerequisite_state THEN END $$;
SELECT check_name, ok, detail FROM monitoring.check_invariants();

-- The hand-made SQL that the extension took the place of, run once more.
CREATE OR REPLACE FUNCTION monitoring.aggregate_hourly_metrics() RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE OR REPLACE FUNCTION public.purge_old_monitoring_events(retention_days integer DEFAULT 30) RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE OR REPLACE VIEW monitoring.queue_metrics AS SELECT 1 AS one;
CREATE OR REPLACE FUNCTION public.not_ours() RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE OR REPLACE FUNCTION public.not_ours() RETURNS integer LANGUAGE sql AS 'SELECT 2';
DROP FUNCTION public.not_ours();
SELECT * FROM monitoring.check_invariants() WHERE NOT ok;

-- Each kind of damage, undone after it is found.
CREATE TABLE pg_temp.damage (n serial, command text);
INSERT INTO pg_temp.damage (command) VALUES
    ($$UPDATE monitoring_internal.rollup_state SET count_value = count_value + 1 WHERE period = 'hourly'$$),
    ($$DELETE FROM monitoring.aggregated_metrics WHERE period = 'hourly'$$),
    ($$UPDATE monitoring_internal.rollup_state SET count_value = count_value + 1 WHERE period = 'daily'$$),
    ($$DELETE FROM monitoring_internal.rollup_periods WHERE period = 'weekly'$$),
    ($$ALTER TABLE monitoring.pipeline_metrics DISABLE TRIGGER note_truncation$$),
    ($$DROP INDEX monitoring_internal.pipeline_metrics_default_changes_idx$$),
    ($$ALTER TABLE monitoring.pipeline_metrics DETACH PARTITION monitoring_internal.pipeline_metrics_default$$),
    ($$ALTER TABLE monitoring_internal.cost_hours SET UNLOGGED$$),
    ($$ALTER FUNCTION monitoring.check_queues() SET work_mem = '1MB'$$),
    ($$INSERT INTO monitoring.notifications (receiver, kind, group_key, payload, created_at, status) VALUES ('x', 'log', 'g', '{}', now(), 'sending')$$),
    ($$INSERT INTO monitoring.notifications (id, receiver, kind, group_key, payload, created_at) VALUES (1000000, 'x', 'log', 'g', '{}', now())$$),
    ($$SET LOCAL session_replication_role = replica; INSERT INTO monitoring.notification_attempts (notification_id, attempt, attempted_at, duration_ms, outcome) VALUES (12345, 1, now(), 1, 'sent')$$);
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, timestamp)
SELECT 'i', n, '2024-03-05 10:00+00' FROM generate_series(1, 3) AS n;
SELECT monitoring.aggregate_hourly_metrics(), monitoring.aggregate_daily_metrics(), monitoring.aggregate_weekly_metrics();
CREATE FUNCTION pg_temp.found(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    names text;
BEGIN
    EXECUTE command;
    SELECT string_agg(check_name, ' ' ORDER BY check_name) INTO names FROM monitoring.check_invariants() WHERE NOT ok;
    RAISE EXCEPTION SQLSTATE 'ZZ001' USING MESSAGE = coalesce(names, 'nothing');
EXCEPTION WHEN SQLSTATE 'ZZ001' THEN
    RETURN SQLERRM;
END $$;
SELECT left(command, 90) AS command, pg_temp.found(command) FROM pg_temp.damage ORDER BY n;
SELECT * FROM monitoring.check_invariants() WHERE NOT ok;

-- What the worker does with it once a day.
ALTER FUNCTION monitoring.check_queues() SET work_mem = '1MB';
SELECT monitoring_internal.report_invariants();
SELECT severity, message, resolved FROM monitoring.worker_issues WHERE issue_type = 'invariant_violated';
ALTER FUNCTION monitoring.check_queues() RESET work_mem;
SELECT monitoring_internal.report_invariants();
SELECT severity, message, resolved FROM monitoring.worker_issues WHERE issue_type = 'invariant_violated';
DELETE FROM monitoring.worker_issues WHERE issue_type = 'invariant_violated';

-- Rows of no time are kept, whatever retention says.
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, timestamp) VALUES ('no time', 1, '-infinity'), ('never', 1, 'infinity');
SELECT kind, removed FROM monitoring.apply_retention() WHERE kind = 'raw';
SELECT metric_name, timestamp FROM monitoring.pipeline_metrics
 WHERE metric_name IN ('no time', 'never') ORDER BY timestamp;

TRUNCATE monitoring.pipeline_metrics, monitoring.aggregated_metrics, monitoring_internal.rollup_state,
    monitoring_internal.rollup_pending, monitoring_internal.rollup_periods, monitoring_internal.rollup_corrections, monitoring_internal.rollup_purged;
DO $$ BEGIN PERFORM monitoring.resume_worker(); EXCEPTION WHEN object_not_in_prerequisite_state THEN END $$;
