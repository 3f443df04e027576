-- The configuration as a document: every table of it is covered, it comes back as it was, what is wrong
-- with it is told at once, and who changed what is written down.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
\set VERBOSITY default
\set SHOW_CONTEXT never

-- Every table that a dump of the database has is in the document, or is none of it for a reason.
CREATE TEMP TABLE not_configuration (relation text, why text);
INSERT INTO not_configuration
SELECT unnest(string_to_array(names, ' ')), why FROM (VALUES
    ('pipeline_metrics aggregated_metrics rollup_corrections rollup_pending rollup_periods rollup_purged '
     'rollup_state monitoring_events worker_issues worker_heartbeats probe_days probe_results slo_progress '
     'slo_minutes slo_hours', 'what was measured or happened'),
    ('alerts alert_history alert_notes alert_groups alert_group_members alert_escalations notification_log '
     'notifications notification_attempts notification_decisions', 'state of alerts, and who was told'),
    ('label_values stored_series series_groups sample_batches sample_chunks told_metadata', 'samples, and what was told of them'),
    ('silences', 'what people answer to alerts of today'),
    ('config_history', 'the changes of the configuration'),
    ('installed_functions instance', 'of this installation')) AS v (names, why);
WITH dumped AS (
    SELECT unnest(extconfig) AS oid FROM pg_extension WHERE extname = 'monitoring')
SELECT c.oid::regclass AS neither_covered_nor_excluded
FROM dumped d JOIN pg_class c USING (oid)
WHERE c.relkind IN ('r', 'p') AND NOT EXISTS (SELECT FROM monitoring_internal.config_kinds k WHERE k.relation::regclass = c.oid)
  AND c.relname NOT IN (SELECT relation FROM not_configuration)
  AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)
ORDER BY 1;
-- Each of its tables is dumped, writes its history, and of each the key and the columns are there.
SELECT k.kind, k.relation::regclass = ANY (SELECT unnest(extconfig) FROM pg_extension WHERE extname = 'monitoring') AS is_dumped,
       EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = k.relation::regclass AND t.tgname = 'record_change') AS has_history,
       (SELECT array_agg(s) FROM unnest(k.key_column || k.state_columns || k.kept_columns) s
        WHERE s NOT IN (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = k.relation::regclass)) AS unknown_columns
FROM monitoring_internal.config_kinds k ORDER BY k.place;
-- State is what the extension writes itself: a column that is new has to be put on one side.
SELECT kind, string_agg(column_name, ' ' ORDER BY column_name) AS configuration
FROM monitoring_internal.config_columns GROUP BY kind ORDER BY kind;

BEGIN;
LOCK TABLE monitoring_internal.alert_progress IN EXCLUSIVE MODE;
CREATE ROLE regress_config_sre;
CREATE ROLE regress_config_other;
CREATE ROLE regress_config_reader;
SELECT monitoring.grant_access(r, 'operator') FROM unnest('{regress_config_sre,regress_config_other}'::name[]) r;
SELECT monitoring.grant_access('regress_config_reader', 'reader');
CREATE TABLE public.config_jobs (status text, created_at timestamptz);
GRANT SELECT ON public.config_jobs TO regress_config_sre;
DELETE FROM monitoring.config_history;
SET LOCAL ROLE regress_config_sre;

-- One object of each kind, written by hand.
SELECT object_kind, object_name, action, before, after FROM monitoring.apply_config('{
    "retention": {"events": {"keep": "7 days"}},
    "response_limits": {"critical": {"acknowledge_within": "5 minutes"}},
    "metric_definitions": {"jobs_total": {"metric_type": "counter", "help": "Jobs", "dimension_keys": ["queue"]}},
    "health_thresholds": {"jobs_total": {"warning": 10, "critical": "Infinity"}},
    "receivers": {"ops": {"kind": "log"}, "pager": {"kind": "pagerduty", "settings": {"routing_key": {"secret": "key"}}}},
    "time_intervals": {"night": {"intervals": [{"times": [{"start_time": "00:00", "end_time": "06:00"}]}]}},
    "routes": {"root": {"receiver": "ops", "group_by": ["alertname"]},
               "below": {"parent": "above", "matchers": ["severity=critical"], "receiver": "pager"},
               "above": {"matchers": ["team=db"], "mute_time_intervals": ["night"], "group_wait": "10s"}},
    "inhibit_rules": {"ladder": {"source_matchers": ["severity=critical"], "target_matchers": ["severity=warning"]}},
    "escalations": {"all": {"steps": [{"after": "5 minutes", "receiver": "pager"}]}},
    "watchdogs": {"ops": {}},
    "queues": {"jobs": {"source": "public.config_jobs"}},
    "probes": {"home": {"url": "https://example.com/", "headers": {"authorization": {"secret": "token"}}}},
    "packs": {"host": {}},
    "rules": {"Up": {"expr": "SELECT 1 AS value", "for_duration": "1 minute", "labels": {"team": "db"}},
              "Load": {"language": "threshold"}},
    "thresholds": {"Load": {"metric_name": "load1", "warning": 4, "critical": 8.5}},
    "collectors": {"one": {"query": "SELECT 1 AS value", "every": "30 s"}}}') \g /dev/null
