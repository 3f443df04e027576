-- Health: thresholds, the status, and its changes.

CREATE TABLE monitoring.health_thresholds (
    check_name text PRIMARY KEY,
    warning double precision,
    critical double precision,
    inclusive boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE monitoring.health_thresholds IS
    'Changed thresholds of health checks and of metrics; monitoring.effective_health_thresholds '
    'shows all that apply';
COMMENT ON COLUMN monitoring.health_thresholds.check_name IS
    'stuck_messages, error_rate, p95_ms, stale_workers, one of the other names in '
    'monitoring.effective_health_thresholds, or the name of a metric';
COMMENT ON COLUMN monitoring.health_thresholds.warning IS 'a value above is a warning; NULL: none is';
COMMENT ON COLUMN monitoring.health_thresholds.critical IS 'a value above is critical; NULL: none is';
COMMENT ON COLUMN monitoring.health_thresholds.inclusive IS
    'a value equal to warning is a warning, too';
SELECT pg_catalog.pg_extension_config_dump('monitoring.health_thresholds', '');

CREATE FUNCTION monitoring_internal.check_health_threshold() RETURNS trigger
AS 'MODULE_PATHNAME', 'monitoring_check_health_threshold' LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring_internal.check_health_threshold() IS
    'Trigger: refuses a name that is neither a check of health nor a metric';
CREATE TRIGGER check_name BEFORE INSERT OR UPDATE ON monitoring.health_thresholds
FOR EACH ROW EXECUTE FUNCTION monitoring_internal.check_health_threshold();

CREATE VIEW monitoring.effective_health_thresholds AS
SELECT check_name, warning, critical, inclusive FROM monitoring.health_thresholds
UNION ALL
SELECT d.check_name, d.warning, d.critical, d.inclusive
FROM (VALUES
    ('stuck_messages', 0::double precision, 10::double precision, false),
    ('error_rate', 0.01, 0.05, false),
    ('p95_ms', 30000, 60000, false),
    ('stale_workers', 0, NULL, false),
    ('firing_critical', 0, NULL, false),
    ('nobody_told', 0, NULL, false),
    ('receiver_failing_seconds', 300, NULL, false),
    ('replication_wait_seconds', 10, NULL, false),
    ('clock_behind_seconds', 5, NULL, false),
    ('dropped_records_seconds', 300, NULL, false),
    ('paused_seconds', 300, NULL, false),
    ('ai_error_rate', 1, 5, true),
    ('ai_tokens_hourly', 1000000, NULL, false),
    ('ai_cost_hourly', 100, NULL, false),
    ('queue_depth', 100, 1000, true),
    ('queue_processing_time_p95', 30, 60, true),
    ('audit_activity_baseline_ratio', 2, NULL, false)
) AS d(check_name, warning, critical, inclusive)
WHERE NOT EXISTS (SELECT FROM monitoring.health_thresholds AS t
                  WHERE t.check_name = d.check_name);
COMMENT ON VIEW monitoring.effective_health_thresholds IS
    'The thresholds that apply: those of monitoring.health_thresholds, and the defaults of all others. '
    'firing_critical and nobody_told count alerts: critical ones that fire, and firing ones that '
    'reach no receiver. Times in seconds: since when a receiver has not taken a notification, '
    'sessions wait for a synchronous standby, the worker is paused; how far the clock is behind the '
    'last evaluation; for how long dropped measurements are remembered';
COMMENT ON COLUMN monitoring.effective_health_thresholds.check_name IS
    'Name of the check, or of a metric';
COMMENT ON COLUMN monitoring.effective_health_thresholds.warning IS
    'A value above is a warning; NULL: none is';
COMMENT ON COLUMN monitoring.effective_health_thresholds.critical IS
    'A value above is critical; NULL: none is';
COMMENT ON COLUMN monitoring.effective_health_thresholds.inclusive IS
    'Whether a value equal to warning is a warning, too';

-- Not dumped: a restored copy has not been looked at yet.
CREATE TABLE monitoring.health_state (
    only_row boolean PRIMARY KEY DEFAULT true CONSTRAINT only_one_row CHECK (only_row),
    status text,
    since timestamptz,
    checked_at timestamptz,
    dropped_records bigint,
    dropped_at timestamptz
);
COMMENT ON TABLE monitoring.health_state IS
    'The overall status that the worker saw last, since when, and when it looked';
COMMENT ON COLUMN monitoring.health_state.only_row IS 'Always true: there is one row';
COMMENT ON COLUMN monitoring.health_state.status IS 'healthy, warning or critical';
COMMENT ON COLUMN monitoring.health_state.since IS 'Since when it is this';
COMMENT ON COLUMN monitoring.health_state.checked_at IS 'When the worker looked last';
COMMENT ON COLUMN monitoring.health_state.dropped_at IS
    'When the number of dropped measurements last grew';
COMMENT ON COLUMN monitoring.health_state.dropped_records IS
    'Measurements that the record ring had dropped by then, and when that number last grew '
    '(dropped_at)';

-- Not dumped: a restored copy has told nobody yet.
CREATE TABLE monitoring_internal.health_told (
    receiver text NOT NULL,
    part text NOT NULL,
    severity text NOT NULL,
    since timestamptz NOT NULL,
    told_at timestamptz NOT NULL,
    PRIMARY KEY (receiver, part)
);
COMMENT ON TABLE monitoring_internal.health_told IS
    'Which alerts SystemHealth each receiver was told of that are not over';
COMMENT ON COLUMN monitoring_internal.health_told.receiver IS 'Receiver that was told';
COMMENT ON COLUMN monitoring_internal.health_told.part IS 'queue_health, processing_health or worker_health';
COMMENT ON COLUMN monitoring_internal.health_told.severity IS 'Severity that it was told of';
COMMENT ON COLUMN monitoring_internal.health_told.since IS 'Since when the part has this severity';
COMMENT ON COLUMN monitoring_internal.health_told.told_at IS 'When it was told last';

-- The newest measurements are read from the end of an index, a few hundred of millions, and open
-- issues from a partial index. Without fresh statistics the planner would rather read and sort an
-- hour of measurements and all issues: the settings forbid it.
CREATE FUNCTION public.get_system_health() RETURNS jsonb
AS 'MODULE_PATHNAME', 'monitoring_get_system_health' LANGUAGE C VOLATILE PARALLEL UNSAFE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off;
COMMENT ON FUNCTION public.get_system_health() IS
    'Status of queues, processing and workers: healthy, warning or critical, with the reasons, and '
    'with findings, which say each reason in words and what to do (monitoring.health_findings). '
    'Processing looks at the newest 250 measurements each of queue_processing and api_call within '
    'the last hour: error_rate is failed by all operations, of 0 to 1 (tags success_count and '
    'error_count, or success); p95_ms is the 95th percentile of their values. Reasons: '
    'stuck_messages, error_rate, p95_ms, stale_workers (thresholds in '
    'monitoring.effective_health_thresholds), critical_issues, open_issues, stale (no sign of life '
    'for three intervals), inactive (a copy that monitoring.activate() was not called in), '
    'not_preloaded, no_launcher, no_worker, worker_failing, too_few_processes, paused, duty_failing, '
    'collectors_late, probes_late, dropped_records, clock_behind, replication_wait, missing_secret and '
    'missing_receiver (something names one that is not there), owner_gone (a rule, collector, queue '
    'or pack whose owner was dropped or renamed), metric_name_conflict (another database has a '
    'metric of this name and of another type), receiver_failing, nobody_told (an '
    'alert fires and no receiver is told), firing_critical.';

CREATE VIEW monitoring.health_findings AS
SELECT f.check_name, f.part, f.severity, f.reason, f.what_to_do
FROM pg_catalog.jsonb_to_recordset(public.get_system_health() -> 'findings')
    AS f (check_name text, part text, severity text, reason text, what_to_do text);
COMMENT ON VIEW monitoring.health_findings IS
    'What is wrong now, in words, and what to do about it; no row where all is healthy';
COMMENT ON COLUMN monitoring.health_findings.severity IS 'warning or critical';
COMMENT ON COLUMN monitoring.health_findings.reason IS 'What is the case, in words';
COMMENT ON COLUMN monitoring.health_findings.what_to_do IS 'What helps';
COMMENT ON COLUMN monitoring.health_findings.check_name IS
    'As in the reasons of get_system_health()';
COMMENT ON COLUMN monitoring.health_findings.part IS
    'queue_health, processing_health or worker_health';

CREATE FUNCTION monitoring_internal.check_health() RETURNS text
AS 'MODULE_PATHNAME', 'monitoring_check_health' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off;
COMMENT ON FUNCTION monitoring_internal.check_health() IS
    'Part of the worker: writes the overall status down; a change becomes an event '
    'health_status_changed. Each part that is not healthy is told like an alert SystemHealth with '
    'the labels severity, part and database: through routes, silences and inhibition, and where no '
    'route leads to a receiver, to every enabled one that is no watchdog''s';

CREATE FUNCTION monitoring.health_check() RETURNS jsonb
AS 'MODULE_PATHNAME', 'monitoring_health_check' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off;
COMMENT ON FUNCTION monitoring.health_check() IS
    'What a load balancer or a status page asks for: status, timestamp, uptime in seconds, version, '
    'services, metrics. Services are the database, and what is probed (monitoring.probes): connected, '
    'disconnected with the error, or unknown. One that is down is a warning. memory_usage_mb and '
    'cpu_usage_percent are of the whole machine; the latter is that of the worker''s last look, NULL '
    'without one';

CREATE FUNCTION monitoring.liveness() RETURNS jsonb
AS 'MODULE_PATHNAME', 'monitoring_liveness' LANGUAGE C VOLATILE PARALLEL SAFE;
COMMENT ON FUNCTION monitoring.liveness() IS 'The server answers; looks at no table';

CREATE FUNCTION monitoring.readiness() RETURNS jsonb
AS 'MODULE_PATHNAME', 'monitoring_readiness' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring.readiness() IS
    'ready, or not_ready with the reasons: in_recovery (a standby), inactive (a copy that '
    'monitoring.activate() was not called in), not_preloaded, no_launcher, no_worker, '
    'worker_failing, stale (the worker gives no sign of life), paused';
