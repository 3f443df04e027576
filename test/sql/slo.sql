-- Service level objectives against budgets computed by hand, on a virtual clock.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
SET monitoring.allow_superuser_rules = on;
SET TIME ZONE 'UTC';
\set SHOW_CONTEXT never
\pset null '(null)'

-- Mistakes.
SELECT monitoring.create_slo('slo a', 0.999, probe_name => 'x');
SELECT monitoring.create_slo('slo a', 100, probe_name => 'x');
SELECT monitoring.create_slo('slo a', 'NaN', probe_name => 'x');
SELECT monitoring.create_slo('', 99.9, probe_name => 'x');
SELECT monitoring.create_slo('slo a', 99.9);
SELECT monitoring.create_slo('slo a', 99.9, probe_name => 'x', metric_name => 'y', threshold => 1);
SELECT monitoring.create_slo('slo a', 99.9, probe_name => 'no such probe');
SELECT monitoring.create_slo('slo a', 99.9, total => '"y"');
SELECT monitoring.create_slo('slo a', 99.9, total => '"y"', good => '"y"', bad => '"y"');
SELECT monitoring.create_slo('slo a', 99.9, total => '{"metric": "y", "label": "z"}', good => '"y"');
SELECT monitoring.create_slo('slo a', 99.9, total => '{"metric": "y", "aggregate": "avg"}', good => '"y"');
SELECT monitoring.create_slo('slo a', 99.9, metric_name => 'y');
SELECT monitoring.create_slo('slo a', 99.9, metric_name => 'y', threshold => 1, comparison => '=');
SELECT monitoring.create_slo('slo a', 99.9, metric_name => 'y', threshold => 1, over_last => '1 hour');
SELECT monitoring.create_slo('slo a', 99.9, metric_name => 'y', threshold => 1, burn_alerts => '[{"severity": "x", "factor": 1, "long": "soon", "short": "1 hour"}]');
SELECT monitoring.create_slo('slo a', 99.9, metric_name => 'y', threshold => 1, burn_alerts => '[{"severity": "x", "factor": 1, "long": "1 hour", "short": "1 hour"}]');
SELECT monitoring.create_slo('slo a', 99.9, metric_name => 'y', threshold => 1, burn_alerts => '{}');
SELECT monitoring.slo_status('slo a');
SELECT monitoring.drop_slo('slo a');
SELECT monitoring.drop_slo('slo a', if_exists => true);
SELECT monitoring.refresh_slos('infinity');

BEGIN;
LOCK TABLE monitoring_internal.alert_progress IN EXCLUSIVE MODE;
-- 1000 requests an hour: 720000 in 30 days, of which 720 may fail at 99.9 %.
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, "timestamp")
SELECT 'slo_requests', 1000, hour FROM generate_series('2031-03-01 00:30Z'::timestamptz, '2031-03-31 23:30Z', '1 hour') AS hour;
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, "timestamp")
VALUES ('slo_errors', 72, '2031-03-10 10:30Z');
SELECT monitoring.create_slo('Requests', 99.9, bad => '{"metric": "slo_errors", "aggregate": "sum"}',
    total => '{"metric": "slo_requests", "aggregate": "sum"}') IS NOT NULL AS made;
SELECT * FROM monitoring.slo_status('Requests', '2031-03-31 00:00Z');
-- In steps of two seconds at most; here one is enough for a month.
DO $$ BEGIN
    WHILE (SELECT counted_from > '2031-03-01 00:00Z' OR counted_from IS NULL FROM monitoring.slos) LOOP
        PERFORM monitoring.refresh_slos('2031-03-31 00:00Z');
    END LOOP;
