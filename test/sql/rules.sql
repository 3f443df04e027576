-- Alert rules on virtual time: what fires when, what is recorded, what is refused, and attacks.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
-- Rules are made before whom they lead to, which is said each time.

-- All of it in one transaction, so that the worker of this database has no rule to evaluate.
BEGIN;
LOCK TABLE monitoring_internal.alert_progress, monitoring.worker_issues IN EXCLUSIVE MODE;
CREATE ROLE regress_monitoring_app;
CREATE ROLE regress_monitoring_other;
SELECT monitoring.grant_access('regress_monitoring_app', 'operator');
CREATE SCHEMA app AUTHORIZATION regress_monitoring_app;
SET LOCAL ROLE regress_monitoring_app;
SET LOCAL search_path = app;
CREATE TABLE servers (host text, load numeric);

-- A rule runs as its owner, and finds what its author meant wherever it is evaluated.
SELECT monitoring.create_alert('HighLoad', 'SELECT host, load AS value FROM servers WHERE load > 5',
    for_duration => '2 minutes', keep_firing_for => '1 minute', labels => '{"team": "ops"}',
    annotations => '{"summary": "{{ $labels.host }} at {{ $value | printf \"%.1f\" }}"}') AS high
\gset
SELECT rule_name, group_name, language, severity, for_duration, no_data, on_error, enabled, owner,
       search_path
FROM monitoring.alert_rules WHERE id = :high;
SET LOCAL search_path = pg_catalog;

CREATE VIEW pg_temp.now_alerts AS
SELECT labels ->> 'host' AS host, severity, state, value, annotations ->> 'summary' AS summary,
       to_char(active_at, 'MI:SS') AS active, to_char(fired_at, 'MI:SS') AS fired,
       to_char(resolved_at, 'MI:SS') AS resolved, generation
FROM monitoring.alerts ORDER BY labels;
INSERT INTO app.servers VALUES ('a', 7), ('b', 3);
SELECT monitoring.evaluate_alerts('2100-01-01 00:00');
SELECT * FROM pg_temp.now_alerts;
SELECT monitoring.evaluate_alerts('2100-01-01 00:01:59');
SELECT monitoring.evaluate_alerts('2100-01-01 00:02');
SELECT * FROM pg_temp.now_alerts;
SELECT fingerprint, labels FROM monitoring.alerts;

-- A value alone is written once a minute.
UPDATE app.servers SET load = load + 1;
SELECT monitoring.evaluate_alerts('2100-01-01 00:02:59');
SELECT host, value, summary FROM pg_temp.now_alerts;
SELECT monitoring.evaluate_alerts('2100-01-01 00:03');
SELECT host, value, summary FROM pg_temp.now_alerts;

-- Acknowledged, noted; gone for less than keep_firing_for; gone.
SELECT fingerprint AS a FROM monitoring.alerts WHERE labels ->> 'host' = 'a' \gset
SELECT monitoring.acknowledge(:'a', 'looking'), monitoring.add_incident_note(:'a', 'a cron job');
SELECT acknowledged_by, acknowledged_at IS NOT NULL AS acknowledged FROM monitoring.alerts;
UPDATE app.servers SET load = 0;
SELECT monitoring.evaluate_alerts('2100-01-01 00:04');
SELECT host, state FROM pg_temp.now_alerts;
SELECT monitoring.evaluate_alerts('2100-01-01 00:05');
SELECT host, state, fired, resolved FROM pg_temp.now_alerts;
SELECT monitoring.mark_false_positive(:'a', 'expected every night');
SELECT kind, note, author FROM monitoring.alert_notes WHERE fingerprint = :'a' ORDER BY id;

