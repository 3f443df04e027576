-- Thresholds on recorded metrics, on virtual time: levels, windows, aggregates, series, hysteresis.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
-- Rules are made before whom they lead to, which is said each time.

BEGIN;
LOCK TABLE monitoring_internal.alert_progress, monitoring.worker_issues IN EXCLUSIVE MODE;
SET LOCAL search_path = pg_catalog;
CREATE FUNCTION pg_temp.record(metric text, value float8, at text, tags jsonb DEFAULT '{}')
RETURNS float8 LANGUAGE sql
AS $$ INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, "timestamp")
      VALUES (metric, value, tags, ('2100-01-01 ' || at || '+00')::timestamptz)
      RETURNING metric_value $$;
CREATE FUNCTION pg_temp.evaluate(at text) RETURNS integer LANGUAGE sql
AS $$ SELECT monitoring.evaluate_alerts(('2100-01-01 ' || at || '+00')::timestamptz) $$;
CREATE VIEW pg_temp.now_alerts AS
SELECT labels ->> 'alertname' AS alertname, labels - '{alertname,severity}'::text[] AS labels,
       severity, state, round(value::numeric, 3) AS value, outranked, inhibited
FROM monitoring.alerts ORDER BY labels, severity DESC;

-- A ladder with hysteresis: critical hides warning, and warning stays until resolve_at.
SELECT monitoring.create_threshold('cpu', 80, 90, aggregate => 'last', resolve_at => 70,
    over_last => '1 minute', labels => '{"team": "ops"}',
    annotations => '{"summary": "CPU of {{ $labels.host }} at {{ $value }}"}') AS cpu
\gset
SELECT rule_name, language, expr, no_data FROM monitoring.alert_rules WHERE id = :cpu;
SELECT pg_temp.record('cpu', 85, '00:00', '{"host": "a"}'), pg_temp.evaluate('00:00');
SELECT * FROM pg_temp.now_alerts;
SELECT pg_temp.record('cpu', 95, '00:01', '{"host": "a"}'), pg_temp.evaluate('00:01');
SELECT * FROM pg_temp.now_alerts;
SELECT pg_temp.record('cpu', 75, '00:02', '{"host": "a"}'), pg_temp.evaluate('00:02');
SELECT * FROM pg_temp.now_alerts;
SELECT annotations FROM monitoring.alerts WHERE severity = 'warning';
-- A series that goes quiet is held; one that comes back below resolve_at resolves.
SELECT pg_temp.evaluate('00:10');
SELECT * FROM pg_temp.now_alerts;
SELECT pg_temp.record('cpu', 70, '00:11', '{"host": "a"}'), pg_temp.evaluate('00:11');
SELECT * FROM pg_temp.now_alerts;

-- The window is (at - over_last, at], and takes neither NaN nor infinities nor other series.
DELETE FROM monitoring.alert_rules;
TRUNCATE monitoring.alerts;
SELECT count(monitoring.create_threshold('m', -1e300, NULL, aggregate => a, rule_name => a))
FROM unnest('{avg,max,min,sum,last,p95}'::text[]) AS a;
SELECT count(pg_temp.record('m', v, at)) FROM (VALUES (1000::float8, '01:00:00'), (1, '01:00:01'),
    (4, '01:05:00'), (2, '01:02:00'), ('NaN', '01:03:00'), ('infinity', '01:03:00'),
    (1000, '01:05:01')) AS v(v, at);
SELECT pg_temp.evaluate('01:05');
SELECT alertname, value FROM pg_temp.now_alerts;

-- rate() is Prometheus's: resets, and extrapolation to the edges of the window. A counter of 60/min
-- that starts in mid-window is extrapolated by half a step; one sample is no rate.
DELETE FROM monitoring.alert_rules;
TRUNCATE monitoring.alerts;
SELECT monitoring.create_threshold('requests', 0, NULL, comparison => '>=', aggregate => 'rate')
    IS NOT NULL AS made;
SELECT count(pg_temp.record('requests', 1000 + 60 * i, '02:0' || i || ':30', '{"of": "steady"}'))
FROM generate_series(0, 4) AS i;
SELECT count(pg_temp.record('requests', v, at, '{"of": "reset"}'))
FROM (VALUES (100, '02:00:30'), (160, '02:01:30'), (20, '02:02:30'), (80, '02:03:30'),
      (140, '02:04:30')) AS v(v, at);