END $$;
SELECT counted_from, counted_until, last_error FROM monitoring.slos;
\x
-- A tenth of the budget is gone: 38 minutes and 52.8 seconds of 43 minutes and 12 seconds are left.
SELECT * FROM monitoring.slo_status('Requests', '2031-03-31 00:00Z');
\x
-- Late: 360 more errors in an hour that is counted. They are found within an hour of the clock, and half of the budget more is gone.
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, "timestamp") VALUES ('slo_errors', 360, '2031-03-20 03:10Z');
SELECT monitoring.refresh_slos('2031-03-31 00:01Z');
SELECT round(budget_left_percent::numeric, 6) AS left FROM monitoring.slo_status('Requests', '2031-03-31 00:01Z');
SELECT monitoring.refresh_slos('2031-03-31 01:05Z');
SELECT round(budget_left_percent::numeric, 6) AS left FROM monitoring.slo_status('Requests', '2031-03-31 00:00Z');
-- After what is not counted yet it is there at once: the same hour, and three hours later.
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, "timestamp") VALUES ('slo_errors', 360, '2031-03-31 00:58Z');
SELECT round(budget_left_percent::numeric, 6) AS left, budget_exhausted_at
FROM monitoring.slo_status('Requests', '2031-03-31 01:00Z');
-- A gap: of 30 days that had requests only at their beginning, those requests alone count.
SELECT total_events, attainment_percent, burn_rate_1_hour, burn_rate_3_days, budget_exhausted_at
FROM monitoring.slo_status('Requests', '2031-04-15 00:00Z');
SELECT total_events, attainment_percent, meets_objective, budget_left_percent FROM monitoring.slo_status('Requests', '2032-01-01 00:00Z');
-- Counts of a time that was long ago are not kept.
SELECT monitoring.refresh_slos('2032-01-01 00:00Z');
SELECT count(*) <= 745 AS hours, min(hour) >= '2031-12-01' AS recent FROM monitoring_internal.slo_hours;
SELECT monitoring.drop_slo('Requests');
SELECT (SELECT count(*) FROM monitoring_internal.slo_hours) AS hours, (SELECT count(*) FROM monitoring_internal.slo_progress) AS progress,
       (SELECT count(*) FROM monitoring.alert_rules WHERE rule_name LIKE 'Requests%') AS rules;

-- Counters: 60 + 60 + (a reset) 10 + 60 = 190; after more than an hour of silence (13:10) nothing is known; + 5. A second series: + 7.
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, "timestamp", tags)
VALUES ('slo_total', 100, '2031-03-05 10:00Z', '{"pod": "a"}'), ('slo_total', 160, '2031-03-05 10:01Z', '{"pod": "a"}'),
       ('slo_total', 220, '2031-03-05 10:02Z', '{"pod": "a"}'), ('slo_total', 10, '2031-03-05 10:03Z', '{"pod": "a"}'),
       ('slo_total', 70, '2031-03-05 10:33Z', '{"pod": "a"}'), ('slo_total', 900, '2031-03-05 13:10Z', '{"pod": "a"}'),
       ('slo_total', 905, '2031-03-05 14:10Z', '{"pod": "a"}'), ('slo_total', 3, '2031-03-05 10:59Z', '{"pod": "b"}'),
       ('slo_total', 10, '2031-03-05 11:01Z', '{"pod": "b"}'), ('slo_total', 'NaN', '2031-03-05 10:04Z', '{"pod": "a"}'),
       ('slo_bad', 5, '2031-03-05 10:00Z', '{}'), ('slo_bad', 6, '2031-03-05 10:01Z', '{}'), ('slo_bad', 1, '2031-03-05 10:02Z', '{}');
SELECT monitoring.create_slo('Counted', 99, bad => '{"metric": "slo_bad", "aggregate": "increase"}',
    total => '{"metric": "slo_total", "aggregate": "increase"}', burn_alerts => '[]') IS NOT NULL AS made;
DO $$ BEGIN
    FOR n IN 1 .. 20 LOOP PERFORM monitoring.refresh_slos('2031-03-05 11:10:30Z'); END LOOP;
END $$;
SELECT total_events, good_events, burn_rate_1_hour FROM monitoring.slo_status('Counted', '2031-03-05 10:30Z');
SELECT total_events, good_events FROM monitoring.slo_status('Counted', '2031-03-05 12:00Z');
SELECT monitoring.refresh_slos('2031-03-05 15:00Z');
SELECT total_events, good_events FROM monitoring.slo_status('Counted', '2031-03-05 15:00Z');
-- A late sample between two hours moves 4 of the 7 into the hour before, and adds nothing.
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, "timestamp", tags) VALUES ('slo_total', 7, '2031-03-05 10:59:30Z', '{"pod": "b"}');
SELECT monitoring.refresh_slos('2031-03-05 16:01Z');
SELECT total_events, good_events FROM monitoring.slo_status('Counted', '2031-03-05 16:01Z');
SELECT hour, total FROM monitoring_internal.slo_hours AS h WHERE total > 0 ORDER BY hour;
-- Replaced: another objective of the same events keeps the counts, other events do not.
SAVEPOINT s;
SELECT monitoring.create_slo('Counted', 99);
ROLLBACK TO s;
SELECT monitoring.create_slo('Counted', 95, bad => '{"metric": "slo_bad", "aggregate": "increase"}',
    total => '{"metric": "slo_total", "aggregate": "increase"}', burn_alerts => '[]', replace => true) IS NOT NULL AS replaced;
