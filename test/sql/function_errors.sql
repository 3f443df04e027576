-- The SQLSTATEs that the comments of functions name are those that bad calls get.

SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS monitoring;
CREATE ROLE regress_errors_owner;
CREATE ROLE regress_errors_operator;
SELECT monitoring.grant_access('regress_errors_operator', 'operator');
GRANT regress_errors_owner TO regress_errors_operator;
SELECT monitoring.create_receiver('errors', 'log');

CREATE FUNCTION pg_temp.answer(call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE call;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END
$$;

CREATE TEMPORARY TABLE bad_call (function_name text, call text);
INSERT INTO bad_call SELECT substring(call FROM '(\w+)\('), call FROM unnest(ARRAY[
    $c$SELECT monitoring.record_metric('', 1)$c$,
    $c$SELECT monitoring.record_metric('x', 1, '[]')$c$,
    $c$SELECT monitoring.log_worker_issue('a', 'b', 'c', 'bad')$c$,
    $c$SELECT monitoring.resolve_worker_issue(NULL, 'x')$c$,
    $c$SELECT monitoring.heartbeat('a', '-1 s')$c$,
    $c$SELECT monitoring.log_event(NULL)$c$,
    $c$SELECT public.purge_old_monitoring_events(-1)$c$,
    $c$SELECT monitoring.requeue_dead_letters('nope')$c$,
    $c$SELECT monitoring.define_metric('1x', 'counter', 'h')$c$,
    $c$SELECT monitoring.define_metric('x', 'countr', 'h')$c$,
    $c$SELECT monitoring.linear_buckets(1, 0, 3)$c$,
    $c$SELECT monitoring.exponential_buckets(1, 1, 3)$c$,
    $c$SELECT monitoring.counter_inc('regress_errors_total', -1)$c$,
    $c$SELECT monitoring.gauge_set('1x', 1)$c$,
    $c$SELECT monitoring.gauge_add('1x', 1)$c$,
    $c$SELECT monitoring.histogram_observe('1x', 1)$c$,
    $c$SELECT monitoring.counter_inc('regress_errors'), monitoring.gauge_set('regress_errors', 1)$c$,
    $c$SELECT monitoring.create_receiver('a', 'nope')$c$,
    $c$SELECT monitoring.create_receiver('errors', 'log')$c$,
    $c$SELECT monitoring.send_test_alert('nope')$c$,
    $c$SELECT monitoring.retry_notification(-1)$c$,
    $c$SELECT monitoring.set_secret('', 'x')$c$,
    $c$SELECT monitoring.set_secret('x', 'x', '{nope}')$c$,
    $c$SELECT monitoring.set_secret_from_file('x', '/nope')$c$,
    $c$SELECT monitoring.set_secret_from_file('x', '/dev/zero')$c$,
    $c$SELECT monitoring.release_vault_secret('x')$c$,
    $c$SELECT monitoring.create_alert('x', 'SELECT 1 AS value')$c$,
    $c$SELECT monitoring.create_alert('x', 'SELECT 1 AS value', owner => 'nobody_here')$c$,
    $c$SELECT monitoring.create_alert('x', 'SELECT 1 AS value, 1 AS severity', owner => 'regress_errors_owner')$c$,
    $c$SELECT monitoring.create_alert('x', 'SELECT 1 AS value FROM generate_series(1, 2)', owner => 'regress_errors_owner')$c$,
    $c$SELECT monitoring.create_alert('x', 'SELECT n AS value, n AS n FROM generate_series(1, 1001) AS n', owner => 'regress_errors_owner')$c$,
    $c$SELECT monitoring.create_alert('x', 'SELECT 1 AS value', annotations => '{"summary": "{{ query \"up\" | first | value }}"}', owner => 'regress_errors_owner')$c$,
    $c$SELECT monitoring.create_threshold('m', NULL, NULL)$c$,
    $c$SELECT monitoring.create_ladder('m', '[]', metric_name => 'm')$c$,
    $c$SELECT monitoring.evaluate_alerts('infinity')$c$,
    $c$SELECT monitoring.acknowledge('nope')$c$,
    $c$SELECT monitoring.mark_false_positive('nope', 'x')$c$,
    $c$SELECT monitoring.add_incident_note('nope', 'x')$c$,
    $c$SELECT monitoring.metric_baseline('m', days => 0)$c$,
    $c$SELECT monitoring.metric_baseline('m', at_least => 0)$c$,
    $c$SELECT * FROM monitoring.metric_values('m', 'nope')$c$,
    $c$SELECT monitoring.create_route('nope')$c$,
    $c$SELECT monitoring.create_route('errors', '{bad}')$c$,
    $c$SELECT monitoring.create_route('errors', parent => 77)$c$,
    $c$SELECT monitoring.create_route('errors', group_wait => '-1 s')$c$,
    $c$SELECT monitoring.create_inhibit_rule('{bad}', '{}')$c$,
    $c$SELECT monitoring.create_time_interval('x', '[{"weekdays": ["mon"]}]')$c$,
    $c$SELECT monitoring.create_escalation('p', '[]')$c$,
    $c$SELECT monitoring.create_watchdog('nope')$c$,
    $c$SELECT monitoring.silence('{}', '1 hour', 'x')$c$,
    $c$SELECT monitoring.expire_silence(gen_random_uuid())$c$,
    $c$SELECT * FROM monitoring.explain_route('[]')$c$,
    $c$SELECT monitoring.create_collector('', 'SELECT 1 AS value')$c$,
    $c$SELECT monitoring.create_collector('c', 'SELECT 1 AS value', every => '-1 s')$c$,
    $c$SELECT monitoring.run_collector('nope')$c$,
    $c$SELECT * FROM monitoring.preview_collector('nope')$c$,
    $c$SELECT * FROM monitoring.import_collectors('{')$c$,
    $c$SELECT monitoring.enable_pack('nope')$c$,
    $c$SELECT monitoring.enable_pack('application', mapping => '[]')$c$,
    $c$SELECT monitoring.disable_pack('nope')$c$,
    $c$SELECT * FROM monitoring.adopt('nope')$c$,
    $c$SELECT monitoring.grant_access('nope', 'reader')$c$,
    $c$SELECT monitoring.grant_access('regress_errors_owner', 'nope')$c$,
    $c$SELECT monitoring.grant_access('public', 'reader')$c$,
    $c$SELECT monitoring.create_slo('s', 0.999, metric_name => 'm', threshold => 1)$c$,
    $c$SELECT monitoring.create_slo('s', 99, probe_name => 'nope')$c$,
    $c$SELECT monitoring.drop_slo('nope')$c$,
    $c$SELECT monitoring.slo_status('nope')$c$,
    $c$SELECT * FROM monitoring.slo_burn('nope', 'critical', now())$c$,
    $c$SELECT monitoring.refresh_slos('infinity')$c$,
    $c$SELECT monitoring.refresh_rollups('2020-01-02', '2020-01-01')$c$]) AS call;

-- No row: every call fails, with a SQLSTATE that its function's comment names.
WITH answered AS MATERIALIZED (SELECT function_name, call, pg_temp.answer(call) AS sqlstate FROM bad_call)
SELECT a.call, a.sqlstate FROM answered AS a
WHERE NOT EXISTS (
    SELECT FROM pg_proc AS p
    WHERE p.proname = a.function_name AND p.pronamespace IN ('monitoring'::regnamespace, 'public'::regnamespace)
      AND substring(obj_description(p.oid, 'pg_proc') FROM 'Errors: .*') LIKE '%' || a.sqlstate || '%');

-- The functions that take an argument and name no error.
SELECT p.oid::regprocedure AS without_errors
FROM pg_depend AS d JOIN pg_proc AS p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'monitoring'
WHERE d.deptype = 'e' AND p.pronamespace <> 'monitoring_internal'::regnamespace AND p.pronargs > 0
  AND obj_description(p.oid, 'pg_proc') NOT LIKE '%Errors: %'
ORDER BY p.oid::regprocedure::text COLLATE "C";

-- What a rule is refused for is said so that it can be mended.
\set VERBOSITY terse
SELECT monitoring.create_alert('x', 'SELECT 1 AS value FROM generate_series(1, 2)', owner => 'regress_errors_owner');
SELECT monitoring.create_alert('x', 'SELECT n AS value, n AS n FROM generate_series(1, 1001) AS n',
    owner => 'regress_errors_owner');
SELECT monitoring.create_alert('x', 'SELECT 1 AS value WHERE false',
    annotations => '{"summary": "{{ query \"up\" | first | value }}"}', owner => 'regress_errors_owner');

DELETE FROM monitoring.receivers WHERE receiver_name = 'errors';
DROP OWNED BY regress_errors_operator;
DROP ROLE regress_errors_operator, regress_errors_owner;
