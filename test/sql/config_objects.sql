-- Objects of configuration by their names: made, replaced in place, dropped.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
\set VERBOSITY default
\set SHOW_CONTEXT never
BEGIN;
LOCK TABLE monitoring_internal.alert_progress IN EXCLUSIVE MODE;
CREATE ROLE regress_config_sre;
CREATE ROLE regress_config_other;
SELECT monitoring.grant_access(r, 'operator') FROM unnest('{regress_config_sre,regress_config_other}'::name[]) r;
SET LOCAL ROLE regress_config_sre;
CREATE FUNCTION pg_temp.answer(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
BEGIN
    EXECUTE 'SELECT monitoring.' || call;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''), nullif(hint, ''));
END $$;

-- Every kind has a function that makes one, with replace, and one that drops it, with if_exists.
SELECT c.proname AS creates, 'replace' = ANY (c.proargnames) AS can_replace,
       d.oid IS NOT NULL AS can_drop, 'if_exists' = ANY (d.proargnames) AS can_be_missing
FROM pg_proc c LEFT JOIN pg_proc d ON d.pronamespace = c.pronamespace
    AND d.proname = replace(c.proname, 'create_', 'drop_')
WHERE c.pronamespace = 'monitoring'::regnamespace AND c.proname LIKE 'create\_%'
ORDER BY c.proname COLLATE "C";

-- Each is made twice with replace; nothing is written the second time.
CREATE TEMP TABLE calls (place int, call text);
INSERT INTO calls VALUES
(1, $$create_receiver('a-log', 'log', replace => true)$$),
(2, $$create_time_interval('office', '[{"weekdays": ["monday:friday"]}]', replace => true)$$),
(3, $$create_route('a-log', parent => NULL, replace => true)$$),
(4, $$create_route('a-log', '{team=db}', route_name => 'db', mute_time_intervals => '{office}', replace => true)$$),
(5, $$create_alert('sql-rule', 'SELECT 1 AS value', replace => true)$$),
(6, $$create_threshold('load1', 4, 8, replace => true)$$),
(7, $$create_ladder('ladder', '[{"severity": "P0", "bound": 5}]', 'SELECT 1 AS value', replace => true)$$),
(8, $$create_inhibit_rule('{severity=critical}', '{severity=warning}', '{host}', 'by-host', replace => true)$$),
(9, $$create_escalation('all', '[{"after": "5 minutes", "receiver": "a-log"}]', replace => true)$$),
(10, $$create_watchdog('a-log', replace => true)$$),
(11, $$create_collector('one', 'SELECT 1 AS value', replace => true)$$),
(12, $$create_probe('home', 'https://example.com/', replace => true)$$),
(13, $$create_slo('fast', 99, metric_name => 'm', threshold => 1, replace => true)$$),
(14, $$create_maintenance('window', '{host=a}', '@daily', '1 hour', replace => true)$$);
CREATE FUNCTION pg_temp.rows() RETURNS TABLE (relation text, row_version text) LANGUAGE sql AS $$
    SELECT 'alert_rules', rule_name || ' ' || ctid FROM monitoring.alert_rules
    UNION ALL SELECT 'thresholds', rule_id || ' ' || ctid FROM monitoring.thresholds
    UNION ALL SELECT 'receivers', receiver_name || ' ' || ctid FROM monitoring.receivers
    UNION ALL SELECT 'routes', route_name || ' ' || ctid FROM monitoring.routes
    UNION ALL SELECT 'inhibit_rules', rule_name || ' ' || ctid FROM monitoring.inhibit_rules
    UNION ALL SELECT 'time_intervals', interval_name || ' ' || ctid FROM monitoring.time_intervals
    UNION ALL SELECT 'escalations', policy_name || ' ' || ctid FROM monitoring.escalations
    UNION ALL SELECT 'watchdogs', receiver || ' ' || ctid FROM monitoring.watchdogs
    UNION ALL SELECT 'collectors', collector_name || ' ' || ctid FROM monitoring.collectors WHERE pack_name IS NULL
    UNION ALL SELECT 'probes', probe_name || ' ' || ctid FROM monitoring.probes
    UNION ALL SELECT 'slo_definitions', slo_name || ' ' || ctid FROM monitoring.slo_definitions
    UNION ALL SELECT 'maintenances', maintenance_name || ' ' || ctid FROM monitoring.maintenances $$;
