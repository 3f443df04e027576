-- examples/runbook.sql: severities P0 to P3 to Slack, e-mail, text messages and, without an
-- acknowledgement, the CTO.
\set example runbook.sql
\getenv srcdir PG_ABS_SRCDIR
\set shared :srcdir '/sql/gallery.psql'
\set ECHO none
\i :shared
\o /dev/null
\i :example
\o
\i :again
\set ECHO all
SELECT count(*) FROM monitoring.alert_rules;

RESET ROLE;
\o /dev/null
SELECT pg_temp.counter('http_requests_total', '{}', 100, 100),
       pg_temp.counter('http_errors_total', '{}', 0.05, 2),
       pg_temp.gauge('http_request_duration_seconds', '{}', 0.3, 1.4),
       pg_temp.gauge('db_connections_max', '{}', 100, 100),
       pg_temp.gauge('http_requests_per_minute', '{}', 6000, 13000),
       pg_temp.gauge('health_check', '{}', 1, 0, '25 minutes');
-- Up the whole day before.
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, "timestamp")
SELECT 'health_check', 1, '{}', t
FROM generate_series(pg_temp.at('-1 day'), pg_temp.at('-61 minutes'), '30 seconds') AS t;
-- Connections come back by and by: below P0 and its resolve_at, then above resolve_at of P1, then below.
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, "timestamp")
SELECT 'db_connections_active', CASE WHEN at <= pg_temp.at('0') THEN 40 WHEN at <= pg_temp.at('20 minutes') THEN 97
       WHEN at <= pg_temp.at('25 minutes') THEN 92 WHEN at <= pg_temp.at('30 minutes') THEN 82 ELSE 60 END, '{}', at
FROM pg_temp.samples(0, 0, '0', '2 hours');
-- What is usual at this hour: 6000 requests a minute on the four days before.
INSERT INTO monitoring.aggregated_metrics (metric_name, period, period_start, avg_value, sum_value,
                                           count_value, dimensions)
SELECT 'http_requests_per_minute', 'hourly', pg_temp.at('0') - d * interval '1 day', 6000, 360000, 60, '{}'
FROM generate_series(1, 4) AS d;
CALL pg_temp.play('-1 minute', '12 minutes');
\o
-- Nobody has acknowledged the service's outage; somebody is at the pool.
\o /dev/null
SELECT monitoring.acknowledge(fingerprint, 'on it') FROM monitoring.alerts
WHERE rule_name <> 'ServiceDown' AND state = 'firing' AND severity = 'P0' AND NOT outranked;
\o
CALL pg_temp.play('13 minutes', '45 minutes');
SELECT rule_name, severity, pending, firing, resolved FROM pg_temp.timeline ORDER BY rule_name, severity;
SELECT alert, severity, receiver, reason, after, says FROM pg_temp.told
ORDER BY alert, severity, receiver, after;
SELECT rule_name, severity, acknowledged_at IS NOT NULL AS acknowledged, acknowledge_within
FROM monitoring.alert_acknowledgements ORDER BY rule_name, severity;

-- Nothing in the runbook is P3; it would go to Slack alone.
SELECT receiver FROM monitoring.explain_route('{"alertname": "Typo", "severity": "P3"}')
WHERE receiver IS NOT NULL;

-- The other reading of the runbook is a change of data: below 99 % is P0.
UPDATE monitoring.thresholds SET levels = '[{"severity": "P0", "bound": 99}]'
WHERE rule_id = (SELECT id FROM monitoring.alert_rules WHERE rule_name = 'UptimeLow');
CALL pg_temp.play('46 minutes', '46 minutes');
SELECT rule_name, severity, state FROM monitoring.alerts WHERE rule_name = 'UptimeLow' ORDER BY severity;
ROLLBACK;