SELECT count(pg_temp.record('requests', v, at, '{"of": "late start"}'))
FROM (VALUES (0, '02:03:00'), (60, '02:04:00'), (120, '02:05:00')) AS v(v, at);
SELECT pg_temp.record('requests', 5, '02:03', '{"of": "one"}');
SELECT pg_temp.evaluate('02:05');
SELECT labels ->> 'of' AS of, value FROM pg_temp.now_alerts;

-- Series are those of the roll-ups: the metric's dimension_keys, else all tags. Tags that are no
-- object are one series without labels; matching selects; odd tag names are left out.
DELETE FROM monitoring.alert_rules;
TRUNCATE monitoring.alerts;
SELECT monitoring.create_threshold('queue_processing', 1, NULL) IS NOT NULL AS a,
       monitoring.create_threshold('odd', 1, NULL, aggregate => 'sum') IS NOT NULL AS b,
       monitoring.create_threshold('odd', 1, NULL, matching => '{"eu": true}', rule_name => 'eu')
           IS NOT NULL AS c;
SELECT pg_temp.record('queue_processing', 2, '03:00', '{"queue": "q", "batch": "1"}'),
       pg_temp.record('queue_processing', 4, '03:00', '{"queue": "q", "batch": "2"}'),
       pg_temp.record('odd', 2, '03:00', NULL), pg_temp.record('odd', 3, '03:00', '[1]'),
       pg_temp.record('odd', 4, '03:00', '{"a b": "x", "eu": true, "n": 1.50, "o": {"x": null}}');
SELECT pg_temp.evaluate('03:00');
SELECT alertname, labels, value FROM pg_temp.now_alerts;
-- A tag named severity is an error of the rule.
SELECT pg_temp.record('odd', 2, '03:01', '{"severity": "high"}'), pg_temp.evaluate('03:01');
SELECT rule_name, message FROM monitoring.alert_rule_errors ORDER BY 1;

-- No sample ever: no_data = 'alert' alerts, 'keep' has nothing to keep.
DELETE FROM monitoring.alert_rules;
TRUNCATE monitoring.alerts;
SELECT monitoring.create_threshold('none', 1, NULL, no_data => 'alert', rule_name => 'missing')
    IS NOT NULL AS a, monitoring.create_threshold('none', 1, 2) IS NOT NULL AS b;
SELECT pg_temp.evaluate('04:00');
SELECT alertname, severity, state, value FROM pg_temp.now_alerts;

-- More than twice what is usual at this hour: the median of previous days forgives one bad day.
DELETE FROM monitoring.alert_rules;
TRUNCATE monitoring.alerts;
INSERT INTO monitoring.aggregated_metrics (metric_name, period, period_start, avg_value, sum_value,
                                           count_value, dimensions)
SELECT 'sales', 'hourly', '2100-01-01 04:00+00'::timestamptz - d * interval '1 day', v, v * 10, 10,
       jsonb_build_object('shop', shop)
FROM (VALUES (1, 10::float8, 'a'), (2, 12, 'a'), (3, 500, 'a'), (2, 22, 'b'), (9, 99, 'a'))
    AS v(d, v, shop);
SELECT monitoring.metric_baseline('sales', '2100-01-01 04:30+00') AS all,
       monitoring.metric_baseline('sales', '2100-01-01 04:30+00', '{"shop": "a"}') AS a,
       monitoring.metric_baseline('sales', '2100-01-01 04:30+00', '{"shop": "b"}') AS b,
       monitoring.metric_baseline('sales', '2100-01-01 04:30+00', '{"shop": "b"}', 7, 1) AS b1,
       monitoring.metric_baseline('sales', '2100-01-01 05:30+00') AS other_hour,
       monitoring.metric_baseline('sales', 'infinity') AS never;
SET LOCAL monitoring.allow_superuser_rules = on;
SELECT monitoring.create_alert('SalesOdd', $$ SELECT 25 AS value
    WHERE 25 > 2 * monitoring.metric_baseline('sales', $1, '{"shop": "a"}') $$) IS NOT NULL AS made;
SELECT pg_temp.evaluate('04:30');
SELECT alertname, value FROM pg_temp.now_alerts;
SELECT pg_temp.evaluate('05:00');
SELECT alertname, state FROM pg_temp.now_alerts;

