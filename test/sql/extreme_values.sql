-- Every column of every table of configuration, one at a time, set to extreme values: each is refused,
-- or everything still works for all that is well. The same with rows that a writer may add, and jobs of a
-- watched table. What is walked over comes from the catalog; only what fails is shown.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;

BEGIN;
LOCK TABLE monitoring_internal.alert_progress, monitoring.worker_issues IN EXCLUSIVE MODE;
SET LOCAL monitoring.allow_superuser_rules = on;
CREATE SCHEMA walk;
CREATE TABLE walk.jobs (id int PRIMARY KEY, status text, created_at timestamptz, started_at timestamptz,
    finished_at timestamptz);
INSERT INTO walk.jobs VALUES (1, 'pending', now(), NULL, NULL), (2, 'done', now(), now(), now()),
    (3, 'pending', now(), NULL, NULL);
CREATE TABLE walk.plain_jobs (status text, created_at timestamp);
INSERT INTO walk.plain_jobs VALUES ('pending', localtimestamp);

-- Two rows of everything: one that is well, and a victim.
SELECT FROM unnest('{good,victim}'::text[]) AS n,
    LATERAL monitoring.create_receiver(n, 'webhook', '{"url": "http://127.0.0.1:1/"}');
SELECT FROM monitoring.create_route('good', parent => NULL, group_by => '{alertname}', group_wait => '0');
SELECT FROM monitoring.create_route('victim', ARRAY['alertname="victim"']);
SELECT FROM unnest('{good,victim}'::text[]) AS n, LATERAL monitoring.create_alert(n, 'SELECT 1 AS value',
    annotations => '{"summary": "{{ $value }}"}');
SELECT FROM unnest('{good_t,victim_t}'::text[]) AS n,
    LATERAL monitoring.create_threshold('load', 1, 2, rule_name => n);
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, "timestamp")
VALUES ('load', 5, '2030-01-01 00:00Z');
INSERT INTO monitoring.inhibit_rules (rule_name, source_matchers, target_matchers)
VALUES ('good', '{"a=\"none\""}', '{"a=\"none\""}'), ('victim', '{"a=\"none\""}', '{"a=\"none\""}');
INSERT INTO monitoring.time_intervals VALUES ('good', '[{"months": ["1:12"]}]'), ('victim', '[{"months": ["1"]}]');
INSERT INTO monitoring.silences (comment, matchers, ends_at)
VALUES ('good', '{"a=\"none\""}', '2031-01-01'), ('victim', '{"a=\"none\""}', '2031-01-01');
INSERT INTO monitoring.escalations VALUES
    ('good', 0, '{"alertname=\"good\""}', '[{"after": "1 min", "receiver": "good"}]'),
    ('victim', 0, '{"a=\"none\""}', '[{"after": "1 min", "receiver": "good"}]');
INSERT INTO monitoring.watchdogs (receiver) VALUES ('good'), ('victim');
INSERT INTO monitoring.queues (queue_name, source, started_column, finished_column)
VALUES ('good', 'walk.jobs', 'started_at', 'finished_at'), ('victim', 'walk.plain_jobs', NULL, NULL);
SELECT FROM unnest('{good,victim}'::text[]) AS n, LATERAL monitoring.create_collector(n, 'SELECT 1 AS value');
INSERT INTO monitoring.probes (probe_name, url) VALUES ('good', 'http://127.0.0.1:1/'), ('victim', 'http://127.0.0.1:1/');
INSERT INTO monitoring.retention VALUES ('events', '30 days'), ('costs', '30 days');
INSERT INTO monitoring.health_thresholds (check_name, warning, critical) VALUES ('error_rate', 1, 2);
INSERT INTO monitoring.response_limits VALUES ('odd', '1 hour');
SELECT FROM unnest('{good_h,victim_h}'::text[]) AS n, LATERAL monitoring.define_metric(n, 'histogram', 'help');
SELECT FROM unnest('{good,victim}'::text[]) AS n, LATERAL monitoring.heartbeat(n);
SELECT FROM unnest('{good,victim}'::text[]) AS n, LATERAL monitoring.log_worker_issue(n, 'type', 'message');
SELECT FROM unnest('{good,victim}'::text[]) AS n, LATERAL monitoring.log_event(n);

