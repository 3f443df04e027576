-- Whose SQL it is that runs for a queue, a rule or a collector, and which of it could not be stopped.

CREATE FUNCTION monitoring_internal.bind_owner() RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_RELID NOT IN ('monitoring.queues'::regclass, 'monitoring.alert_rules'::regclass,
                        'monitoring.collectors'::regclass, 'monitoring_internal.enabled_packs'::regclass) THEN
        RAISE EXCEPTION USING ERRCODE = 'trigger_protocol_violated',
            MESSAGE = 'monitoring_internal.bind_owner() is for tables of the extension only';
    END IF;
    NEW.owner_oid := COALESCE((SELECT r.oid FROM pg_roles AS r WHERE r.rolname = NEW.owner), 0);
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION monitoring_internal.bind_owner() IS
    'Trigger: writes down which role has the owner''s name, so that another one that gets the name '
    'later does not become the owner. A dump has names only: a restored row is bound anew';

-- Not dumped: in a copy each has a new try.
CREATE TABLE monitoring.query_overruns (
    worker_name text PRIMARY KEY,
    overruns integer NOT NULL,
    last_at timestamptz NOT NULL,
    retry_at timestamptz
);
COMMENT ON TABLE monitoring.query_overruns IS
    'Queries that went on although they were canceled at their time limit, so that the process that '
    'ran them had to end. After the third time a query is switched off until its row is updated';
COMMENT ON COLUMN monitoring.query_overruns.last_at IS 'When it happened last';
COMMENT ON COLUMN monitoring.query_overruns.worker_name IS
    'whose query: the worker_name of its issues in monitoring.worker_issues';
COMMENT ON COLUMN monitoring.query_overruns.overruns IS 'how often, since it last ran as it should';
COMMENT ON COLUMN monitoring.query_overruns.retry_at IS
    'it is not run before; NULL: it is switched off. UPDATE ... SET enabled = true on its row lets '
    'it run again';

CREATE FUNCTION monitoring_internal.forget_overruns() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_RELID NOT IN ('monitoring.queues'::regclass, 'monitoring.alert_rules'::regclass,
                        'monitoring.collectors'::regclass) THEN
        RAISE EXCEPTION USING ERRCODE = 'trigger_protocol_violated',
            MESSAGE = 'monitoring_internal.forget_overruns() is for tables of the extension only';
    END IF;
    -- Of what is gone, has another name now or is switched off, nothing is the matter any more.
    IF TG_OP = 'DELETE' OR NOT NEW.enabled
       OR to_jsonb(OLD) ->> TG_ARGV[1] <> to_jsonb(NEW) ->> TG_ARGV[1] THEN
        UPDATE monitoring.worker_issues AS i
        SET resolved = true, resolved_at = now(), resolution_details = 'It is gone or disabled.'
        WHERE i.worker_name = TG_ARGV[0] || '/' || (to_jsonb(OLD) ->> TG_ARGV[1])
          AND i.resolved IS NOT TRUE;
    END IF;
    DELETE FROM monitoring.query_overruns AS o
    WHERE o.worker_name = TG_ARGV[0] || '/' || (to_jsonb(OLD) ->> TG_ARGV[1]);
    IF FOUND THEN
        UPDATE monitoring.worker_issues AS i
        SET resolved = true, resolved_at = now(), resolution_details = 'Its row was changed.'
        WHERE i.worker_name = TG_ARGV[0] || '/' || (to_jsonb(OLD) ->> TG_ARGV[1])
          AND i.issue_type = 'query_overrun' AND i.resolved IS NOT TRUE;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION monitoring_internal.forget_overruns() IS
    'Trigger: what has been changed may run again, and what is gone or disabled has no issues';
