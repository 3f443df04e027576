-- What can be known when something is made is said then: that nobody works on it, that it leads to
-- nobody, or that it names what is not there. What becomes so later is in health.

CREATE FUNCTION monitoring_internal.say_obstacles() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found record;
BEGIN
    FOR found IN SELECT f.reason, f.what_to_do FROM monitoring.health_findings AS f
                 WHERE f.check_name IN ('not_preloaded', 'no_launcher', 'no_worker',
                                        'worker_failing', 'inactive') LOOP
        RAISE WARNING USING MESSAGE = 'nothing is done by itself here: ' || found.reason,
            HINT = found.what_to_do;
    END LOOP;
END
$$;
COMMENT ON FUNCTION monitoring_internal.say_obstacles() IS
    'A WARNING for each reason why no worker works on this database';

-- What a rule's query adds to its labels is not known here: a route that asks for another label may
-- be meant for it.
CREATE FUNCTION monitoring_internal.may_reach_somebody(labels jsonb) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM monitoring.routes AS r
                   JOIN monitoring.receivers AS o ON o.receiver_name = r.receiver AND o.enabled)
       AND (EXISTS (SELECT FROM monitoring.explain_route(labels) AS e
                    JOIN monitoring.receivers AS o ON o.receiver_name = e.receiver AND o.enabled)
            OR EXISTS (SELECT FROM monitoring.routes AS r, unnest(r.matchers) AS m
                       WHERE NOT labels ? coalesce(substring(m FROM '^\s*\{?\s*"?([^"=!~\s,{]+)'), '')))
$$;
COMMENT ON FUNCTION monitoring_internal.may_reach_somebody(jsonb) IS
    'Whether a route may lead alerts with these labels, and perhaps more, to a receiver';

