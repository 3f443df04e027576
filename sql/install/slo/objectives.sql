-- Making and dropping service level objectives, and the alert rules that go with them.

CREATE FUNCTION monitoring_internal.checked_slo_side(argument text, side jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problem text;
BEGIN
    IF side IS NULL THEN
        RETURN NULL;
    END IF;
    IF jsonb_typeof(side) = 'string' THEN
        side := jsonb_build_object('metric', side);
    END IF;
    IF jsonb_typeof(side) <> 'object' THEN
        problem := 'must be the name of a metric or an object';
    ELSIF jsonb_typeof(side -> 'metric') IS DISTINCT FROM 'string' OR side ->> 'metric' = '' THEN
        problem := 'names no metric';
    ELSIF jsonb_typeof(coalesce(side -> 'matching', '{}')) <> 'object' THEN
        problem := 'has a matching that is no object';
    ELSIF coalesce(side ->> 'aggregate', 'count') NOT IN ('count', 'sum', 'increase') THEN
        problem := format('has the unknown aggregate "%s"', side ->> 'aggregate');
    ELSE
        SELECT format('has the unknown key "%s"', k) INTO problem FROM jsonb_object_keys(side) AS k
        WHERE k NOT IN ('metric', 'matching', 'aggregate') ORDER BY k LIMIT 1;
    END IF;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('%s %s', argument, problem),
            HINT = 'Write it as {"metric": "api_call", "matching": {"success": "true"}, "aggregate": "count"}; '
                   'aggregate is count, sum or increase.';
    END IF;
    RETURN side;
END
$$;
COMMENT ON FUNCTION monitoring_internal.checked_slo_side(text, jsonb) IS
    'What an objective counts, as an object, or an error for what is none';

CREATE FUNCTION monitoring_internal.checked_burn_alerts(burn_alerts jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    alert jsonb;
    problem text;
BEGIN
    IF burn_alerts IS NULL THEN
        RETURN monitoring_internal.workbook_burn_alerts();
    END IF;
    IF jsonb_typeof(burn_alerts) <> 'array' THEN
        problem := 'must be an array';
        burn_alerts := '[]';
    END IF;
    FOR alert IN SELECT * FROM jsonb_array_elements(burn_alerts) LOOP
        BEGIN
            IF jsonb_typeof(alert) <> 'object' OR coalesce(alert ->> 'severity', '') = '' THEN
                problem := format('has the element %s, which has no severity', alert);
            ELSIF ((alert ->> 'factor')::float8 > 0 AND (alert ->> 'factor')::float8 < 'Infinity') IS NOT TRUE THEN
                problem := format('has the element %s, whose factor is not positive', alert);
            ELSIF ((alert ->> 'short')::interval >= '1 minute' AND (alert ->> 'short')::interval < (alert ->> 'long')::interval
                   AND (alert ->> 'long')::interval <= '30 days') IS NOT TRUE THEN
                problem := format('has the element %s, whose windows are not 1 minute <= short < long <= 30 days', alert);
            END IF;
        EXCEPTION WHEN data_exception THEN
            problem := format('has the element %s: %s', alert, SQLERRM);
        END;
    END LOOP;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'burn_alerts ' || problem,
            HINT = 'Write it as [{"severity": "critical", "factor": 14.4, "long": "1 hour", "short": "5 minutes"}]; '
                   'NULL means the four of the SRE workbook, [] none.';
    END IF;
    RETURN burn_alerts;
END
$$;
COMMENT ON FUNCTION monitoring_internal.checked_burn_alerts(jsonb) IS
    'When an objective alerts, or an error for what cannot be used';

CREATE FUNCTION monitoring_internal.refuse_odd_slo(slo monitoring.slo_definitions) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF coalesce(slo.slo_name, '') = '' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'slo_name must not be empty';
    END IF;
    IF (slo.objective_percent > 1 AND slo.objective_percent <= 99.9999) IS NOT TRUE THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('an objective of %s %% cannot be used', coalesce(slo.objective_percent::text, 'NULL')),
            HINT = 'It is in percent, above 1 and at most 99.9999: 99.9, not 0.999.';
    END IF;
    IF (slo.over_last BETWEEN interval '1 day' AND interval '366 days') IS NOT TRUE THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'over_last must be between 1 day and 366 days';
    END IF;
    IF num_nonnulls(slo.total, slo.probe_name, slo.metric_name) <> 1 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('"%s" needs one source of events', slo.slo_name),
            HINT = 'Give total and one of good and bad, or probe_name, or metric_name and threshold.';
    END IF;
    IF num_nonnulls(slo.good, slo.bad) <> (slo.total IS NOT NULL)::integer THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'total goes with one of good and bad, and these go with total';
    END IF;
    IF (slo.metric_name IS NULL) <> (slo.threshold IS NULL) OR slo.threshold = 'NaN' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'metric_name goes with a threshold that is a number',
            HINT = 'For example metric_name => ''api_call'', threshold => 500: a measurement of at most 500 is good.';
    END IF;
    IF (slo.comparison IN ('<', '<=', '>', '>=')) IS NOT TRUE THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('unknown comparison "%s"', slo.comparison), HINT = 'It is <, <=, > or >=.';
    END IF;
    IF slo.probe_name IS NOT NULL AND NOT EXISTS (
        SELECT FROM monitoring.probes AS p WHERE p.probe_name = slo.probe_name) THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('there is no probe "%s"', slo.probe_name), HINT = 'See monitoring.probes.';
    END IF;
END
$$;
COMMENT ON FUNCTION monitoring_internal.refuse_odd_slo(monitoring.slo_definitions) IS
    'An error for an objective that could not be kept';

-- A rule that stays keeps its id, and so its alerts.
CREATE FUNCTION monitoring_internal.settle_slo_rules(slo monitoring.slo_definitions, rule_labels jsonb,
                                                     rule_annotations jsonb, rules_enabled boolean, rule_owner name)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET IntervalStyle = 'postgres'
AS $$
DECLARE
    group_of_slo text := 'slo ' || slo.slo_name;
    -- Labels and annotations are templates, and a name may look like one.
    literal_name text := CASE WHEN slo.slo_name LIKE '%{{%' THEN format('{{ %s }}', to_json(slo.slo_name)) ELSE slo.slo_name END;
    all_labels jsonb := jsonb_build_object('slo', literal_name) || coalesce(rule_labels, '{}');
    all_annotations jsonb := jsonb_build_object(
        'summary', literal_name || ' burns its error budget {{ printf "%.1f" $value }} times as fast as it may',
        'description', format('The objective is %s %% over %s. See monitoring.slos.',
                              trim_scale(slo.objective_percent), slo.over_last)) || coalesce(rule_annotations, '{}');
    wanted text[] := ARRAY(SELECT DISTINCT a.alert ->> 'severity' FROM jsonb_array_elements(slo.burn_alerts) AS a (alert));
    wanted_severity text;
BEGIN
    DELETE FROM monitoring.alert_rules AS r WHERE r.group_name = group_of_slo AND r.severity <> ALL (wanted);
    FOREACH wanted_severity IN ARRAY wanted LOOP
        UPDATE monitoring.alert_rules AS r
        SET labels = all_labels, annotations = all_annotations, enabled = rules_enabled, owner = rule_owner
        WHERE r.group_name = group_of_slo AND r.severity = wanted_severity
          AND (r.labels, r.annotations, r.enabled, r.owner)
              IS DISTINCT FROM (all_labels, all_annotations, rules_enabled, rule_owner);
        CONTINUE WHEN EXISTS (SELECT FROM monitoring.alert_rules AS r
                              WHERE r.group_name = group_of_slo AND r.severity = wanted_severity);
        PERFORM monitoring.create_alert(
            format('%s burn (%s)', slo.slo_name, wanted_severity),
            format('SELECT b.value FROM monitoring.slo_burn(%L, %L, $1) AS b (value)', slo.slo_name, wanted_severity),
            severity => wanted_severity, labels => all_labels, annotations => all_annotations,
            group_name => group_of_slo, enabled => rules_enabled, owner => rule_owner);
    END LOOP;
END
$$;
COMMENT ON FUNCTION monitoring_internal.settle_slo_rules(monitoring.slo_definitions, jsonb, jsonb, boolean, name) IS
    'Makes, changes and removes the alert rules of an objective, one for each severity of its burn_alerts';

CREATE FUNCTION monitoring.create_slo(
    slo_name text, objective numeric, good jsonb DEFAULT NULL, bad jsonb DEFAULT NULL, total jsonb DEFAULT NULL,
    probe_name text DEFAULT NULL, metric_name text DEFAULT NULL, threshold float8 DEFAULT NULL,
    comparison text DEFAULT '<=', matching jsonb DEFAULT '{}', over_last interval DEFAULT '30 days',
    burn_alerts jsonb DEFAULT NULL, starts_at timestamptz DEFAULT NULL, description text DEFAULT '',
    labels jsonb DEFAULT '{}', annotations jsonb DEFAULT '{}', enabled boolean DEFAULT true,
    owner name DEFAULT current_user, replace boolean DEFAULT false)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wanted monitoring.slo_definitions;
BEGIN
    PERFORM FROM monitoring.slo_definitions AS d WHERE d.slo_name = create_slo.slo_name FOR UPDATE;
    IF FOUND AND replace IS NOT TRUE THEN
        RAISE EXCEPTION USING ERRCODE = 'unique_violation',
            MESSAGE = format('there is a service level objective "%s" already', slo_name),
            HINT = 'replace => true changes it.';
    END IF;
    wanted.slo_name := slo_name;
    wanted.objective_percent := objective;
    wanted.good := monitoring_internal.checked_slo_side('good', good);
    wanted.bad := monitoring_internal.checked_slo_side('bad', bad);
    wanted.total := monitoring_internal.checked_slo_side('total', total);
    wanted.probe_name := probe_name;
    wanted.metric_name := metric_name;
    wanted.threshold := threshold;
    wanted.comparison := comparison;
    wanted.matching := coalesce(matching, '{}');
    wanted.over_last := over_last;
    wanted.burn_alerts := monitoring_internal.checked_burn_alerts(burn_alerts);
    wanted.starts_at := starts_at;
    wanted.description := coalesce(description, '');
    PERFORM monitoring_internal.refuse_odd_slo(wanted);

    INSERT INTO monitoring.slo_definitions AS d
        (slo_name, description, objective_percent, over_last, good, bad, total, probe_name, metric_name, comparison,
         threshold, matching, burn_alerts, starts_at)
    VALUES (wanted.slo_name, wanted.description, wanted.objective_percent, wanted.over_last, wanted.good, wanted.bad,
            wanted.total, wanted.probe_name, wanted.metric_name, wanted.comparison, wanted.threshold, wanted.matching,
            wanted.burn_alerts, wanted.starts_at)
    ON CONFLICT ON CONSTRAINT slo_definitions_slo_name_key DO UPDATE
    SET description = EXCLUDED.description, objective_percent = EXCLUDED.objective_percent,
        over_last = EXCLUDED.over_last, good = EXCLUDED.good, bad = EXCLUDED.bad, total = EXCLUDED.total,
        probe_name = EXCLUDED.probe_name, metric_name = EXCLUDED.metric_name, comparison = EXCLUDED.comparison,
        threshold = EXCLUDED.threshold, matching = EXCLUDED.matching, burn_alerts = EXCLUDED.burn_alerts,
        starts_at = EXCLUDED.starts_at
    WHERE (d.description, d.objective_percent, d.over_last, d.good, d.bad, d.total, d.probe_name, d.metric_name,
           d.comparison, d.threshold, d.matching, d.burn_alerts, d.starts_at)
        IS DISTINCT FROM (EXCLUDED.description, EXCLUDED.objective_percent, EXCLUDED.over_last, EXCLUDED.good,
           EXCLUDED.bad, EXCLUDED.total, EXCLUDED.probe_name, EXCLUDED.metric_name, EXCLUDED.comparison,
           EXCLUDED.threshold, EXCLUDED.matching, EXCLUDED.burn_alerts, EXCLUDED.starts_at);
    wanted := monitoring_internal.slo_named(slo_name);
    PERFORM monitoring_internal.settle_slo_rules(wanted, labels, annotations, enabled, owner);
    RETURN wanted.id;
END
$$;
COMMENT ON FUNCTION monitoring.create_slo(text, numeric, jsonb, jsonb, jsonb, text, text, float8, text, jsonb, interval,
    jsonb, timestamptz, text, jsonb, jsonb, boolean, name, boolean) IS
    'Makes a service level objective of so many percent, with an alert rule for each severity of burn_alerts, and '
    'returns its id. Events are what total counts, of which good or bad counts some; or the results of a probe; or '
    'the measurements of a metric, which are good up to a threshold. '
    'Errors: 22023 for arguments that do not go together, 23505 where the name is taken and replace is not true, '
    '42704 for a probe that is not there, and those of create_alert().';

CREATE FUNCTION monitoring.drop_slo(slo_name text, if_exists boolean DEFAULT false) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM monitoring.slo_definitions AS d WHERE d.slo_name = drop_slo.slo_name;
    IF NOT FOUND THEN
        IF if_exists IS NOT TRUE THEN
            PERFORM monitoring_internal.slo_named(slo_name);
        END IF;
        RETURN false;
    END IF;
    DELETE FROM monitoring.alert_rules AS r WHERE r.group_name = 'slo ' || drop_slo.slo_name;
    RETURN true;
END
$$;
COMMENT ON FUNCTION monitoring.drop_slo(text, boolean) IS
    'Removes an objective with its counts and its alert rules. '
    'Errors: 42704 for an objective that is not there (with if_exists: false), 42501 for rules of somebody else.';
