-- LISTEN monitoring_alerts: a small JSON at every change of an alert or of health and for every
-- notification that is given up, for applications that wait for it.

CREATE FUNCTION monitoring_internal.announce() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- Of a payload's 8,000 bytes.
    most_bytes CONSTANT integer := 7900;
    message jsonb;
BEGIN
    IF TG_RELID = 'monitoring.alert_history'::regclass THEN
        message := jsonb_build_object('kind', 'alert', 'at', NEW.at, 'fingerprint', NEW.fingerprint,
            'rule_name', NEW.rule_name, 'severity', NEW.severity, 'from', NEW.from_state, 'to', NEW.to_state,
            'value', to_jsonb(NEW.value), 'cause', NEW.cause, 'labels', NEW.labels);
    ELSIF TG_RELID = 'monitoring.health_state'::regclass THEN
        message := jsonb_build_object('kind', 'health', 'at', NEW.since, 'from', OLD.status, 'to', NEW.status);
    ELSIF TG_RELID = 'monitoring.notifications'::regclass THEN
        message := jsonb_build_object('kind', 'delivery_failed', 'at', clock_timestamp(), 'notification', NEW.id,
            'receiver', NEW.receiver, 'error', left(NEW.last_error, 1000));
    ELSE
        RAISE EXCEPTION USING ERRCODE = 'trigger_protocol_violated',
            MESSAGE = 'monitoring_internal.announce() is for tables of the extension only';
    END IF;
    -- A listener that sits in a transaction fills the queue, and a full queue fails whoever commits:
    -- nobody's page may depend on it.
    IF NOT coalesce(current_setting('monitoring.announce_changes', true), 'on')::boolean
       OR pg_notification_queue_usage() > 0.5 THEN
        RETURN NULL;
    END IF;
    IF octet_length(message::text) > most_bytes THEN
        message := message - 'labels' || jsonb_build_object('truncated', true);
    END IF;
    IF octet_length(message::text) > most_bytes THEN
        message := jsonb_build_object('kind', message -> 'kind', 'at', message -> 'at',
                                      'fingerprint', message -> 'fingerprint', 'to', message -> 'to', 'truncated', true);
    END IF;
    PERFORM pg_notify('monitoring_alerts', message::text);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION monitoring_internal.announce() IS
    'Trigger: tells those who LISTEN to monitoring_alerts';
CREATE TRIGGER announce AFTER INSERT ON monitoring.alert_history
FOR EACH ROW EXECUTE FUNCTION monitoring_internal.announce();
CREATE TRIGGER announce AFTER UPDATE OF status ON monitoring.health_state
FOR EACH ROW WHEN (NEW.status IS DISTINCT FROM OLD.status) EXECUTE FUNCTION monitoring_internal.announce();
CREATE TRIGGER announce AFTER UPDATE OF status ON monitoring.notifications
FOR EACH ROW WHEN (NEW.status = 'dead' AND OLD.status <> 'dead') EXECUTE FUNCTION monitoring_internal.announce();