SELECT objective_percent, total_events IS NOT NULL AS has_status, counted_until FROM monitoring.slos;
SELECT monitoring.create_slo('Counted', 95, good => '"slo_bad"', total => '"slo_total"', replace => true) IS NOT NULL AS replaced;
SELECT counted_until FROM monitoring.slos;
SELECT rule_name, severity, labels FROM monitoring.alert_rules WHERE group_name = 'slo Counted' ORDER BY 1;
SELECT monitoring.create_slo('Counted', 95, good => '"slo_bad"', total => '"slo_total"', replace => true, labels => '{"team": "a"}',
    burn_alerts => '[{"severity": "critical", "factor": 10, "long": "1 hour", "short": "5 minutes"}]') IS NOT NULL AS replaced;
SELECT rule_name, severity, labels FROM monitoring.alert_rules WHERE group_name = 'slo Counted' ORDER BY 1;
SELECT monitoring.drop_slo('Counted');

-- A threshold: a NaN is a bad event, as is what is above; a value at the threshold is good; other tags are not asked.
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, "timestamp", tags)
SELECT 'slo_latency', v, '2031-03-05 10:00Z', '{"api": "x"}' FROM unnest('{1,500,501,NaN,Infinity,-Infinity,2,3}'::float8[]) AS v;
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, "timestamp", tags) VALUES ('slo_latency', 999, '2031-03-05 10:00Z', '{"api": "y"}'), ('slo_latency', 999, '2031-03-05 10:00Z', NULL);
SELECT monitoring.create_slo('Fast', 95, metric_name => 'slo_latency', threshold => 500, matching => '{"api": "x"}', burn_alerts => '[]') IS NOT NULL AS made;
SELECT monitoring.refresh_slos('2031-03-05 10:30Z');
SELECT good_events, total_events, attainment_percent FROM monitoring.slo_status('Fast', '2031-03-05 10:30Z');
SELECT monitoring.drop_slo('Fast');

-- Document 003: uptime 99.9 % of a probe each minute. 30 of 43200 have failed in 30 days: 43.2 may.
INSERT INTO monitoring.probes (probe_name, url, enabled) VALUES ('slo health', 'https://api.example.com/api/v1/health', false);
INSERT INTO monitoring.probe_results (probe_name, probed_at, success, duration_ms)
SELECT 'slo health', minute, minute NOT BETWEEN '2031-03-15 12:00Z' AND '2031-03-15 12:29Z', 20
FROM generate_series('2031-03-01 00:00Z'::timestamptz, '2031-03-30 23:59Z', '1 minute') AS minute;
SELECT monitoring.create_slo('Uptime', 99.9, probe_name => 'slo health', burn_alerts => '[]') IS NOT NULL AS made;
DO $$ BEGIN
    WHILE (SELECT counted_from > '2031-03-01 00:00Z' OR counted_from IS NULL FROM monitoring.slos) LOOP
        PERFORM monitoring.refresh_slos('2031-03-31 00:00Z');
    END LOOP;
END $$;
SELECT total_events, total_events - good_events AS failed, budget_left, round(budget_left_percent::numeric, 4) AS left, meets_objective
FROM monitoring.slo_status('Uptime', '2031-03-31 00:00Z');
-- No probe's results are read for this but the last ones.
SELECT count(*) < 15 AS few FROM monitoring_internal.slo_events(monitoring_internal.slo_named('Uptime'),
    (SELECT counted_until FROM monitoring.slos), '2031-03-31 00:00Z');
SELECT monitoring.drop_slo('Uptime');

-- Alerts at 99.9 %: 100 events a minute, of which 2 fail from 12:00 to 12:49: the budget burns 20 times as fast as it may.
-- One hour: k bad minutes are k / 3 > 14.4 from k = 44 on. Five minutes, after the end: j bad ones are 4 j > 14.4 while j > 3.
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, "timestamp")
SELECT 'slo_calls', 6000, hour FROM generate_series('2031-04-02 00:30Z'::timestamptz, '2031-04-05 04:30Z', '1 hour') AS hour
UNION ALL
SELECT 'slo_calls', 100, minute FROM generate_series('2031-04-05 05:00:30Z'::timestamptz, '2031-04-05 13:29:30Z', '1 minute') AS minute
UNION ALL
SELECT 'slo_failures', 2, minute FROM generate_series('2031-04-05 12:00:30Z'::timestamptz, '2031-04-05 12:49:30Z', '1 minute') AS minute;
SELECT monitoring.create_slo('Calls', 99.9, bad => '{"metric": "slo_failures", "aggregate": "sum"}',
    total => '{"metric": "slo_calls", "aggregate": "sum"}') IS NOT NULL AS made;
DO $$
DECLARE
    at timestamptz;
BEGIN
    FOR n IN 1 .. 10 LOOP PERFORM monitoring.refresh_slos('2031-04-05 11:55Z'); END LOOP;
    FOR n IN 0 .. 60 LOOP
        at := '2031-04-05 12:00Z'::timestamptz + n * interval '1 minute';
        IF n % 7 = 0 THEN PERFORM monitoring.refresh_slos(at); END IF;
        PERFORM monitoring.evaluate_alerts(at);
    END LOOP;