SELECT kind, jsonb_pretty(objects) FROM jsonb_each(monitoring.dump_config()) AS d(kind, objects)
WHERE kind NOT IN ('packs', 'rules', 'thresholds') ORDER BY 1;
SELECT objects -> 'Up' AS up, objects -> 'Load' AS load FROM jsonb_each(monitoring.dump_config()) AS d(kind, objects)
WHERE kind IN ('rules', 'thresholds') ORDER BY kind;
SELECT name, body FROM jsonb_each(monitoring.dump_config() -> 'packs') AS p(name, body) ORDER BY 1;

-- It comes back: the same document changes nothing; after all is removed it makes the same.
SELECT monitoring.dump_config() AS config \gset
SELECT action, count(*) > 0 AS some FROM monitoring.apply_config(:'config', prune => true) GROUP BY 1;
SELECT DISTINCT action FROM monitoring.apply_config('{}', prune => true);
SELECT monitoring.dump_config();
SELECT monitoring.dump_config() = '{}' AS empty, (SELECT count(*) FROM monitoring.collectors) AS collectors
FROM monitoring.apply_config(:'config', dry_run => true) LIMIT 1;
SELECT count(*) > 0 AS applied FROM monitoring.apply_config(:'config');
SELECT monitoring.dump_config() = :'config' AS same;
-- The settings of a session are nothing to it.
SET LOCAL intervalstyle = sql_standard;
SET LOCAL extra_float_digits = -10;
SET LOCAL datestyle = 'German';
SELECT monitoring.dump_config() = :'config' AS same;
SELECT action FROM monitoring.apply_config(:'config') GROUP BY 1;
RESET intervalstyle; RESET extra_float_digits; RESET datestyle;

-- Changes: what from and to; what is left out is as by default, owner and place in line stay.
SELECT * FROM monitoring.apply_config('{
    "retention": {"events": {"keep": null}},
    "routes": {"above": {"matchers": ["team=dba"]}},
    "thresholds": {"Load": {"metric_name": "load1", "warning": 4.5}},
    "rules": {"Up": {"expr": "SELECT 1 AS value"}},
    "probes": {"home": {"url": "https://example.com/", "method": "HEAD"}}}');
SELECT action, count(*) FROM monitoring.apply_config('{
    "retention": {"events": {"keep": null}},
    "routes": {"above": {"matchers": ["team=dba"]}},
    "thresholds": {"Load": {"metric_name": "load1", "warning": 4.5}},
    "rules": {"Up": {"expr": "SELECT 1 AS value"}},
    "probes": {"home": {"url": "https://example.com/", "method": "HEAD"}}}') GROUP BY 1;
-- A pack is disabled with what it brought, and not pruned piece by piece.
SELECT object_kind, object_name, action FROM monitoring.apply_config(
    monitoring.dump_config() #- '{routes,below}' #- '{escalations,all}' #- '{packs,host}' #- '{rules,Load}' #- '{thresholds,Load}',
    prune => true) WHERE action <> 'same' AND object_name NOT LIKE 'Host%';
-- What a user changed of a pack's collector is told and comes back.
SELECT action FROM monitoring.apply_config('{"packs": {"host": {}}}');
UPDATE monitoring.collectors SET enabled = false, every = '5 minutes' WHERE collector_name = 'host/counters';
SELECT monitoring.dump_config() AS config \gset
SELECT monitoring.dump_config() -> 'collectors' -> 'host/counters' AS changed, count(*) FROM monitoring.apply_config('{}', prune => true);
SELECT count(*) > 0 AS applied FROM monitoring.apply_config(:'config');
SELECT monitoring.dump_config() = :'config' AS same;
SELECT enabled, every FROM monitoring.collectors WHERE collector_name = 'host/counters';
-- The state of alerts is kept.
\o /dev/null
SELECT monitoring.evaluate_alerts('2100-01-01 00:00Z');
SELECT monitoring.apply_config('{"rules": {"Up": {"expr": "SELECT 2 AS value", "severity": "warning"}}}');
SELECT monitoring.evaluate_alerts('2100-01-01 00:02Z');
\o
SELECT state, value, fired_at = '2100-01-01 00:00Z' AS since_then FROM monitoring.alerts WHERE rule_name = 'Up';

-- Errors: all of them at once, each with its path; nothing is half done.
CREATE FUNCTION pg_temp.problems(config jsonb, prune boolean DEFAULT false) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE detail text;
BEGIN
    PERFORM monitoring.apply_config(config, prune => prune);
    RETURN NEXT 'none';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN NEXT SQLSTATE;
    RETURN QUERY SELECT regexp_split_to_table(detail, E'\n');