CREATE PROCEDURE pg_temp.call_all() LANGUAGE plpgsql AS $$
DECLARE c text;
BEGIN
    FOR c IN SELECT call FROM calls ORDER BY place LOOP
        EXECUTE 'SELECT monitoring.' || c;
    END LOOP;
END $$;
CALL pg_temp.call_all();
CREATE TEMP TABLE first_time AS SELECT * FROM pg_temp.rows();
SELECT count(*) FROM first_time;
CALL pg_temp.call_all();
SELECT * FROM pg_temp.rows() EXCEPT SELECT * FROM first_time;

-- Without replace a name that is taken is told as such.
SELECT pg_temp.answer(replace(call, 'replace => true', 'replace => false')) FROM calls ORDER BY place;

-- What is changed keeps its id; a rule may become one of another kind; what is not given is not kept.
SELECT id AS rule_id FROM monitoring.alert_rules WHERE rule_name = 'load1' \gset
SELECT monitoring.create_alert('load1', 'SELECT 2 AS value', for_duration => '1 minute', replace => true) = :rule_id AS same;
SELECT language, expr, for_duration, (SELECT count(*) FROM monitoring.thresholds t WHERE t.rule_id = r.id) AS levels
FROM monitoring.alert_rules r WHERE id = :rule_id;
SELECT monitoring.create_threshold('load1', 3, NULL, replace => true) = :rule_id AS same;
SELECT language, expr, for_duration, no_data, (SELECT warning FROM monitoring.thresholds t WHERE t.rule_id = r.id)
FROM monitoring.alert_rules r WHERE id = :rule_id;
SELECT id AS route_id FROM monitoring.routes WHERE route_name = 'db' \gset
SELECT monitoring.create_route('a-log', '{team=dba}', route_name => 'db', replace => true) = :route_id AS same;
SELECT matchers, mute_time_intervals FROM monitoring.routes WHERE id = :route_id;
SELECT monitoring.create_route(NULL, parent => NULL, group_by => '{a}', replace => true) AS root;
SELECT route_name, receiver, group_by FROM monitoring.routes ORDER BY id;

-- The state of alerts that stay the same is kept: it fires on, since when it has; the other resolves.
SELECT monitoring.create_alert('kept', $$SELECT 1 AS value, h AS host FROM unnest('{a,b}'::text[]) h$$,
                               for_duration => '5 minutes') AS kept_id \gset
\o /dev/null
SELECT monitoring.evaluate_alerts('2100-01-01 00:00Z'), monitoring.evaluate_alerts('2100-01-01 00:05Z');
SELECT monitoring.create_alert('kept', $$SELECT 2 AS value, h AS host FROM unnest('{b,c}'::text[]) h$$,
                               for_duration => '5 minutes', replace => true);
SELECT monitoring.evaluate_alerts('2100-01-01 00:06Z');
\o
SELECT labels ->> 'host' AS host, state, value, active_at AT TIME ZONE 'UTC' AS active_at
FROM monitoring.alerts WHERE rule_id = :kept_id ORDER BY 1;
SELECT monitoring.drop_alert('kept');