CREATE TABLE walk.victims (tab regclass, condition text);
INSERT INTO walk.victims VALUES
    ('monitoring.receivers', $$receiver_name = 'victim'$$), ('monitoring.routes', 'id <> 0'),
    ('monitoring.alert_rules', $$rule_name = 'victim'$$),
    ('monitoring.thresholds', $$rule_id = (SELECT id FROM monitoring.alert_rules WHERE rule_name = 'victim_t')$$),
    ('monitoring.inhibit_rules', $$rule_name = 'victim'$$),
    ('monitoring.time_intervals', $$interval_name = 'victim'$$), ('monitoring.silences', $$comment = 'victim'$$),
    ('monitoring.escalations', $$policy_name = 'victim'$$), ('monitoring.watchdogs', $$receiver = 'victim'$$),
    ('monitoring.queues', $$queue_name = 'victim'$$), ('monitoring.collectors', $$collector_name = 'victim'$$),
    ('monitoring.probes', $$probe_name = 'victim'$$), ('monitoring.retention', $$kind = 'costs'$$),
    ('monitoring.health_thresholds', 'true'), ('monitoring.response_limits', 'true'),
    ('monitoring.metric_definitions', $$metric_name = 'victim_h'$$),
    ('monitoring.worker_heartbeats', $$worker_name = 'victim'$$),
    ('monitoring.worker_issues', $$worker_name = 'victim'$$),
    ('public.monitoring_events', $$event_type = 'victim'$$),
    ('monitoring.pipeline_metrics', 'true'),
    ('walk.jobs', 'id = 3'), ('walk.plain_jobs', 'true');

CREATE FUNCTION walk.extremes(of regtype) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT NULL UNION ALL SELECT unnest(CASE
        WHEN of = 'interval'::regtype THEN '{0,-1 day,1 microsecond,99 years,178000000 years}'::text[]
        WHEN of = 'timestamptz'::regtype OR of = 'timestamp'::regtype THEN
            '{infinity,-infinity,294276-12-31 23:59:59,4714-11-24 00:00 BC,8999-12-31 00:00}'
        WHEN of = 'float8'::regtype THEN '{NaN,Infinity,-Infinity,1e308}'
        WHEN of = 'integer'::regtype THEN '{0,2147483647,-2147483648}'
        WHEN of = 'bigint'::regtype THEN '{0,9223372036854775807,-9223372036854775808}'
        WHEN of = 'boolean'::regtype THEN '{t,f}'
        WHEN of = 'jsonb'::regtype THEN ARRAY['null', '1', '[]', '{}', '[[null]]', '{"": ""}', '{"a": 1e400}', '{"a": {"b": []}}',
            repeat('[', 1000) || repeat(']', 1000), '{"summary": "{{ printf \"%c\" 0 }}"}',
            '{"success_count": 999999999999999999}',
            '[{"location": "Atlantis/Capital"}]', '[{"after": "1000000 years", "receiver": "good"}]']
        WHEN of = 'text[]'::regtype THEN ARRAY['{}', '{NULL}', '{{a},{b}}', '[5:5]={a}', '{""}', '{%n}', '{"a=~\"(\""}', '{"a=\"b\""}']
        WHEN of = 'float8[]'::regtype THEN ARRAY['{}', '{NULL}', '{{1},{2}}', '[5:5]={1}', '{NaN}', '{2,1}', '{-Infinity,Infinity}', '{1}']
        ELSE ARRAY['', ' ', repeat('é', 30000), E'a%n{}\\"''$1\n\t😀', '{{ printf "%c" 0 }}', 'pg_catalog.pg_class']
    END) $$;

-- What runs by itself or is looked at, in the order in which it can show what the one before has done.
CREATE TABLE walk.calls AS
SELECT 'SELECT ' || c AS call, n FROM unnest(ARRAY[
    $$monitoring.evaluate_alerts('2030-01-01 00:01Z')$$, $$monitoring.evaluate_alerts('2030-01-01 00:03Z')$$,
    'monitoring.check_queues()', 'monitoring.aggregate_hourly_metrics()', 'public.get_system_health()',
    'monitoring.health_check()', 'monitoring.readiness()', 'monitoring_internal.check_health()',
    'count(*) FROM monitoring.apply_retention()', 'monitoring_internal.snapshot_metrics()',
    $$monitoring.run_collector('good')$$, $$count(*) FROM monitoring.explain_route('{"alertname": "good"}')$$,
    'monitoring.prometheus_metrics()', $$monitoring.uptime('good')$$,
    'count(v.*::text) FROM public.queue_monitoring_view AS v', 'count(v.*::text) FROM monitoring.queue_metrics AS v',
    'count(v.*::text) FROM monitoring.api_metrics AS v', 'count(v.*::text) FROM monitoring.waiting_notifications AS v',
    'count(v.*::text) FROM monitoring.effective_routes AS v', 'count(v.*::text) FROM monitoring.effective_retention AS v',
    'count(v.*::text) FROM monitoring.jobs AS v'])
    WITH ORDINALITY AS l(c, n);