-- Levels downwards.
SELECT monitoring.create_threshold('disk_free', 20, 10, '<', resolve_at => 30, aggregate => 'last')
    IS NOT NULL AS made;
SELECT pg_temp.record('disk_free', 5, '05:10'), pg_temp.evaluate('05:10');
SELECT pg_temp.record('disk_free', 29, '05:11'), pg_temp.evaluate('05:11');
SELECT severity, state, value FROM pg_temp.now_alerts WHERE alertname = 'disk_free';

-- A ladder of any severities on a metric: each has its own resolve_at, a severer one hides the others,
-- and the bound itself counts where it is inclusive.
DELETE FROM monitoring.alert_rules;
TRUNCATE monitoring.alerts;
SELECT monitoring.create_ladder('PoolHigh', '[{"severity": "P0", "bound": 95, "resolve_at": 90},
    {"severity": "P1", "bound": 85, "inclusive": true}]', metric_name => 'pool', aggregate => 'max',
    over_last => '1 minute') IS NOT NULL AS made;
SELECT pg_temp.record('pool', 85, '06:00'), pg_temp.evaluate('06:00');
SELECT severity, state, value, outranked FROM pg_temp.now_alerts;
SELECT pg_temp.record('pool', 95.5, '06:01'), pg_temp.evaluate('06:01');
SELECT pg_temp.record('pool', 91, '06:02'), pg_temp.evaluate('06:02');
SELECT severity, state, value, outranked FROM pg_temp.now_alerts;
SELECT pg_temp.record('pool', 90, '06:03'), pg_temp.evaluate('06:03');
SELECT severity, state, value, outranked FROM pg_temp.now_alerts;
-- And on a query, which gives every value: what is no longer a row resolves.
CREATE TABLE pg_temp.disks (disk text, used float8);
DELETE FROM monitoring.alert_rules;
TRUNCATE monitoring.alerts;
SELECT monitoring.create_ladder('Disk', '[{"severity": "P1", "bound": 5}, {"severity": "P3", "bound": 2}]',
    expr => 'SELECT disk, used / 10 AS value FROM pg_temp.disks', for_duration => '1 minute',
    annotations => '{"summary": "{{ $labels.disk }}: {{ $value }}"}') IS NOT NULL AS made;
SELECT language, no_data FROM monitoring.alert_rules;
INSERT INTO pg_temp.disks VALUES ('a', 30), ('b', 60), ('c', 1);
SELECT pg_temp.evaluate('06:10'), pg_temp.evaluate('06:11');
SELECT labels, severity, state, value, outranked FROM pg_temp.now_alerts;
SELECT annotations FROM monitoring.alerts ORDER BY labels;
DELETE FROM pg_temp.disks WHERE disk = 'a';
UPDATE pg_temp.disks SET used = NULL;
SELECT pg_temp.evaluate('06:12');
SELECT labels, severity, state FROM pg_temp.now_alerts;

-- What a rule's own query can see of a metric: series, or sums and quantiles over several of them.
SELECT pg_temp.record('seen', 10 * i, '07:0' || i, '{"route": "a", "code": "200"}'),
       pg_temp.record('seen', 20 * i, '07:0' || i, '{"route": "b", "code": "200"}'),
       pg_temp.record('seen', i, '07:0' || i, '{"route": "b", "code": "500"}')
FROM generate_series(1, 5) AS i \g /dev/null
CREATE FUNCTION pg_temp.seen(aggregate text, by_labels text[] DEFAULT NULL, matching jsonb DEFAULT '{}')
RETURNS TABLE (labels jsonb, value numeric) LANGUAGE sql AS $$
    SELECT labels, round(value::numeric, 3)
    FROM monitoring.metric_values('seen', aggregate, '5 minutes', '2100-01-01 07:05+00', matching, by_labels)
    ORDER BY labels $$;
SELECT * FROM pg_temp.seen('increase');
SELECT * FROM pg_temp.seen('increase', '{route}');
SELECT a AS aggregate, s.* FROM unnest('{avg,max,min,sum,count,last,p50,p95,p99,rate}'::text[]) AS a,
    pg_temp.seen(a, '{}') AS s;
SELECT * FROM pg_temp.seen('count', '{code,none}', '{"route": "b"}');
SELECT count(*) FROM monitoring.metric_values('never seen');

