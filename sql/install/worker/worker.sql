-- The worker of this database: whether it may work here, how it is doing, and how to stop it.

CREATE TABLE monitoring.instance (
    database_oid oid NOT NULL,
    relation_oid oid NOT NULL,
    activated_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    activated_by name NOT NULL DEFAULT SESSION_USER,
    instance_id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
    PRIMARY KEY (database_oid, relation_oid)
);
COMMENT ON TABLE monitoring.instance IS
    'Binds the extension''s state to this very database. A copy of the database (restored, made '
    'with TEMPLATE, or a subscriber) has no row of its own, so its worker and courier hold until '
    'monitoring.activate().';
COMMENT ON COLUMN monitoring.instance.database_oid IS 'The database that the state belongs to';
COMMENT ON COLUMN monitoring.instance.activated_at IS 'When it was activated';
COMMENT ON COLUMN monitoring.instance.activated_by IS 'Role that activated it';
COMMENT ON COLUMN monitoring.instance.relation_oid IS
    'The OID of this table, which no other database''s copy of it has together with database_oid';
COMMENT ON COLUMN monitoring.instance.instance_id IS
    'By which receivers tell the alerts of this database from those of others with the same routes; '
    'promotion and pg_upgrade keep it, activate() in a copy makes another';

CREATE FUNCTION monitoring_internal.is_active()
RETURNS boolean LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT EXISTS (
        SELECT FROM monitoring.instance AS i, pg_catalog.pg_database AS d
        WHERE d.datname = pg_catalog.current_database()
          AND i.database_oid = d.oid
          AND i.relation_oid = 'monitoring.instance'::pg_catalog.regclass::oid);
END;
COMMENT ON FUNCTION monitoring_internal.is_active() IS
    'Whether worker and courier may work in this database';

CREATE FUNCTION monitoring_internal.wake_worker()
RETURNS void
AS 'MODULE_PATHNAME', 'monitoring_wake_worker' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION monitoring_internal.wake_worker() IS
    'Lets the worker of this database look, once this transaction commits, whether it has to act';

-- A plain CREATE EXTENSION activates itself. pg_dump's scripts, and nobody else, set row_security.
INSERT INTO monitoring.instance (database_oid, relation_oid)
SELECT d.oid, 'monitoring.instance'::pg_catalog.regclass
FROM pg_catalog.pg_database AS d
WHERE d.datname = pg_catalog.current_database()
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_settings AS s
                  WHERE s.name = 'row_security' AND s.source = 'session');

CREATE FUNCTION monitoring_internal.worker_status(
    OUT database_oid oid, OUT role text, OUT state text, OUT pid integer,
    OUT started_at timestamptz, OUT last_tick_at timestamptz,
    OUT ticks bigint, OUT errors bigint, OUT last_error text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'monitoring_worker_status' LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION monitoring_internal.worker_status() IS
    'The processes of the extension in the whole cluster; none without shared_preload_libraries';

CREATE VIEW monitoring.worker_status AS
SELECT d.datname AS database, s.role, s.pid, s.started_at, s.last_tick_at, s.ticks, s.errors,
       s.last_error, s.state
FROM monitoring_internal.worker_status() AS s
LEFT JOIN pg_catalog.pg_database AS d ON d.oid = s.database_oid;
COMMENT ON VIEW monitoring.worker_status IS
    'The processes of the extension in the whole cluster: launcher, HTTP server, and worker and '
    'courier of each database. A worker without a pid waits; last_error says why.';
COMMENT ON COLUMN monitoring.worker_status.role IS 'launcher, worker, courier or server';
COMMENT ON COLUMN monitoring.worker_status.pid IS 'Its process id; NULL: it does not run';
COMMENT ON COLUMN monitoring.worker_status.started_at IS 'When the process started';
COMMENT ON COLUMN monitoring.worker_status.last_tick_at IS 'When it woke up last';
COMMENT ON COLUMN monitoring.worker_status.last_error IS 'Its last error, or why it waits';
COMMENT ON COLUMN monitoring.worker_status.database IS 'NULL for processes of the whole cluster';
COMMENT ON COLUMN monitoring.worker_status.ticks IS 'How often the process has woken up';
COMMENT ON COLUMN monitoring.worker_status.errors IS
    'How often one of its duties has failed since the server started';
COMMENT ON COLUMN monitoring.worker_status.state IS
    'running, paused (pause_worker), holding (a copy that was not activated), starting, or waiting';

CREATE FUNCTION monitoring.pause_worker()
RETURNS void
AS 'MODULE_PATHNAME', 'monitoring_pause_worker' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION monitoring.pause_worker() IS
    'Keeps the worker of this database from its duties until resume_worker() or a server restart; '
    'returns when it is idle. '
    'Errors: 25006 in a read-only transaction.';

CREATE FUNCTION monitoring.resume_worker()
RETURNS void
AS 'MODULE_PATHNAME', 'monitoring_resume_worker' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION monitoring.resume_worker() IS
    'Ends pause_worker(). '
    'Errors: 25006 in a read-only transaction.';