-- SECURITY DEFINER: whoever may add the row may be told, whatever else they may read. Nobody can call
-- it but as this trigger, and it changes nothing.
CREATE FUNCTION monitoring_internal.advise() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found record;
BEGIN
    IF TG_TABLE_SCHEMA NOT IN ('monitoring', 'monitoring_internal') OR TG_LEVEL <> 'STATEMENT' OR TG_OP <> 'INSERT' THEN
        RAISE EXCEPTION USING ERRCODE = 'trigger_protocol_violated',
            MESSAGE = 'monitoring_internal.advise() is a trigger function of the extension''s tables';
    END IF;
    -- A dump brings all of it, in an order of its own.
    IF monitoring_internal.restoring() OR NOT EXISTS (SELECT FROM made) THEN
        RETURN NULL;
    END IF;
    CASE TG_TABLE_NAME
    WHEN 'alert_rules' THEN
        -- Those of a pack are spoken of as a whole.
        FOR found IN SELECT m.rule_name FROM made AS m
                     WHERE m.enabled AND m.group_name NOT LIKE 'pack %' AND NOT EXISTS (
                         SELECT FROM unnest(CASE m.language WHEN 'threshold'
                             THEN ARRAY['critical', 'warning'] ELSE ARRAY[m.severity] END) AS s (severity)
                         WHERE monitoring_internal.may_reach_somebody(m.labels || jsonb_build_object(
                             'alertname', m.rule_name, 'severity', s.severity))) LOOP
            RAISE NOTICE USING MESSAGE = format('no route leads alerts of rule "%s" to a receiver', found.rule_name),
                HINT = 'Nobody is told of them until monitoring.create_receiver() and '
                'monitoring.create_route() say whom to tell.';
        END LOOP;
    WHEN 'thresholds' THEN
        FOR found IN SELECT m.metric_name FROM made AS m
                     JOIN monitoring.alert_rules AS r ON r.id = m.rule_id
                     WHERE r.enabled AND r.group_name NOT LIKE 'pack %' AND m.metric_name IS NOT NULL
                       AND NOT EXISTS (SELECT FROM monitoring.pipeline_metrics AS p
                                       WHERE p.metric_name = m.metric_name) LOOP
            RAISE NOTICE USING MESSAGE = format('metric "%s" has never been recorded', found.metric_name),
                HINT = 'The rule waits for it. If the name is mistaken, SELECT DISTINCT metric_name FROM '
                'monitoring.aggregated_metrics lists those that there are.';
        END LOOP;
    WHEN 'enabled_packs' THEN
        IF EXISTS (SELECT FROM made AS m WHERE m.with_alerts)
           AND NOT monitoring_internal.may_reach_somebody('{}') THEN
            RAISE NOTICE USING MESSAGE = 'no route leads alerts of the pack to a receiver',
                HINT = 'Nobody is told of them until monitoring.create_receiver() and '
                'monitoring.create_route() say whom to tell.';
        END IF;
        FOR found IN SELECT DISTINCT c.source FROM made AS m,
                         monitoring_internal.table_collectors(m.pack_name, m.mapping) AS c,
                         jsonb_each(m.mapping) AS mapped (key, value)
                     WHERE to_regclass(c.source) IS NULL AND c.source = mapped.value ->> 'table' LOOP
            RAISE NOTICE USING MESSAGE = format('relation "%s" does not exist', found.source),
                HINT = 'What the pack reads of it is collected once it is there, under this name.';
        END LOOP;
    WHEN 'queues' THEN
        FOR found IN SELECT m.queue_name, m.source FROM made AS m
                     WHERE m.enabled AND m.source IS NOT NULL AND to_regclass(m.source) IS NULL LOOP
            RAISE NOTICE USING MESSAGE = format('relation "%s" of queue "%s" does not exist', found.source, found.queue_name),
                HINT = 'The queue cannot be checked until it does.';
        END LOOP;
    WHEN 'routes' THEN
        FOR found IN SELECT m.receiver FROM made AS m WHERE m.receiver IS NOT NULL AND NOT EXISTS (
                         SELECT FROM monitoring.receivers AS r WHERE r.receiver_name = m.receiver) LOOP
            RAISE NOTICE USING MESSAGE = format('receiver "%s" does not exist', found.receiver),
                HINT = 'monitoring.create_receiver() makes one.';
        END LOOP;
    WHEN 'escalations' THEN
        FOR found IN SELECT DISTINCT s.step ->> 'receiver' AS receiver
                     FROM made AS m, jsonb_array_elements(m.steps) AS s (step)
                     WHERE NOT EXISTS (SELECT FROM monitoring.receivers AS r
                                       WHERE r.receiver_name = s.step ->> 'receiver') LOOP
            RAISE NOTICE USING MESSAGE = format('receiver "%s" does not exist', found.receiver),
                HINT = 'monitoring.create_receiver() makes one.';
        END LOOP;
    WHEN 'receivers', 'probes' THEN
        FOR found IN SELECT DISTINCT f.reason, f.what_to_do
                     FROM made AS m, monitoring.health_findings AS f,
                          jsonb_path_query(to_jsonb(m), '$.**.secret ? (@.type() == "string")') AS s (name)
                     WHERE f.check_name = 'missing_secret'
                       AND starts_with(f.reason, format('secret "%s" of ', s.name #>> '{}')) LOOP
            RAISE NOTICE USING MESSAGE = found.reason,
                HINT = found.what_to_do;
        END LOOP;
    ELSE
        NULL;
    END CASE;
    PERFORM monitoring_internal.say_obstacles();
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION monitoring_internal.advise() IS
    'Trigger: says what keeps a new row from having its effect, and what to do about it';

CREATE TRIGGER advise AFTER INSERT ON monitoring.alert_rules
REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION monitoring_internal.advise();
CREATE TRIGGER advise AFTER INSERT ON monitoring.thresholds
REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION monitoring_internal.advise();
CREATE TRIGGER advise AFTER INSERT ON monitoring_internal.enabled_packs
REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION monitoring_internal.advise();
CREATE TRIGGER advise AFTER INSERT ON monitoring.collectors
REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION monitoring_internal.advise();
CREATE TRIGGER advise AFTER INSERT ON monitoring.queues
REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION monitoring_internal.advise();
CREATE TRIGGER advise AFTER INSERT ON monitoring.probes
REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION monitoring_internal.advise();
CREATE TRIGGER advise AFTER INSERT ON monitoring.receivers
REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION monitoring_internal.advise();
CREATE TRIGGER advise AFTER INSERT ON monitoring.routes
REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION monitoring_internal.advise();
CREATE TRIGGER advise AFTER INSERT ON monitoring.escalations
REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION monitoring_internal.advise();
CREATE TRIGGER advise AFTER INSERT ON monitoring.watchdogs
REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION monitoring_internal.advise();