END $$;
SELECT pg_temp.problems(NULL);
SELECT pg_temp.problems('[]');
SELECT pg_temp.problems('{"reciever": {}, "routes": [], "": 1}');
SELECT pg_temp.problems('{"receivers": {"": {}, "a": 5, "b": {"kind": "log", "settings": {}, "set_by": "postgres", "receiver_name": "x"}}}');
SELECT pg_temp.problems('{"rules": {"a": {"expr": 5, "for_duration": "soon", "labels": null, "enabled": "yes", "row_limit": 1e99, "owner": "nobody there"}},
    "routes": {"r": {"group_by": "x", "sort_order": 1.5, "parent": 7}}, "queues": {"q": {"pending_values": [[1], 2]}},
    "thresholds": {"a": {"warning": "high"}}}');
SELECT pg_temp.problems('{"routes": {"r": {"receiver": "pagr", "parent": "abov", "mute_time_intervals": ["nigth"]}},
    "escalations": {"e": {"steps": [{"after": "1 minute", "receiver": "opps"}]}}, "watchdogs": {"op": {}},
    "thresholds": {"Lod": {"metric_name": "x", "warning": 1}}, "rules": {"T": {"language": "threshold"}}}');
-- What only its table can say, of several at once.
SELECT pg_temp.problems('{"receivers": {"r": {"kind": "carrier pigeon"}}, "probes": {"p": {"url": "gopher://x"}},
    "retention": {"event": {"keep": "1 day"}}, "rules": {"q": {"expr": "SELECT no_such_column AS value"}, "l": {"expr": "SELECT 1 AS value", "labels": {"alertname": "x"}}},
    "packs": {"hots": {}}, "collectors": {"c": {"query": "SELECT 1 AS value", "owner": "regress_config_other"}}}');
SELECT pg_temp.problems('{"routes": {"a1": {"parent": "b1"}, "b1": {"parent": "a1"}}}');
SELECT pg_temp.problems('{"receivers": {"lonely": {"kind": "log"}}, "routes": {"root": {"receiver": "gone"}}}', true);
SELECT count(*) FROM monitoring.receivers WHERE receiver_name IN ('r', 'b', 'lonely');
SELECT count(*) BETWEEN 100 AND 102 AS bounded FROM pg_temp.problems((SELECT jsonb_build_object('receivers', jsonb_object_agg('n' || n, 5)) FROM generate_series(1, 5000) n));

-- Others: a reader reads it, and applies nothing; an operator does not touch what is another's.
RESET ROLE;
SET LOCAL ROLE regress_config_reader;
SELECT monitoring.dump_config() ? 'receivers' AS reads;
SAVEPOINT s;
SELECT monitoring.apply_config('{}');
ROLLBACK TO s;
RESET ROLE;
SET LOCAL ROLE regress_config_other;
SELECT monitoring.apply_config('{"rules": {"Up": {"expr": "SELECT 7 AS value"}}}');
ROLLBACK TO s;
SET LOCAL ROLE regress_config_other;
SELECT monitoring.apply_config('{}', prune => true);
ROLLBACK TO s;

-- Who changed what. Nobody writes it by hand.
SET LOCAL ROLE regress_config_sre;
SELECT monitoring.create_receiver('audited', 'log') \g /dev/null
UPDATE monitoring.receivers SET enabled = false WHERE receiver_name = 'audited';
UPDATE monitoring.receivers SET enabled = false WHERE receiver_name = 'audited';
SELECT monitoring.drop_receiver('audited') \g /dev/null
SELECT monitoring.create_threshold('audited', 1, 2) \g /dev/null
UPDATE monitoring.thresholds SET warning = 1.5 WHERE metric_name = 'audited';
SELECT monitoring.drop_threshold('audited') \g /dev/null
RESET ROLE;
SET LOCAL ROLE regress_config_other;
SELECT monitoring.create_time_interval('audited', '[{"years": ["2030"]}]') \g /dev/null
SELECT role_name, object_kind, object_name, before, after FROM monitoring.config_history
WHERE object_name = 'audited' ORDER BY id;
SELECT object_kind, object_name FROM monitoring.config_history WHERE object_name ~ '^[0-9]+$';
SAVEPOINT s;
INSERT INTO monitoring.config_history (role_name, object_kind, object_name) VALUES ('somebody else', 'rules', 'x');
ROLLBACK TO s;
DELETE FROM monitoring.config_history;
ROLLBACK TO s;
UPDATE monitoring.config_history SET role_name = 'somebody else';
ROLLBACK TO s;
SELECT monitoring_internal.write_config_history('monitoring.routes'::regclass, 'somebody else', NULL::text, '{}');
ROLLBACK TO s;
RESET ROLE;
-- It is kept as long as its retention says.
UPDATE monitoring.config_history SET changed_at = now() - interval '2 years' WHERE object_name <> 'audited';
SELECT removed > 0 AS removed FROM monitoring.apply_retention() WHERE kind = 'config_history';
SELECT count(*) FROM monitoring.config_history WHERE object_name <> 'audited';
ROLLBACK;
