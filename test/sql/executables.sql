-- Everything of the extension that somebody could run, who may, and why. A new function, operator,
-- type or access method has to be listed here, with the levels that have a use for it.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS monitoring CASCADE;
CREATE EXTENSION monitoring;
RESET client_min_messages;
SET search_path = pg_catalog;
BEGIN;
CREATE ROLE regress_nobody;
CREATE ROLE regress_reader;
CREATE ROLE regress_writer;
CREATE ROLE regress_operator;
DO $$
BEGIN
    PERFORM monitoring.grant_access('regress_reader', 'reader');
    PERFORM monitoring.grant_access('regress_writer', 'writer');
    PERFORM monitoring.grant_access('regress_operator', 'operator');
END
$$;

CREATE TEMP TABLE allowed (who text, names text, why text);
INSERT INTO allowed VALUES
('owner', 'advise announce bind_owner check_alert_rule check_health_threshold check_owner check_probe check_receiver check_routing '
    'check_secret check_threshold check_values enable_pack_of_rows follow_receiver forget_overruns '
    'forget_slo_counts '
    'insert_system_metric keep_used_receiver name_unnamed '
    'delete_levels note_correction record_config_change retry_mended',
    'trigger function: fires without a right of the user, and is for the extension''s tables only'),
('owner', 'changes_handler', 'handler of the access method'),
('owner', 'sketch_add sketch_add_piece sketch_add_sketch sketch_combine sketch_deserialize '
    'sketch_quantile_of sketch_serialize m2_accumulate m2_final',
    'part of an aggregate, which runs it with the rights of its owner'),
('owner', 'sketch_agg sketch_quantile', 'for looking into roll-ups by hand'),
('owner', 'check_health compact_samples maintain_partitions report_invariants rollup_advance snapshot_metric '
    'snapshot_metrics',
    'duty of the worker'),
('owner', 'index_partition own_partition', 'of the duty that makes partitions'),
('owner', 'protect_members protect_relation restoring', 'of the install script'),
('owner', 'queue_notification', 'of the health duty; it writes to any receiver'),
('owner', 'may_reach_somebody', 'of the trigger advise()'),
('reader operator', 'config_body config_defaults config_objects workbook_burn_alerts', 'called by dump_config(), as its caller'),
('operator', 'apply_config_on_path config_cast_problem config_changes config_depth config_difference '
    'config_known config_normal config_problems config_problems_of config_put config_raise '
    'config_remove nearest_name', 'of apply_config(), as its caller'),
('owner', 'write_config_history', 'of the trigger record_config_change(), as the owner of the history'),
('operator', 'compose_notification preview_rule', 'of preview_alert() and preview_notification(), as their caller'),
('operator', 'say_obstacles', 'of send_test_alert()'),
('owner', 'burn_rate count_slo_hours count_slo_minutes next_step recount_late_hours refresh_slo slo_events '
    'slo_measurements slo_side slo_windows', 'of functions of objectives, which run as their owner'),
('operator', 'checked_burn_alerts checked_slo_side refuse_odd_slo settle_slo_rules slo_named',
    'of create_slo() and drop_slo()'),
('owner', 'route_alerts', 'for tests of routing without an evaluation'),
('owner', 'adopt apply_retention grant_access release_vault_secret set_secret_from_file setup_supabase',
    'reaches outside of the extension, drops partitions or gives rights'),
('reader operator', 'batched_samples counted_metrics host_metrics is_active new_measurements '
    'measure_tag next_run pending_periods pg_cron_jobs record_status sketch_quantile_agg '
    'statements sum whole '
    'table_collectors worker_status', 'called by a view, as its reader'),
('reader operator', 'integer_tag', 'called by health_check(), as its caller'),
('reader operator', 'filled', 'called by table_collectors(), as its caller'),
('reader operator', 'bucket_quantile', 'called by metric_values(), as its caller'),
('operator', 'try_alert_rule', 'of create_alert(), create_threshold(), create_ladder()'),
('operator', 'try_collector import_collectors_on_path', 'of create_collector(), import_collectors()'),
('operator', 'check_matchers', 'of acknowledge_matching()'),
('reader operator', 'alerts_of_decision matches', 'called by a view, as its reader'),
('operator', 'note_on_alert', 'of acknowledge(), mark_false_positive(), add_incident_note()'),
('operator', 'rollup_rebaseline wake_worker', 'of activate()'),
('operator', 'dimensions_hash m2 m2_merge measures_add measures_sum sketch_merge '
    'sketch_merge_agg sum_add summary', 'of roll-ups that an operator runs'),