-- Fires anew: the acknowledgement was for the last time.
UPDATE app.servers SET load = 9 WHERE host = 'a';
SELECT monitoring.evaluate_alerts('2100-01-01 00:06');
SELECT monitoring.evaluate_alerts('2100-01-01 00:08');
SELECT host, state, generation, acknowledged_by, false_positive
FROM pg_temp.now_alerts JOIN monitoring.alerts USING (state, generation);
-- A longer `for` demotes it.
UPDATE monitoring.alert_rules SET for_duration = '1 hour';
SELECT monitoring.evaluate_alerts('2100-01-01 00:09');
SELECT host, state, active, fired FROM pg_temp.now_alerts;
-- A disabled rule's alerts go.
UPDATE monitoring.alert_rules SET for_duration = '0';
SELECT monitoring.evaluate_alerts('2100-01-01 00:10');
UPDATE monitoring.alert_rules SET enabled = false;
SELECT monitoring.evaluate_alerts('2100-01-01 00:11');
SELECT host, state FROM pg_temp.now_alerts;
SELECT monitoring.evaluate_alerts('2100-01-01 00:26');
SELECT monitoring.evaluate_alerts('2100-01-01 00:26:01');
SELECT * FROM pg_temp.now_alerts;
SELECT to_char(at, 'MI:SS') AS at, from_state, to_state, value, cause, generation
FROM monitoring.alert_history ORDER BY id;
SELECT to_char(fired_at, 'MI:SS') AS fired, to_char(ended_at, 'MI:SS') AS ended, acknowledged_by,
       acknowledge_within, in_time
FROM monitoring.alert_acknowledgements ORDER BY fired_at;
INSERT INTO monitoring.response_limits VALUES ('warning', '50 seconds'), ('page', '1 minute');
SELECT severity, acknowledge_within, is_default FROM monitoring.effective_response_limits
ORDER BY severity COLLATE "C";
SELECT to_char(fired_at, 'MI:SS') AS fired, ended_at - fired_at AS lasted, in_time
FROM monitoring.alert_acknowledgements WHERE acknowledged_at IS NULL ORDER BY fired_at;
SELECT DISTINCT count(DISTINCT alert_id), fingerprint = :'a' AS same FROM monitoring.alert_history
GROUP BY fingerprint;
SAVEPOINT s;
SELECT monitoring.evaluate_alerts('2100-01-01 00:26');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
SELECT monitoring.evaluate_alerts('infinity');
ROLLBACK TO s;
SELECT monitoring.acknowledge('ffffffffffffffff', 'nobody');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;

-- NULL is no data; an error holds what is, and is one issue and one alert of its own.
RESET ROLE;
DELETE FROM monitoring.alert_rules;
TRUNCATE monitoring.alert_history, monitoring.alerts;
SET LOCAL ROLE regress_monitoring_app;
TRUNCATE app.servers;
INSERT INTO app.servers VALUES ('a', NULL), ('c', 4);
SELECT count(monitoring.create_alert('no_data ' || n, 'SELECT host, 12 / load AS value FROM app.servers',
    no_data => n, on_error => e)) FROM (VALUES ('ok', 'keep'), ('alert', 'alert'), ('keep', 'resolve'))
    AS v(n, e);
SELECT monitoring.evaluate_alerts('2100-01-01 01:00');
SELECT labels ->> 'alertname' AS alertname, labels ->> 'host' AS host, value, state
FROM monitoring.alerts ORDER BY labels;
UPDATE app.servers SET load = 0 WHERE host = 'c';
SELECT monitoring.evaluate_alerts('2100-01-01 01:01');
SELECT labels - 'severity' AS labels, annotations, value, state, origin
FROM monitoring.alerts ORDER BY labels;
SELECT monitoring.evaluate_alerts('2100-01-01 01:02');
SELECT rule_name, message, to_char(since, 'MI:SS') AS since FROM monitoring.alert_rule_errors
ORDER BY 1;
SELECT worker_name, issue_type, message, resolved FROM monitoring.worker_issues
WHERE worker_name LIKE 'alert rule/%' ORDER BY 1;
UPDATE app.servers SET load = 6 WHERE host = 'c';
SELECT monitoring.evaluate_alerts('2100-01-01 01:03');
SELECT labels ->> 'alertname' AS alertname, labels ->> 'host' AS host,
       labels ->> 'rule_name' AS rule_name, value, state
FROM monitoring.alerts ORDER BY labels;
SELECT count(*) FROM monitoring.alert_rule_errors;
SELECT resolved, count(*) FROM monitoring.worker_issues WHERE worker_name LIKE 'alert rule/%'
GROUP BY 1;

