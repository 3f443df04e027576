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
    'stuck_messages, error_rate, p95_ms, stale_workers, or the name of a metric';
COMMENT ON COLUMN monitoring.health_thresholds.warning IS 'a value above is a warning; NULL: none is';
COMMENT ON COLUMN monitoring.health_thresholds.critical IS 'a value above is critical; NULL: none is';
COMMENT ON COLUMN monitoring.health_thresholds.inclusive IS
    'a value equal to warning is a warning, too';
SELECT pg_catalog.pg_extension_config_dump('monitoring.health_thresholds', '');

CREATE VIEW monitoring.effective_health_thresholds AS
SELECT check_name, warning, critical, inclusive FROM monitoring.health_thresholds
UNION ALL
SELECT d.check_name, d.warning, d.critical, d.inclusive
FROM (VALUES
    ('stuck_messages', 0::double precision, 10::double precision, false),
    ('error_rate', 0.01, 0.05, false),
    ('p95_ms', 30000, 60000, false),
    ('stale_workers', 0, NULL, false),
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
    'The thresholds that apply: those of monitoring.health_thresholds, and the defaults of all others';

-- Not dumped: a restored copy has not been looked at yet.
CREATE TABLE monitoring.health_state (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    status text,
    since timestamptz,
    checked_at timestamptz
);
COMMENT ON TABLE monitoring.health_state IS
    'The overall status that the worker saw last, since when, and when it looked';

-- The newest measurements are read from the end of an index, a few hundred of millions, and open
-- issues from a partial index. Without fresh statistics the planner would rather read and sort an
-- hour of measurements and all issues: the settings forbid it.
CREATE FUNCTION public.get_system_health() RETURNS jsonb
AS 'MODULE_PATHNAME', 'monitoring_get_system_health' LANGUAGE C VOLATILE PARALLEL UNSAFE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off;
COMMENT ON FUNCTION public.get_system_health() IS
    'Status of queues, processing and workers: healthy, warning or critical, with the reasons. '
    'Processing looks at the newest 250 measurements each of queue_processing and api_call within '
    'the last hour: error_rate is failed by all operations, of 0 to 1 (tags success_count and '
    'error_count, or success); p95_ms is the 95th percentile of their values. Reasons: '
    'stuck_messages, error_rate, p95_ms, stale_workers (thresholds in '
    'monitoring.effective_health_thresholds), critical_issues, open_issues, stale (no sign of life '
    'for three intervals), inactive (a copy that monitoring.activate() was not called in), '
    'missing_secret (an enabled receiver names a secret that is not there).';

CREATE FUNCTION monitoring._check_health() RETURNS text
AS 'MODULE_PATHNAME', 'monitoring_check_health' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off;
COMMENT ON FUNCTION monitoring._check_health() IS
    'Part of the worker: writes the overall status down; a change becomes an event '
    'health_status_changed and a notification for every enabled receiver';

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
    'monitoring.activate() was not called in)';
