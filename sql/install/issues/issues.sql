-- Worker issues and heartbeats.

CREATE TABLE monitoring.worker_issues (
    id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
    worker_name text NOT NULL,
    issue_type text NOT NULL,
    severity text NOT NULL,
    message text,
    details jsonb,
    resolved boolean DEFAULT false,
    resolution_details text,
    created_at timestamptz DEFAULT pg_catalog.now(),
    resolved_at timestamptz
);
COMMENT ON TABLE monitoring.worker_issues IS
    'Trouble of workers, the monitoring worker included. An issue is open until resolved is true.';
COMMENT ON COLUMN monitoring.worker_issues.id IS 'Key of the issue';
COMMENT ON COLUMN monitoring.worker_issues.worker_name IS
    'Worker, or part of the monitoring, that has the trouble';
COMMENT ON COLUMN monitoring.worker_issues.issue_type IS 'What kind of trouble it is';
COMMENT ON COLUMN monitoring.worker_issues.message IS 'The trouble in words';
COMMENT ON COLUMN monitoring.worker_issues.details IS 'Whatever belongs to it, an object';
COMMENT ON COLUMN monitoring.worker_issues.resolved IS 'Whether it is over';
COMMENT ON COLUMN monitoring.worker_issues.resolution_details IS
    'What was said when it was resolved';
COMMENT ON COLUMN monitoring.worker_issues.created_at IS 'When it was opened';
COMMENT ON COLUMN monitoring.worker_issues.resolved_at IS 'When it was resolved';
COMMENT ON COLUMN monitoring.worker_issues.severity IS
    'info, warning or critical: an open critical issue makes the system critical';
SELECT pg_catalog.pg_extension_config_dump('monitoring.worker_issues', '');

-- Open issues, for health and for "the same again?"; resolved ones by age, for retention.
CREATE INDEX worker_issues_open ON monitoring.worker_issues (worker_name, issue_type, severity)
    WHERE resolved IS NOT TRUE;
-- The newest open ones of each kind, of which health names some.
CREATE INDEX worker_issues_newest_critical ON monitoring.worker_issues (created_at DESC, id)
    WHERE resolved IS NOT TRUE AND severity = 'critical';
CREATE INDEX worker_issues_newest_warnings ON monitoring.worker_issues (created_at DESC, id)
    WHERE resolved IS NOT TRUE AND severity NOT IN ('info', 'critical');
CREATE INDEX worker_issues_resolved
    ON monitoring.worker_issues ((COALESCE(resolved_at, created_at))) WHERE resolved;

CREATE TABLE monitoring.worker_heartbeats (
    worker_name text PRIMARY KEY,
    last_seen_at timestamptz NOT NULL,
    expected_every interval NOT NULL CONSTRAINT expected_every_is_usable
        CHECK (expected_every > interval '0' AND expected_every <= interval '100 years'),
    details jsonb
);
COMMENT ON TABLE monitoring.worker_heartbeats IS
    'The last sign of life of each worker. A worker silent for three times expected_every is stale.';
COMMENT ON COLUMN monitoring.worker_heartbeats.worker_name IS 'Name of the worker';
COMMENT ON COLUMN monitoring.worker_heartbeats.last_seen_at IS 'When its last heartbeat came';
COMMENT ON COLUMN monitoring.worker_heartbeats.expected_every IS
    'Within which time it said the next one would come';
COMMENT ON COLUMN monitoring.worker_heartbeats.details IS 'What it said beside, an object';
SELECT pg_catalog.pg_extension_config_dump('monitoring.worker_heartbeats', '');

CREATE FUNCTION monitoring.log_worker_issue(worker_name text, issue_type text, message text,
                                            severity text DEFAULT 'warning',
                                            details jsonb DEFAULT '{}')
RETURNS uuid
AS 'MODULE_PATHNAME', 'monitoring_log_worker_issue' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION monitoring.log_worker_issue(text, text, text, text, jsonb) IS
    'Logs trouble of a worker and returns its id; severity is info, warning or critical. '
    'Errors: 22023 for an unknown severity.';

CREATE FUNCTION monitoring.resolve_worker_issue(id uuid, resolution_details text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'monitoring_resolve_worker_issue' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION monitoring.resolve_worker_issue(uuid, text) IS
    'Resolves an open worker issue; false if there is no open issue with this id. '
    'Errors: 22004 for a NULL id.';

CREATE FUNCTION monitoring.heartbeat(worker_name text,
                                     expected_every interval DEFAULT '5 minutes',
                                     details jsonb DEFAULT '{}')
RETURNS void
AS 'MODULE_PATHNAME', 'monitoring_heartbeat' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION monitoring.heartbeat(text, interval, jsonb) IS
    'A sign of life of a worker that will give the next one within expected_every. '
    'Errors: 22023 for an interval that is not positive.';

CREATE FUNCTION monitoring.forget_worker(worker_name text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'monitoring_forget_worker' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION monitoring.forget_worker(text) IS
    'Expects no more heartbeats of a worker that was shut down for good; false if there were none';