('operator', 'install_pack_rules refuse_odd_mapping refuse_unknown_pack settle_pack settle_packs '
    'settle_statements', 'of enable_pack() and disable_pack()'),
('operator', 'metrics_of_collector statement_metrics statement_sums',
    'of collectors that enable_pack() makes the caller''s'),
('reader operator', 'dump_config explain_route exponential_buckets get_system_health health_check '
    'linear_buckets liveness metric_baseline metric_values prometheus_metrics readiness samples slo_burn '
    'slo_status uptime',
    'shows something and changes nothing'),
('writer operator', 'counter_inc flush_records forget_worker gauge_add gauge_set heartbeat '
    'histogram_observe ingest ingest_samples log_event log_worker_issue record_metric resolve_worker_issue',
    'adds measurements, events, issues or heartbeats'),
('operator', 'apply_config create_alert create_collector create_escalation create_inhibit_rule create_ladder create_maintenance drop_maintenance '
    'create_probe create_receiver create_route create_slo create_threshold create_time_interval create_watchdog '
    'drop_alert drop_escalation drop_inhibit_rule drop_ladder drop_probe drop_receiver drop_route drop_slo '
    'drop_threshold drop_time_interval drop_watchdog define_metric disable_pack drop_collector enable_pack '
    'import_collectors remove_metric set_secret', 'changes the configuration'),
('operator', 'delete_series', 'deletes samples'),
('operator', 'acknowledge acknowledge_matching unacknowledge add_incident_note expire_silence mark_false_positive silence',
    'answers an alert'),
('operator', 'activate aggregate_daily_metrics aggregate_hourly_metrics aggregate_weekly_metrics '
    'check_queues evaluate_alerts pause_worker purge_old_monitoring_events refresh_rollups refresh_slos '
    'check_invariants resume_worker run_collector schedule_jobs unschedule_jobs',
    'runs a duty, or says who runs it'),
('operator', 'preview_alert preview_collector preview_notification requeue_dead_letters retry_notification send_test_alert',
    'tries something out, or again');

CREATE TEMP VIEW member AS
SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
WHERE d.refclassid = 'pg_extension'::regclass AND e.extname = 'monitoring' AND d.deptype = 'e';
CREATE TEMP VIEW listed AS
SELECT a.who, name, a.why FROM allowed a, unnest(string_to_array(a.names, ' ')) AS name;
CREATE TEMP VIEW executable AS
SELECT p.oid, p.proname::text AS name,
    CASE WHEN p.prokind = 'a' THEN 'aggregate' WHEN p.prorettype = 'trigger'::regtype THEN 'trigger'
         ELSE 'function' END AS kind,
    coalesce(nullif(concat_ws(' ',
        CASE WHEN has_function_privilege('regress_nobody', p.oid, 'EXECUTE') THEN 'everybody' END,
        CASE WHEN has_function_privilege('regress_reader', p.oid, 'EXECUTE') THEN 'reader' END,
        CASE WHEN has_function_privilege('regress_writer', p.oid, 'EXECUTE') THEN 'writer' END,
        CASE WHEN has_function_privilege('regress_operator', p.oid, 'EXECUTE') THEN 'operator' END),
        ''), 'owner') AS who
FROM member m JOIN pg_proc p ON p.oid = m.objid WHERE m.classid = 'pg_proc'::regclass;

-- The list.
SELECT x.kind, x.name, x.who, l.why FROM executable x LEFT JOIN listed l USING (name)
ORDER BY x.who COLLATE "C", l.why COLLATE "C", x.name COLLATE "C";

-- What is not in it, or in it with other rights, or no longer there; and what it says twice.
SELECT coalesce(x.name, l.name) AS name, x.who AS may_execute, l.who AS has_a_use
FROM executable x FULL JOIN listed l USING (name)
WHERE x.who IS DISTINCT FROM l.who ORDER BY coalesce(x.name, l.name);
SELECT name FROM executable GROUP BY name HAVING count(*) > 1;
SELECT name FROM listed GROUP BY name HAVING count(*) > 1;