-- What contradicts itself is refused, in a new row and in an edited one.
\set VERBOSITY terse
SAVEPOINT s;
SELECT monitoring.create_threshold('x', NULL, NULL);
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
SELECT monitoring.create_threshold('x', 90, 80);
ROLLBACK TO s;
SELECT monitoring.create_threshold('x', 80, 90, resolve_at => 85);
ROLLBACK TO s;
SELECT monitoring.create_threshold('x', 1, 2, comparison => '~');
ROLLBACK TO s;
SELECT monitoring.create_threshold('x', 1, 2, aggregate => 'median');
ROLLBACK TO s;
SELECT monitoring.create_threshold('x', 1, 2, over_last => '0');
ROLLBACK TO s;
SELECT monitoring.create_threshold('x', 1, 2, matching => '[]');
ROLLBACK TO s;
SELECT monitoring.create_threshold('x', 'NaN', 2);
ROLLBACK TO s;
SELECT monitoring.metric_baseline('x', days => 0);
ROLLBACK TO s;
SELECT monitoring.create_threshold('disk_free', 20, 10, '<') IS NOT NULL AS made;
UPDATE monitoring.thresholds SET critical = 15, warning = 10 WHERE metric_name = 'disk_free';
ROLLBACK TO s;
SELECT monitoring.create_ladder('x', '{}', metric_name => 'm');
ROLLBACK TO s;
SELECT monitoring.create_ladder('x', '[]', metric_name => 'm');
ROLLBACK TO s;
SELECT monitoring.create_ladder('x', '[{"severity": "P0", "bound": 1}, {"severity": "P1"}]', metric_name => 'm');
ROLLBACK TO s;
SELECT monitoring.create_ladder('x', '[{"severity": "P0", "bound": "1"}]', metric_name => 'm');
ROLLBACK TO s;
SELECT monitoring.create_ladder('x', '[{"severity": "P0", "bound": 1, "after": 2}]', metric_name => 'm');
ROLLBACK TO s;
SELECT monitoring.create_ladder('x', '[{"severity": "", "bound": 1}]', metric_name => 'm');
ROLLBACK TO s;
SELECT monitoring.create_ladder('x', '[{"severity": "a", "bound": 2}, {"severity": "a", "bound": 1}]',
    metric_name => 'm');
ROLLBACK TO s;
SELECT monitoring.create_ladder('x', '[{"severity": "P0", "bound": 1}, {"severity": "P1", "bound": 2}]',
    metric_name => 'm');
ROLLBACK TO s;
SELECT monitoring.create_ladder('x', '[{"severity": "P0", "bound": 1, "inclusive": true}]',
    metric_name => 'm', comparison => '>=');
ROLLBACK TO s;
SELECT monitoring.create_ladder('x', '[{"severity": "P0", "bound": 1}]');
ROLLBACK TO s;
SELECT monitoring.create_ladder('x', '[{"severity": "P0", "bound": 1}]', metric_name => 'm', expr => 'SELECT 1');
ROLLBACK TO s;
SELECT monitoring.create_ladder('x', '[{"severity": "P0", "bound": 1}]', expr => 'SELECT 1');
ROLLBACK TO s;
SET LOCAL monitoring.allow_superuser_rules = off;
SELECT monitoring.create_ladder('x', '[{"severity": "P0", "bound": 1}]', expr => 'SELECT 1 AS value');
ROLLBACK TO s;
SELECT * FROM monitoring.metric_values('m', 'median');
ROLLBACK TO s;
SELECT * FROM monitoring.metric_values('m', over_last => '0');
ROLLBACK TO s;
SELECT * FROM monitoring.metric_values('m', matching => '[]');
ROLLBACK TO s;

-- Thresholds of one owner, window, aggregate and timeout are read by one query: each sees what
-- metric_values() shows for it alone.
DELETE FROM monitoring.alert_rules;
TRUNCATE monitoring.alerts;
INSERT INTO monitoring.metric_definitions (metric_name, dimension_keys) VALUES ('mix2', '{r}');
SELECT count(pg_temp.record('mix' || i % 3, i % 17, (time '10:00' + i * interval '0.7 s')::text, tags::jsonb))
FROM generate_series(1, 400) AS i, LATERAL (SELECT (ARRAY['{"r": "x", "n": 1}', '{"r": "x", "n": 1.0}',
    '{"r": "x", "n": "1"}', '{"r": "y"}', '{}', '[1]', NULL])[1 + i % 7] AS tags) AS t;