END $$;
SELECT at, rule_name, severity, to_state, round(value::numeric, 3) AS value, cause
FROM monitoring.alert_history WHERE rule_name LIKE 'Calls burn%' ORDER BY id;
SELECT round(burn_rate_1_hour::numeric, 6) AS hour, round(burn_rate_6_hours::numeric, 6) AS six_hours,
       round(extract(epoch FROM budget_exhausted_at - '2031-04-05 12:44Z')) =
           round(30 * 86400 * (1 - 88 / 0.001 / total_events) / (88 / 0.001 / 36000)) AS forecast
FROM monitoring.slo_status('Calls', '2031-04-05 12:44Z');
SELECT labels, annotations FROM monitoring.alerts WHERE rule_name = 'Calls burn (critical)';

-- The same windows, added up from the raw rows, at times of all kinds.
WITH times AS (
    SELECT '2031-04-05 12:00Z'::timestamptz + n * interval '7 minutes 13 seconds' AS at FROM generate_series(0, 8) AS n
), windows AS (
    SELECT t.at, w.over_last, w.good, w.total, CASE WHEN w.over_last <= '6 hours' THEN date_trunc('minute', t.at - w.over_last)
                                                    ELSE date_trunc('hour', t.at - w.over_last) END AS since
    FROM times AS t, LATERAL monitoring_internal.slo_windows(monitoring_internal.slo_named('Calls'), t.at,
        '{5 minutes,30 minutes,1 hour,2 hours,6 hours,1 day,3 days}') AS w
), raw AS (
    SELECT w.*, (SELECT coalesce(sum(metric_value), 0) FROM monitoring.pipeline_metrics AS m
                 WHERE m.metric_name = 'slo_calls' AND m."timestamp" BETWEEN w.since AND w.at) AS raw_total,
           (SELECT coalesce(sum(metric_value), 0) FROM monitoring.pipeline_metrics AS m
            WHERE m.metric_name = 'slo_failures' AND m."timestamp" BETWEEN w.since AND w.at) AS raw_bad
    FROM windows AS w
)
SELECT count(*) AS windows, count(*) FILTER (WHERE total <> raw_total OR total - good <> raw_bad) AS different FROM raw;

-- Who reads may look, and no more.
CREATE ROLE regress_slo_reader;
SELECT monitoring.grant_access('regress_slo_reader', 'reader');
CREATE ROLE regress_slo_operator;
SELECT monitoring.grant_access('regress_slo_operator', 'operator');
SET LOCAL ROLE regress_slo_reader;
SELECT slo_name, objective_percent FROM monitoring.slos;
SAVEPOINT s;
SELECT monitoring.drop_slo('Calls');
ROLLBACK TO s;
RESET ROLE;
SET LOCAL ROLE regress_slo_operator;
SELECT monitoring.create_slo('Own', 99, metric_name => 'slo_latency', threshold => 1) IS NOT NULL AS made;
SELECT monitoring.create_slo('Own', 98, metric_name => 'slo_latency', threshold => 1, replace => true) IS NOT NULL AS replaced;
SELECT monitoring.refresh_slos('2031-04-05 14:00Z');
SELECT owner, evaluated.changes IS NOT NULL AS evaluated FROM monitoring.alert_rules, monitoring.evaluate_alerts('2031-04-05 14:00Z') AS evaluated (changes)
WHERE rule_name = 'Own burn (warning)';
SELECT monitoring.drop_slo('Own');
RESET ROLE;
-- As a part of the whole configuration.
SELECT monitoring.dump_config() #> '{slos,Calls}' AS dumped;
SELECT object_kind, object_name, action FROM monitoring.apply_config(
    monitoring.dump_config() || '{"slos": {"Calls": {"objective_percent": 99, "metric_name": "slo_latency", "threshold": 1}}}')
WHERE action <> 'same';
SELECT objective_percent, metric_name, total, (SELECT count(*) FROM monitoring_internal.slo_hours) AS hours FROM monitoring.slo_definitions;
-- One that cannot be counted costs itself, and says so.
SELECT monitoring.create_slo('{{ Odd "', 99, metric_name => 'slo_latency', threshold => 1) AS odd \gset
ALTER TABLE monitoring_internal.slo_hours ADD CONSTRAINT broken CHECK (slo_id <> :odd);
SELECT monitoring.refresh_slos('2031-04-05 15:00Z');
SELECT slo_name, last_error, counted_until FROM monitoring.slos ORDER BY 1;
SELECT annotations ->> 'summary' AS summary FROM monitoring.alert_rules WHERE rule_name = '{{ Odd " burn (warning)';
ROLLBACK;