-- Objects of other kinds. Operators there are none; types are those of rows; an access method and an
-- operator class have no privileges, so that whoever owns a table may make such an index on it.
SELECT m.classid::regclass AS catalog, pg_describe_object(m.classid, m.objid, 0) AS object
FROM member m LEFT JOIN pg_type t ON m.classid = 'pg_type'::regclass AND t.oid = m.objid
LEFT JOIN pg_type e ON e.oid = t.typelem
WHERE m.classid NOT IN ('pg_proc'::regclass, 'pg_class'::regclass)
    AND coalesce(t.typrelid, 0) = 0 AND coalesce(e.typrelid, 0) = 0
ORDER BY 1, (pg_describe_object(m.classid, m.objid, 0)) COLLATE "C";

-- What runs with the rights of the extension's owner: what a caller can choose, and why it does no
-- harm.
CREATE TEMP TABLE harmless (name text, choice text, why text);
INSERT INTO harmless VALUES
('get_system_health', 'nothing', 'it takes no argument, reads tables of the extension by '
    'qualified names, and tells counts and statuses that a reader may see anyway'),
('aggregate_hourly_metrics', 'the time of the call', 'a pass early is a pass that the worker need '
    'not run; measurements are data in it: no name or expression of a user is evaluated'),
('purge_old_monitoring_events', 'an age in days', 'old events are what it removes; below zero it '
    'is refused, and only operators may, who may delete events anyway'),
('forget_overruns', 'when a row with a query is changed', 'of queues, rules and collectors, by '
    'their OIDs; it forgets what is remembered of the one query of that row'),
('enable_pack_of_rows', 'when a row is inserted into queues or probes', 'the table alone says '
    'which pack: no argument; another table is refused by its OID; the pack''s queries are shipped'),
('advise', 'the new row', 'it reads, and says of names in the row whether there is such a thing; it '
    'changes nothing, and evaluates no name or expression of a user'),
('check_health_threshold', 'a name', 'it says whether a check of health or a metric goes by it, which '
    'whoever may write thresholds may read anyway'),
('follow_receiver', 'two names of a receiver, by renaming one', 'it replaces the one by the other where '
    'configuration and state refer to receivers, which whoever may rename one may write anyway; another '
    'table is refused by its OID'),
('refresh_slos', 'a time', 'it counts events of objectives up to then, as the job does; measurements are data in '
    'it: no name or expression of a user is evaluated; only operators may, who may write the counts anyway'),
('slo_burn', 'an objective, a severity and a time', 'it tells how fast a budget burns, which a reader may add up anyway'),
('slo_status', 'an objective and a time', 'likewise how much of it is left'),
('retry_mended', 'a receiver, or the name of a secret', 'what waits for a receiver is tried '
    'earlier; neither the secret nor the settings are read by it');
SELECT x.name, x.who, h.choice, h.why
FROM executable x JOIN pg_proc p USING (oid) LEFT JOIN harmless h USING (name)
WHERE p.prosecdef ORDER BY 1;
SELECT name AS no_definer FROM harmless
WHERE name NOT IN (SELECT x.name FROM executable x JOIN pg_proc p USING (oid) WHERE p.prosecdef);

-- Trigger functions, on a table of somebody else: each is refused, whatever its columns are, for
-- every event and at every time. (The owner of the table is given the right that nobody has.)
CREATE TABLE public.regress_odd (
    owner bigint, rule_name integer, labels point, annotations text, rule_id text, comparison bigint,
    url integer, headers bytea, kind float8, settings integer, send_resolved text, metric_name bigint,
    metric_value text, tags integer, recorded_at text, "timestamp" text);
CREATE VIEW public.regress_odd_view AS SELECT * FROM public.regress_odd;
ALTER TABLE public.regress_odd OWNER TO regress_operator;
ALTER VIEW public.regress_odd_view OWNER TO regress_operator;
CREATE FUNCTION pg_temp.try(function_name text, shape text, relation regclass) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    fired text;
BEGIN
    EXECUTE format('CREATE TRIGGER t %s EXECUTE FUNCTION monitoring_internal.%I(''postgres'')',
                   format(shape, relation), function_name);
    EXECUTE format('INSERT INTO %s (owner, rule_name, kind, metric_name, rule_id)'
                   ' VALUES (12345, 1, 2, 3, ''x'')', relation);
    EXECUTE format('UPDATE %s SET owner = 54321', relation);
    EXECUTE format('DELETE FROM %s', relation);
    IF relation = 'public.regress_odd'::regclass THEN TRUNCATE public.regress_odd; END IF;
    RAISE 'nothing' USING ERRCODE = 'ZZ000';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END