CREATE TEMP TABLE asked ON COMMIT DROP AS
SELECT 'mix' || m AS metric, a AS aggregate, matching::jsonb,
       format('%s of mix%s with %s', a, m, matching) AS rule_name
FROM generate_series(0, 2) AS m, unnest('{avg,sum,count,last,p95,rate,increase}'::text[]) AS a,
     unnest('{"{}","{\"r\": \"x\"}","{\"n\": 1}"}'::text[]) AS matching;
SELECT count(monitoring.create_threshold(metric, -1e300, NULL, aggregate => aggregate,
    matching => matching, rule_name => rule_name)) FROM asked;
SELECT pg_temp.evaluate('10:05') > 100 AS many;
WITH seen AS (
    SELECT rule_name, labels - '{alertname,severity}'::text[] AS labels, value FROM monitoring.alerts
), alone AS (
    SELECT a.rule_name, m.labels, m.value
    FROM asked AS a, monitoring.metric_values(a.metric, a.aggregate, '5 minutes',
        '2100-01-01 10:05+00', a.matching) AS m WHERE m.value IS NOT NULL)
SELECT count(*) AS different FROM seen FULL JOIN alone USING (rule_name, labels)
WHERE seen.value IS DISTINCT FROM alone.value;

-- What goes wrong is told of the rule that it goes wrong with, and the others go on.
CREATE ROLE regress_monitoring_watcher;
SELECT monitoring.grant_access('regress_monitoring_watcher', 'reader');
DELETE FROM monitoring.alert_rules;
TRUNCATE monitoring.alerts;
SELECT count(monitoring.create_threshold(m, 1, NULL, aggregate => 'sum', timeout => '1 second',
    owner => 'regress_monitoring_watcher')) FROM unnest('{fine,huge,many,slow}'::text[]) AS m;
UPDATE monitoring.alert_rules SET row_limit = 1 WHERE rule_name = 'many';
CREATE POLICY slowly ON monitoring.pipeline_metrics
USING (metric_name <> 'slow' OR pg_sleep(600) IS NOT NULL);
SELECT pg_temp.record('fine', 2, '11:00'), pg_temp.record('huge', 1e308, '11:00'),
       pg_temp.record('huge', 1e308, '11:00') > 0, pg_temp.record('many', 2, '11:00', '{"n": "1"}'),
       pg_temp.record('many', 2, '11:00', '{"n": "2"}');
SELECT pg_temp.evaluate('11:00');
SELECT rule_name, message FROM monitoring.alert_rule_errors ORDER BY rule_name;
SELECT alertname, state FROM pg_temp.now_alerts WHERE alertname <> 'RuleEvaluationFailed';
SELECT pg_temp.record('slow', 2, '11:01');
ALTER TABLE monitoring.pipeline_metrics ENABLE ROW LEVEL SECURITY;
SELECT pg_temp.evaluate('11:01');
SELECT rule_name, message FROM monitoring.alert_rule_errors ORDER BY rule_name;
SELECT alertname, state FROM pg_temp.now_alerts WHERE alertname <> 'RuleEvaluationFailed';
ALTER TABLE monitoring.pipeline_metrics DISABLE ROW LEVEL SECURITY;
UPDATE monitoring.alert_rules SET row_limit = 2;
DELETE FROM monitoring.pipeline_metrics WHERE metric_name = 'huge';
SELECT pg_temp.evaluate('11:02');
SELECT rule_name, message FROM monitoring.alert_rule_errors ORDER BY rule_name;
SELECT alertname, labels, state FROM pg_temp.now_alerts WHERE alertname <> 'RuleEvaluationFailed';

-- It runs as its owner: who may not read the measurements may not alert on them.
CREATE ROLE regress_monitoring_app;
SAVEPOINT s;
SELECT monitoring.create_threshold('x', 1, 2, owner => 'regress_monitoring_app');
ROLLBACK TO s;
GRANT USAGE ON SCHEMA monitoring TO regress_monitoring_app;
GRANT EXECUTE ON FUNCTION monitoring.metric_values TO regress_monitoring_app;
SET LOCAL ROLE regress_monitoring_app;
SELECT * FROM monitoring.metric_values('x');
ROLLBACK;