-- What does not work, and what is well and has not had its due.
CREATE FUNCTION walk.failures() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    c record;
    failures text := '';
BEGIN
    FOR c IN SELECT * FROM walk.calls ORDER BY n LOOP
        BEGIN
            EXECUTE c.call;
        EXCEPTION WHEN OTHERS THEN
            failures := failures || format(E'\n    %s: %s %s', c.call, SQLSTATE, SQLERRM);
        END;
    END LOOP;
    SELECT failures || coalesce(string_agg(format(E'\n    %s', what), '' ORDER BY what), '') INTO failures
    FROM (VALUES
        ('the good rule does not fire', EXISTS (SELECT FROM monitoring.alerts WHERE rule_name = 'good' AND state = 'firing')),
        ('the good rule''s alert is not told', EXISTS (SELECT FROM monitoring.notifications
            WHERE receiver = 'good' AND group_key LIKE '%:{alertname="good"%')),
        ('it does not escalate', EXISTS (SELECT FROM monitoring.notification_decisions WHERE reason = 'escalated')),
        ('the good queue is not checked', EXISTS (SELECT FROM monitoring.queue_state
            WHERE queue_name = 'good' AND last_error IS NULL AND pending_messages > 0))) AS v(what, is_well)
    WHERE NOT is_well;
    RETURN failures;
END $$;

CREATE TABLE walk.result (tab regclass, col name, value text, accepted boolean, failures text);
CREATE FUNCTION walk.try(v walk.victims, col name, type regtype, value text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    found text;
    touched bigint;
BEGIN
    EXECUTE format('UPDATE %s SET %I = $1::%s WHERE %s', v.tab, col, type, v.condition) USING value;
    GET DIAGNOSTICS touched = ROW_COUNT;
    IF touched = 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'ZZ999', MESSAGE = E'\n    there is no such row';
    END IF;
    found := walk.failures();
    -- Undoes all of it.
    RAISE EXCEPTION USING ERRCODE = 'ZZ999', MESSAGE = found;
EXCEPTION
    WHEN SQLSTATE 'ZZ999' THEN
        INSERT INTO walk.result VALUES (v.tab, col, value, true, SQLERRM);
    WHEN OTHERS THEN
        -- Refused: by a check, never by a bug, and never by showing the row.
        INSERT INTO walk.result VALUES (v.tab, col, value, false, CASE
            WHEN SQLSTATE LIKE 'XX%' OR v.tab::text LIKE 'monitoring.%' AND SQLERRM ~ '^Failing row' THEN E'\n    ' || SQLERRM ELSE '' END);
END $$;

-- All is well before anything is done.
SAVEPOINT s;
SELECT walk.failures() AS before;
ROLLBACK TO s;
DO $$
DECLARE
    v walk.victims;
    c record;
    value text;
BEGIN
    FOR v IN SELECT * FROM walk.victims LOOP
        FOR c IN SELECT a.attname, a.atttypid::regtype AS type FROM pg_attribute AS a
                 WHERE a.attrelid = v.tab AND a.attnum > 0 AND NOT a.attisdropped LOOP
            FOR value IN SELECT * FROM walk.extremes(c.type) LOOP
                PERFORM walk.try(v, c.attname, c.type, value);
            END LOOP;
        END LOOP;
    END LOOP;
END $$;
-- Every table was walked over; of each column something was accepted or refused.
SELECT tab, count(DISTINCT col) = (SELECT count(*) FROM pg_attribute WHERE attrelid = tab AND attnum > 0
    AND NOT attisdropped) AS all_columns, bool_or(accepted) AS some_accepted
FROM walk.result GROUP BY tab ORDER BY tab::text COLLATE "C";
SELECT tab, col, left(value, 40) AS value, accepted, failures FROM walk.result WHERE failures <> '';
ROLLBACK;
