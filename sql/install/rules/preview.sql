-- Before it hurts: what a rule would say, whom it would tell, and in which words. Nothing is written.

CREATE FUNCTION monitoring_internal.preview_rule(
    expr text, at timestamptz, rule_name text, severity text, for_duration interval,
    rule_labels jsonb, rule_annotations jsonb, search_path text,
    OUT alert_labels jsonb, OUT value float8, OUT was text, OUT state text, OUT annotations jsonb,
    OUT query_ms float8)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'monitoring_preview_rule' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring_internal.preview_rule(text, timestamptz, text, text, interval, jsonb,
    jsonb, text) IS
    'The alerts of preview_alert(), without their routes; search_path is that of expr';

CREATE FUNCTION monitoring.preview_alert(
    expr text DEFAULT NULL, at timestamptz DEFAULT pg_catalog.clock_timestamp(),
    rule_name text DEFAULT NULL, severity text DEFAULT 'warning', for_duration interval DEFAULT '0',
    rule_labels jsonb DEFAULT '{}', rule_annotations jsonb DEFAULT '{}')
RETURNS TABLE (labels jsonb, value float8, was text, state text, annotations jsonb, receivers text[],
               routing jsonb, query_ms float8)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    SELECT p.alert_labels, p.value, p.was, p.state, p.annotations,
           (SELECT pg_catalog.array_agg(DISTINCT e.receiver)
            FROM monitoring.explain_route(p.alert_labels) AS e WHERE e.receiver IS NOT NULL),
           (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                'receiver', e.receiver, 'path', e.path, 'reason', e.reason))
            FROM monitoring.explain_route(p.alert_labels) AS e),
           p.query_ms
    FROM monitoring_internal.preview_rule(
        expr, at, rule_name, severity, for_duration, rule_labels, rule_annotations,
        pg_catalog.current_setting('search_path')) AS p
$$;
COMMENT ON FUNCTION monitoring.preview_alert(text, timestamptz, text, text, interval, jsonb, jsonb) IS
    'What a rule would say at this time: expr is a query like that of create_alert(), or the name of a '
    'rule; rule_name a rule that is there, or with expr the name that the query would go by, so that '
    'alerts that are there count. One row for each alert: its labels, its state now (was) and then, its '
    'texts, whom it would go to, of each route why or why not, and how long the query took. A time '
    'before the last evaluation is looked at as if nothing had been before. Nothing is written. A query '
    'of one''s own runs as the caller, a rule as its owner. '
    'Errors: those of the query, 42704 for a rule that is not there, 21000 for rows that make no alerts.';

CREATE FUNCTION monitoring_internal.compose_notification(
    receiver text, group_key text, webhook jsonb,
    OUT address text, OUT payload jsonb, OUT note text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'monitoring_compose_notification' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring_internal.compose_notification(text, text, jsonb) IS
    'What a receiver would be told, given as webhook JSON, at each of its addresses';

CREATE FUNCTION monitoring.preview_notification(
    receiver text, rule_name text DEFAULT NULL, labels jsonb DEFAULT NULL)
RETURNS TABLE (address text, payload jsonb, note text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    alerts jsonb;
    first_labels jsonb;
    route record;
    group_labels jsonb;
BEGIN
    IF num_nonnulls(rule_name, labels) <> 1 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'preview_notification() needs either rule_name or labels',
            HINT = 'labels are those of an alert, such as {"alertname": "QueueStuck", "severity": "critical"}.';
    END IF;
    IF labels IS NOT NULL THEN
        alerts := jsonb_build_array(jsonb_build_object('labels', labels));
    ELSE
        -- Those that fire; where none does, what the rule would say now.
        SELECT jsonb_agg(jsonb_build_object('labels', a.labels, 'annotations', a.annotations,
                                            'startsAt', a.fired_at) ORDER BY a.id) INTO alerts
        FROM monitoring.alerts AS a
        WHERE a.rule_name = preview_notification.rule_name AND a.state = 'firing';
        IF alerts IS NULL THEN
            SELECT jsonb_agg(jsonb_build_object('labels', p.alert_labels, 'annotations', p.annotations)) INTO alerts
            FROM monitoring_internal.preview_rule(
                NULL, clock_timestamp(), preview_notification.rule_name, 'warning', '0', '{}', '{}', '') AS p
            WHERE p.state <> 'resolved';
        END IF;
        IF alerts IS NULL THEN
            SELECT jsonb_build_array(jsonb_build_object('annotations', r.annotations,
                'labels', r.labels || jsonb_build_object('alertname', r.rule_name, 'severity', r.severity))) INTO alerts
            FROM monitoring.alert_rules AS r WHERE r.rule_name = preview_notification.rule_name;
        END IF;
    END IF;
    SELECT jsonb_agg('{"status": "firing"}' || jsonb_build_object('startsAt', clock_timestamp()) || jsonb_strip_nulls(a))
    INTO alerts FROM jsonb_array_elements(alerts) AS a;
    -- As the route would group them that leads the first one there.
    first_labels := alerts -> 0 -> 'labels';
    SELECT e.group_key, e.route_id INTO route FROM monitoring.explain_route(first_labels) AS e
    WHERE e.receiver = preview_notification.receiver LIMIT 1;
    WITH RECURSIVE up AS (
        SELECT r.id, r.parent, r.group_by, 0 AS height FROM monitoring.effective_routes AS r WHERE r.id = route.route_id
        UNION ALL
        SELECT r.id, r.parent, r.group_by, up.height + 1 FROM up JOIN monitoring.effective_routes AS r ON r.id = up.parent
        WHERE up.group_by = '{}' AND up.height < 1000)
    SELECT coalesce(jsonb_object_agg(l.key, l.value) FILTER (
               WHERE l.key = ANY (up.group_by) OR '...' = ANY (up.group_by)), '{}') INTO group_labels
    FROM (SELECT u.group_by FROM up AS u ORDER BY u.height DESC LIMIT 1) AS up, jsonb_each(first_labels) AS l;
    RETURN QUERY SELECT c.address, c.payload, c.note
    FROM monitoring_internal.compose_notification(
        receiver, coalesce(route.group_key, '{}:{}'),
        jsonb_build_object('status', 'firing', 'groupLabels', group_labels, 'alerts', alerts)) AS c;
END
$$;
COMMENT ON FUNCTION monitoring.preview_notification(text, text, jsonb) IS
    'The very payload that a receiver would get, for each of its addresses, without its secrets: of the '
    'alerts of a rule that fire, or, where none does, of those that it would raise now; or of one alert '
    'with these labels. note says which templates could not be rendered. Nothing is sent. '
    'Errors: 42704 for a receiver or rule that is not there, 22023 for labels that are none.';