-- Nameless ones cannot be replaced, and get names that are free.
SELECT pg_temp.answer($$create_route('a-log', '{a=b}', replace => true)$$);
SELECT pg_temp.answer($$create_inhibit_rule('{a=b}', '{c=d}', replace => true)$$);
SELECT monitoring.create_route('a-log', '{a=b}') AS unnamed \gset
SELECT route_name = 'route-' || :unnamed AS named FROM monitoring.routes WHERE id = :unnamed;
SELECT FROM monitoring.create_route('a-log', '{a=b}', route_name => format('route-%s', :unnamed + 2));
SELECT monitoring.create_route('a-log', '{a=b}') AS unnamed \gset
SELECT route_name = format('route-%s-2', :unnamed) AS named FROM monitoring.routes WHERE id = :unnamed;
SELECT monitoring.create_inhibit_rule('{a=b}', '{c=d}') AS unnamed \gset
SELECT rule_name = 'inhibit-' || :unnamed AS named FROM monitoring.inhibit_rules WHERE id = :unnamed;
DELETE FROM monitoring.routes WHERE route_name LIKE 'route-%';
DELETE FROM monitoring.inhibit_rules WHERE rule_name LIKE 'inhibit-%';
SELECT split_part(pg_temp.answer(format('create_route(%L, route_name => %L)', 'a-log', repeat('x', 201))), '|', 1);

-- Dropped: with a hint for a name that is not there, without an error if that is asked for.
SELECT pg_temp.answer(format('%s(%L)', d, n)) FROM (VALUES
    ('drop_alert', 'sql_rule'), ('drop_threshold', 'laod1'), ('drop_ladder', 'adder'), ('drop_receiver', 'a_log'),
    ('drop_route', 'bd'), ('drop_inhibit_rule', 'by-hosts'), ('drop_time_interval', 'Office'),
    ('drop_escalation', 'al'), ('drop_watchdog', 'a.log'), ('drop_collector', 'won'), ('drop_probe', 'hom'),
    ('drop_probe', ''), ('drop_probe', NULL), ('drop_probe', 'nothing like it'), ('drop_slo', 'fats')) AS v(d, n);
SELECT length(pg_temp.answer(format('drop_probe(%L)', repeat('x', 100000)))) > 100000 AS refused;
SELECT pg_temp.answer($$drop_receiver('a-log')$$);
SELECT FROM monitoring.create_route('a-log', '{team=db}', route_name => 'db', mute_time_intervals => '{office}', replace => true);
SELECT pg_temp.answer($$drop_time_interval('office')$$);
SELECT pg_temp.answer($$drop_receiver('a-log', if_exists => NULL)$$);
SELECT monitoring.drop_alert('sql_rule', if_exists => true), monitoring.drop_route('bd', true),
       monitoring.drop_receiver('a_log', true), monitoring.drop_time_interval('Office', true);
SELECT monitoring.drop_alert('sql-rule'), monitoring.drop_threshold('load1'), monitoring.drop_ladder('ladder'),
       monitoring.drop_route('db'), monitoring.drop_route('root'), monitoring.drop_inhibit_rule('by-host'),
       monitoring.drop_time_interval('office');
SELECT monitoring.drop_escalation('all'), monitoring.drop_watchdog('a-log'),
       monitoring.drop_collector('one'), monitoring.drop_probe('home'), monitoring.drop_slo('fast'), monitoring.drop_receiver('a-log'), monitoring.drop_maintenance('window');
SELECT * FROM pg_temp.rows();

-- Another's rule is neither replaced nor dropped.
SELECT FROM monitoring.create_alert('mine', 'SELECT 1 AS value');
RESET ROLE;
SET LOCAL ROLE regress_config_other;
CREATE FUNCTION pg_temp.other_answer(call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'SELECT monitoring.' || call;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM);
END $$;
SELECT pg_temp.other_answer($$create_alert('mine', 'SELECT 7 AS value', replace => true)$$);
SELECT pg_temp.other_answer($$create_threshold('x', 1, 2, rule_name => 'mine', replace => true)$$);
SELECT pg_temp.other_answer($$drop_alert('mine')$$);
RESET ROLE;
ROLLBACK;