$$;
GRANT USAGE ON SCHEMA public TO regress_operator;
DO $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN SELECT oid::regprocedure FROM executable WHERE kind = 'trigger' LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO regress_operator', f);
    END LOOP;
END
$$;
CREATE TEMP TABLE shape (relation regclass, text text);
INSERT INTO shape
SELECT 'public.regress_odd', format('%s %s ON %%s FOR EACH %s', at, event, level)
FROM unnest('{BEFORE,AFTER}'::text[]) AS at,
    unnest('{INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) AS event, unnest('{ROW,STATEMENT}'::text[]) AS level
WHERE event <> 'TRUNCATE' OR level = 'STATEMENT';
INSERT INTO shape
SELECT 'public.regress_odd_view', format('INSTEAD OF %s ON %%s FOR EACH ROW', event)
FROM unnest('{INSERT,UPDATE,DELETE}'::text[]) AS event;
CREATE TEMP TABLE trigger_function AS SELECT name FROM executable WHERE kind = 'trigger';
GRANT SELECT ON trigger_function, shape TO regress_operator;
SET LOCAL ROLE regress_operator;
SELECT outcome, count(*) > 0 AS seen
FROM (SELECT pg_temp.try(f.name, s.text, s.relation) AS outcome FROM trigger_function f, shape s) AS tried
GROUP BY 1 ORDER BY 1;
RESET ROLE;
ROLLBACK;

-- Roots of jsonb that are no objects, where objects are expected. (The keys of the first one lie
-- where an object's keys would.)
SELECT monitoring_internal.measures_add('{"KEYKEYKE":1}',
    jsonb_build_array(E'\x7f\x7f\x7f\x0f'||E'AAA\x0f'||E'AAA\x10'||'AAAA', 'x', 'yyyyyyyy',
                      'fillfillKEYKEYKEzzzzzzzz'));
CREATE TEMP TABLE root (json jsonb);
INSERT INTO root VALUES ('[]'), ('[{"a": 1}]'), ('"x"'), ('1'), ('true'), ('null');
CREATE FUNCTION pg_temp.refused(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END
$$;
SELECT call, string_agg(DISTINCT pg_temp.refused(format(call, json)), ', ') AS outcome
FROM root, unnest(ARRAY[
    $$SELECT monitoring_internal.measures_add('{"a": 1}', %L)$$,
    $$SELECT monitoring_internal.measures_add(%L, '{"a": 1}')$$,
    $$SELECT monitoring_internal.measures_sum(j) FROM unnest(ARRAY['{}', %L]::jsonb[]) AS j$$,
    $$SELECT monitoring.counter_inc('root_test', 1, %L)$$,
    $$SELECT monitoring.gauge_set('root_test', 1, %L)$$,
    $$SELECT monitoring.histogram_observe('root_test', 1, %L)$$,
    $$SELECT monitoring.record_metric('root_test', 1, %L)$$,
    $$SELECT monitoring.metric_values('root_test', 'avg', '1 hour', now(), %L)$$,
    $$SELECT monitoring.explain_route(%L)$$,
    $$SELECT monitoring.create_receiver('root_test', 'webhook', %L)$$,
    $$SELECT monitoring.create_alert('root_test', 'SELECT 1 AS value', labels => %L)$$,
    $$SELECT monitoring.create_alert('root_test', 'SELECT 1 AS value', annotations => %L)$$]) AS call
GROUP BY call ORDER BY call COLLATE "C";

-- Numbers that no state holds.
SELECT monitoring_internal.m2_accumulate('{NaN,1,1}', 1, 1, 1);
SELECT monitoring_internal.m2_accumulate('{Infinity,1,1}', 1, 1, 1);
SELECT monitoring_internal.m2_accumulate('{-1,1,1}', 1, 1, 1);
SELECT monitoring_internal.m2_accumulate('{9e15,1,1}', 9223372036854775807, 1, 1);
SELECT monitoring_internal.m2_accumulate('[5:7]={2,4,2}', 1, 1, 0);
SELECT monitoring_internal.m2_merge(-5, 1, 1, 2, 4, 2);
SELECT monitoring_internal.summary(-1, 1, 1, 1, 1, NULL);
-- Extremes the wrong way round.
SELECT monitoring_internal.summary(2, 3, 1, 10, -10, monitoring_internal.sketch_agg(v)) FROM unnest('{1,2}'::float8[]) AS v;
SELECT monitoring_internal.try_alert_rule(0);
SELECT monitoring.define_metric('root_test', 'histogram', 'x', NULL, '{{1,2},{3,4}}');

-- A read-only transaction changes nothing that the server does not guard, either.
BEGIN READ ONLY;
\set ON_ERROR_ROLLBACK on
SELECT monitoring.pause_worker();
SELECT monitoring.resume_worker();
SELECT monitoring.remove_metric('root_test');
SELECT monitoring.flush_records();
SELECT monitoring.schedule_jobs();
SELECT monitoring.unschedule_jobs();
\set ON_ERROR_ROLLBACK off
COMMIT;

-- What runs as its owner is changed by its owner: rules, their levels, queues.
CREATE ROLE regress_ann;
CREATE ROLE regress_bob;
SELECT monitoring.grant_access('regress_ann', 'operator'), monitoring.grant_access('regress_bob', 'operator');
SET ROLE regress_ann;
SELECT monitoring.create_threshold('root_test', NULL, 1, rule_name => 'of_ann') > 0 AS made;
SELECT monitoring.create_ladder('ladder_of_ann', '[{"severity": "P0", "bound": 95}]',
    metric_name => 'root_test') > 0 AS made;
INSERT INTO monitoring.queues (queue_name, source) VALUES ('of_ann', 'pg_catalog.pg_class');
RESET ROLE;
SET ROLE regress_bob;
UPDATE monitoring.thresholds SET critical = 1e300;
UPDATE monitoring.alert_rules SET enabled = false;
UPDATE monitoring.alert_rules SET owner = 'regress_bob', enabled = false;
DELETE FROM monitoring.thresholds;
DELETE FROM monitoring.alert_rules;
SELECT monitoring.create_threshold('root_test', NULL, 1, rule_name => 'of_bob') AS id \gset
UPDATE monitoring.thresholds SET rule_id = (SELECT id FROM monitoring.alert_rules WHERE rule_name = 'of_ann')
WHERE rule_id = :id;
UPDATE monitoring.queues SET owner = 'regress_bob';
DELETE FROM monitoring.queues;
UPDATE monitoring.thresholds SET critical = 2 WHERE rule_id = :id;
DELETE FROM monitoring.alert_rules WHERE id = :id;
RESET ROLE;
SET ROLE regress_ann;
UPDATE monitoring.thresholds SET critical = 2 WHERE critical IS NOT NULL;
DELETE FROM monitoring.alert_rules;
DELETE FROM monitoring.queues;
RESET ROLE;
SELECT count(*) AS levels_left FROM monitoring.thresholds;

-- A hundred thousand ways to write the labels of one series: one series, and not much memory.
SELECT count(monitoring.counter_inc('spellings_test', 1,
    jsonb_build_object('a', 1, 'n' || i, NULL))) AS calls FROM generate_series(1, 100000) AS i;
SELECT count(*) AS series, sum(value) AS value FROM monitoring.metrics WHERE metric_name = 'spellings_test';
SELECT pg_read_file('/proc/self/statm') AS before \gset
SELECT count(monitoring.counter_inc('spellings_test', 1,
    jsonb_build_object('a', 1, 'm' || i, NULL))) AS calls FROM generate_series(1, 200000) AS i;
SELECT (split_part(pg_read_file('/proc/self/statm'), ' ', 6)::bigint
        - split_part(:'before', ' ', 6)::bigint) * 4096 < 16 * 1024 * 1024 AS bounded;
SELECT monitoring.remove_metric('spellings_test');

SET client_min_messages = warning;
DROP EXTENSION monitoring CASCADE;
DROP OWNED BY regress_ann, regress_bob;
DROP ROLE regress_ann, regress_bob;