-- Storms are bounded, equal label sets refused, and nothing is written where nothing changes.
DELETE FROM monitoring.alert_rules;
SELECT count(monitoring.create_alert(v.name, v.expr)) FROM (VALUES
    ('storm', 'SELECT i, 1 AS value FROM generate_series(1, 1001) AS i WHERE $1 > ''2100-01-01'''),
    ('twins', 'SELECT host, 1 AS value FROM app.servers, (VALUES (1), (2)) AS v WHERE $1 > ''2100-01-01''')) AS v(name, expr);
SELECT monitoring.evaluate_alerts('2100-01-01 02:00');
SELECT message FROM monitoring.alert_rule_errors ORDER BY 1;
SELECT count(*) FROM monitoring.alerts WHERE rule_name IN ('storm', 'twins');
SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) AS written FROM pg_stat_xact_all_tables
WHERE schemaname = 'monitoring' AND relname LIKE 'alert%' AND relname <> 'alert_progress' \gset
SELECT monitoring.evaluate_alerts('2100-01-01 02:10');
SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) - :written AS written FROM pg_stat_xact_all_tables
WHERE schemaname = 'monitoring' AND relname LIKE 'alert%' AND relname <> 'alert_progress';

-- What is refused at once.
\set VERBOSITY terse
DELETE FROM monitoring.alert_rules;
SAVEPOINT s;
SELECT monitoring.create_alert('bad', 'SELECT 1');
ROLLBACK TO s;
SELECT monitoring.create_alert('bad', 'SELECT ''1'' AS value');
ROLLBACK TO s;
SELECT monitoring.create_alert('bad', 'SELECT 1 AS value, 2 AS value');
ROLLBACK TO s;
SELECT monitoring.create_alert('bad', 'SELECT 1 AS value, 2 AS a, 3 AS a');
ROLLBACK TO s;
SELECT monitoring.create_alert('bad', 'SELECT 1 AS value, 2 AS "a b"');
ROLLBACK TO s;
SELECT monitoring.create_alert('bad', 'SELECT 1 AS value, 2 AS severity WHERE false');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
SELECT monitoring.create_alert('bad', 'SELECT 1 AS value', labels => '{"alertname": "x"}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
SELECT monitoring.create_alert('bad', 'SELECT 1 AS value', labels => '{"a b": "x"}');
ROLLBACK TO s;
SELECT monitoring.create_alert('bad', 'SELECT 1 AS value', labels => '["x"]');
ROLLBACK TO s;
SELECT monitoring.create_alert('bad', 'SELECT 1 AS value', annotations => '{"a": "{{ if }}"}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
SELECT monitoring.create_alert('bad', 'SELECT 1 AS value', language => 'promql');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
SELECT monitoring.create_alert('bad', 'SELEC 1');
ROLLBACK TO s;
SELECT monitoring.create_alert('RuleEvaluationFailed', 'SELECT 1 AS value');
ROLLBACK TO s;
SELECT monitoring.create_alert('bad', 'SELECT 1 AS value', no_data => 'maybe');
ROLLBACK TO s;
SELECT monitoring.create_alert('bad', 'SELECT 1 AS value', for_duration => '-1 s');
ROLLBACK TO s;
SELECT monitoring.create_alert('bad', 'SELECT i AS value FROM generate_series(1, 3) AS i',
    row_limit => 2);
ROLLBACK TO s;
SELECT monitoring.create_alert('bad', 'SELECT 1 AS value FROM pg_sleep(60)', timeout => '50 ms');
ROLLBACK TO s;
SELECT monitoring.create_alert('good', 'SELECT 1 AS value'),
       monitoring.create_alert('good', 'SELECT 1 AS value');
ROLLBACK TO s;

-- Attacks. More than a query, a write, a session that looks different afterwards.
SELECT monitoring.create_alert('bad', 'SELECT 1 AS value; SELECT 2 AS value');
ROLLBACK TO s;
SELECT monitoring.create_alert('bad', 'COMMIT');
ROLLBACK TO s;
SELECT monitoring.create_alert('bad', 'SET transaction_read_only = off');
ROLLBACK TO s;
SELECT monitoring.create_alert('bad', 'DELETE FROM app.servers RETURNING 1 AS value');
ROLLBACK TO s;
SELECT monitoring.create_alert('bad',
    'SELECT 1 AS value, set_config(''transaction_read_only'', ''off'', true) AS a');
ROLLBACK TO s;
CREATE FUNCTION app.write() RETURNS int LANGUAGE plpgsql
AS $$ BEGIN INSERT INTO app.servers VALUES ('x', 1); RETURN 1; END $$;
SELECT monitoring.create_alert('bad', 'SELECT app.write() AS value');
ROLLBACK TO s;
-- Version 16 found other words for this refusal.
\set VERBOSITY sqlstate
SELECT monitoring.create_alert('bad', 'SELECT 1 AS value FROM pg_terminate_backend(pg_backend_pid())')
    IS NULL AS terminated;
\set VERBOSITY terse
ROLLBACK TO s;
SELECT monitoring.create_alert('state', 'SELECT 1 AS value,'
    ' set_config(''work_mem'', ''77MB'', false) AS a, set_config(''role'', ''none'', true) AS b');
ROLLBACK TO s;
SELECT monitoring.create_alert('state', 'SELECT 1 AS value, set_config(''work_mem'', ''77MB'', false)'
    ' AS a, current_user AS b') IS NOT NULL AS made;
SELECT monitoring.evaluate_alerts('2100-01-01 03:00');
SELECT labels FROM monitoring.alerts WHERE rule_name = 'state';
SELECT current_setting('work_mem') = '77MB' AS changed, current_setting('transaction_read_only') AS ro,
       current_user, current_setting('search_path') AS search_path;
ROLLBACK TO s;

-- Another role's name, in a new row and in an old one; and a role that became a superuser.
SELECT monitoring.create_alert('bad', 'SELECT 1 AS value', owner => 'regress_monitoring_other');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
SELECT monitoring.create_alert('mine', 'SELECT 1 AS value, current_user AS who') IS NOT NULL AS made;
SAVEPOINT s;
UPDATE monitoring.alert_rules SET owner = 'regress_monitoring_other';
ROLLBACK TO s;
RESET ROLE;
UPDATE monitoring.alert_rules SET owner = 'regress_monitoring_other';
SAVEPOINT s;
SET LOCAL ROLE regress_monitoring_app;
UPDATE monitoring.alert_rules SET expr = 'SELECT 2 AS value';
ROLLBACK TO s;
SELECT monitoring.evaluate_alerts('2100-01-01 04:00');
SELECT labels ->> 'who' AS who FROM monitoring.alerts WHERE rule_name = 'mine' AND state = 'firing';
ALTER ROLE regress_monitoring_other SUPERUSER;
SELECT monitoring.evaluate_alerts('2100-01-01 04:01');
SELECT message FROM monitoring.alert_rule_errors;
SET LOCAL monitoring.allow_superuser_rules = on;
SELECT monitoring.evaluate_alerts('2100-01-01 04:02');
SELECT message FROM monitoring.alert_rule_errors;
SELECT monitoring.create_alert('ours', 'SELECT 1 AS value') IS NOT NULL AS made;
SET LOCAL monitoring.allow_superuser_rules = off;
SELECT monitoring.create_alert('ours too', 'SELECT 1 AS value');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;

-- A temporary object of whoever evaluates does not stand in for the owner's.
SET LOCAL ROLE regress_monitoring_app;
SET LOCAL search_path = app;
SELECT monitoring.create_alert('path', 'SELECT count(*) AS value, lower(''A'') AS a FROM servers')
    IS NOT NULL AS made;
RESET ROLE;
CREATE TEMP TABLE servers ();
CREATE FUNCTION pg_temp.lower(text) RETURNS text LANGUAGE sql AS 'SELECT ''hijacked''';
CREATE FUNCTION app.lower(text) RETURNS text LANGUAGE sql AS 'SELECT ''hijacked''';
SET LOCAL search_path = pg_temp, app, pg_catalog;
SELECT monitoring.evaluate_alerts('2100-01-01 05:00') > 0 AS evaluated;
SELECT value, labels OPERATOR(pg_catalog.->>) 'a' AS a FROM monitoring.alerts
WHERE rule_name OPERATOR(pg_catalog.=) 'path';
ROLLBACK;

SELECT monitoring_internal.check_alert_rule();
SELECT monitoring_internal.check_threshold();
