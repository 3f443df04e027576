-- Timelines of Alertmanager's acceptance tests (test/with_api_v2/acceptance), played from rules to the
-- outbox on a virtual clock in steps of 100 ms: what Alertmanager wants between two seconds has to be
-- queued then, and nothing else.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
-- Rules are made before whom they lead to, which is said each time.
SET monitoring.allow_superuser_rules = on;
SET TIME ZONE 'UTC';

CREATE FUNCTION pg_temp.second(number float8) RETURNS timestamptz LANGUAGE sql IMMUTABLE
RETURN '2031-01-01 00:00Z'::timestamptz + number * interval '1 second';

-- What fires from when until when, each alertname by a rule of its own.
CREATE FUNCTION pg_temp.set_up(root_options text, VARIADIC alertnames text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE monitoring_internal.alert_progress IN EXCLUSIVE MODE;
    CREATE TABLE public.timeline (alertname text, lbl text, since timestamptz, until timestamptz);
    CREATE TEMP TABLE wanted (earliest float8, latest float8, alerts text) ON COMMIT DROP;
    PERFORM monitoring.create_receiver('co', 'webhook', '{"url": "https://hooks.example.com/x"}');
    EXECUTE format('SELECT monitoring.create_route(%L, parent => NULL, %s)', 'co', root_options);
    PERFORM monitoring.create_alert(alertname, format(
        'SELECT lbl, 1 AS value FROM public.timeline'
        ' WHERE alertname = %L AND since <= $1 AND ($1 < until OR until IS NULL)', alertname),
        'critical', evaluate_every => '1 second')
    FROM unnest(alertnames) AS alertname;
END
$$;

-- Every notification is delivered at once.
CREATE FUNCTION pg_temp.play(seconds float8) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    FOR step IN 0 .. (seconds * 10)::integer LOOP
        PERFORM monitoring.evaluate_alerts(pg_temp.second(step / 10.0));
        UPDATE monitoring.notifications SET status = 'sent' WHERE status = 'queued';
    END LOOP;
END
$$;

-- Seconds and "status name label" of what was told, with what was wanted then.
CREATE FUNCTION pg_temp.compare() RETURNS TABLE (told_at numeric, told text, wanted_between text)
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY WITH told AS (
        SELECT round(extract(epoch FROM n.created_at - pg_temp.second(0)), 1) AS at,
               (SELECT string_agg(concat_ws(' ', a ->> 'status', a #>> '{labels,alertname}',
                                            a #>> '{labels,lbl}'), ', '
                                  ORDER BY a #>> '{labels,alertname}', a #>> '{labels,lbl}')
                FROM jsonb_array_elements(n.payload -> 'alerts') AS a) AS alerts
        FROM monitoring.notifications AS n WHERE n.created_at >= pg_temp.second(0))
    SELECT t.at, coalesce(t.alerts, w.alerts), w.earliest || ' and ' || w.latest
    FROM told AS t FULL JOIN wanted AS w
        ON t.alerts = w.alerts AND t.at BETWEEN w.earliest AND w.latest
    ORDER BY coalesce(t.at::float8, w.earliest), 2;
END
$$;

-- TestResolved
BEGIN;
SELECT pg_temp.set_up($$group_by => '{alertname}', group_wait => '1s', group_interval => '5s'$$, 'test');
INSERT INTO public.timeline
SELECT 'test', lbl, pg_temp.second(1), pg_temp.second(11) FROM unnest('{v1,v2,v3}'::text[]) AS lbl;
INSERT INTO wanted VALUES (2, 2.5, 'firing test v1, firing test v2, firing test v3'),
    (12, 13, 'resolved test v1, resolved test v2, resolved test v3');
SELECT pg_temp.play(13);
SELECT * FROM pg_temp.compare();
ROLLBACK;

-- TestAlwaysInhibiting: the inhibited alert is told of only with its end.
BEGIN;
SELECT pg_temp.set_up($$group_wait => '1s', group_interval => '1s', repeat_interval => '1s'$$,
    'InstanceDown', 'JobDown');
SELECT monitoring.create_inhibit_rule('{alertname=JobDown}', '{alertname=InstanceDown}', '{lbl}') > 0 AS made;
INSERT INTO public.timeline VALUES ('InstanceDown', 'aa', pg_temp.second(1), pg_temp.second(2.6)),
    ('JobDown', 'aa', pg_temp.second(1), pg_temp.second(2.6));
INSERT INTO wanted VALUES (2, 2.5, 'firing JobDown aa'),
    (3, 3.5, 'resolved InstanceDown aa, resolved JobDown aa');
SELECT pg_temp.play(4);
SELECT * FROM pg_temp.compare();
ROLLBACK;

-- TestSilencing
BEGIN;
SELECT pg_temp.set_up($$group_wait => '1s', group_interval => '1s', repeat_interval => '1ms'$$,
    'test1', 'test2');
INSERT INTO public.timeline VALUES ('test1', 'x', pg_temp.second(1), NULL), ('test2', 'x', pg_temp.second(1), NULL);
INSERT INTO monitoring.silences (matchers, starts_at, ends_at)
VALUES ('{alertname=test1}', pg_temp.second(2.5), pg_temp.second(4.5));
INSERT INTO wanted VALUES (2, 2.5, 'firing test1 x, firing test2 x'), (3, 3.5, 'firing test2 x'),
    (4, 4.5, 'firing test2 x'), (5, 5.5, 'firing test1 x, firing test2 x');
SELECT pg_temp.play(5.5);
SELECT * FROM pg_temp.compare();
ROLLBACK;

-- TestColdStart, without its delay: groups and their log are rows, so that a start forgets nothing.
BEGIN;
SELECT pg_temp.set_up($$group_wait => '1s', group_interval => '6s', repeat_interval => '10m'$$,
    'test1', 'test2', 'test3');
INSERT INTO public.timeline VALUES ('test1', 'x', pg_temp.second(1), NULL),
    ('test2', 'x', pg_temp.second(2), NULL), ('test3', 'x', pg_temp.second(6), NULL);
INSERT INTO wanted VALUES (2, 2.5, 'firing test1 x, firing test2 x'),
    (8, 8.5, 'firing test1 x, firing test2 x, firing test3 x');
SELECT pg_temp.play(12);
SELECT * FROM pg_temp.compare();
ROLLBACK;

-- A resolution is told even if the receiver looks long after monitoring.alerts has forgotten it.
BEGIN;
SELECT pg_temp.set_up($$group_wait => '1s', group_interval => '1 hour'$$, 'test');
INSERT INTO public.timeline VALUES ('test', 'x', pg_temp.second(1), pg_temp.second(5));
SELECT pg_temp.play(6);
SELECT monitoring.evaluate_alerts(pg_temp.second(2400));
SELECT monitoring.evaluate_alerts(pg_temp.second(2401));
SELECT count(*) AS known FROM monitoring.alerts;
SELECT monitoring.evaluate_alerts(pg_temp.second(3602));
SELECT * FROM pg_temp.compare();
ROLLBACK;

-- Two levels of a threshold: the critical one keeps the warning back.
BEGIN;
SELECT pg_temp.set_up($$group_by => '{...}', group_wait => '0', group_interval => '1 minute'$$, 'unused');
SELECT monitoring.create_threshold('load', warning => 5, critical => 8, over_last => '10 seconds') > 0 AS made;
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, "timestamp")
VALUES ('load', 9, pg_temp.second(59)), ('load', 6, pg_temp.second(119));
SELECT monitoring.evaluate_alerts(pg_temp.second(60));
SELECT monitoring.evaluate_alerts(pg_temp.second(120));
SELECT severity, state, inhibited FROM monitoring.alerts ORDER BY severity;
SELECT created_at - pg_temp.second(0) AS at, payload #>> '{alerts,0,status}' AS status,
       payload #>> '{alerts,0,labels,severity}' AS severity
FROM monitoring.notifications WHERE created_at >= pg_temp.second(0) ORDER BY 1, 2;
ROLLBACK;
