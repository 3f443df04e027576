-- examples/ai_platform.sql: six figures of the application's own tables; critical pages, warning goes to
-- Slack, info is recorded.
\set example ai_platform.sql
\getenv srcdir PG_ABS_SRCDIR
\set shared :srcdir '/sql/gallery.psql'
\set ECHO none
\i :shared
CREATE TABLE public.ai_action_ledger (created_at timestamptz, status text, error_message text, action text,
                                      total_tokens int, cost_usd numeric, model text);
CREATE TABLE public.ingest_jobs (status text, created_at timestamptz, completed_at timestamptz);
CREATE TABLE public.audit_log (created_at timestamptz);
\o /dev/null
\i :example
\o
\i :again
\set ECHO all
SELECT count(*) FROM monitoring.alert_rules;

-- An action a minute, and one audited. For an hour from midnight on more of everything: one action of
-- ten fails, then, in the second half hour, all of them.
\o /dev/null
INSERT INTO ai_action_ledger (created_at, status, total_tokens, cost_usd)
SELECT t, CASE WHEN t > pg_temp.at('30 minutes') AND t <= pg_temp.at('1 hour') THEN 'error'
               WHEN t > pg_temp.at('0') AND t <= pg_temp.at('30 minutes')
                    AND extract(minute FROM t)::int % 10 = 0 THEN 'error' ELSE 'success' END,
       CASE WHEN t > pg_temp.at('0') AND t <= pg_temp.at('1 hour') THEN 30000 ELSE 1000 END,
       CASE WHEN t > pg_temp.at('0') AND t <= pg_temp.at('1 hour') THEN 3.00 ELSE 0.10 END
FROM generate_series(pg_temp.at('-2 hours'), pg_temp.at('4 hours'), '1 minute') AS t;
INSERT INTO audit_log
SELECT t FROM generate_series(pg_temp.at('-5 days'), pg_temp.at('4 hours'), '1 minute') AS t,
     generate_series(1, CASE WHEN t > pg_temp.at('0') AND t <= pg_temp.at('1 hour') THEN 4 ELSE 1 END);
-- Jobs are done within 10 seconds; those of the bad hour take 45 seconds, then 90.
INSERT INTO ingest_jobs
SELECT 'completed', t, t + CASE WHEN t > pg_temp.at('30 minutes') AND t <= pg_temp.at('1 hour') THEN interval '90 s'
                                WHEN t > pg_temp.at('0') AND t <= pg_temp.at('1 hour') THEN interval '45 s'
                                ELSE interval '10 s' END
FROM generate_series(pg_temp.at('-2 hours'), pg_temp.at('4 hours'), '1 minute') AS t;
-- 50 jobs wait; 100 at 10 minutes, 1001 at 20; all are taken at one hour.
INSERT INTO ingest_jobs SELECT 'pending', pg_temp.at('-1 hour') FROM generate_series(1, 50);
INSERT INTO ingest_jobs SELECT 'pending', pg_temp.at('10 minutes') FROM generate_series(1, 50);
INSERT INTO ingest_jobs SELECT 'pending', pg_temp.at('20 minutes') FROM generate_series(1, 901);
CALL pg_temp.play('-5 minutes', '1 hour', '5 minutes');
UPDATE ingest_jobs SET status = 'running' WHERE status = 'pending';
CALL pg_temp.play('65 minutes', '2 hours 15 minutes', '5 minutes');
\o
SELECT rule_name, severity, firing, resolved FROM pg_temp.timeline ORDER BY rule_name, severity;
SELECT alert, severity, receiver, reason, after, says FROM pg_temp.told
ORDER BY alert, severity, receiver, after;
-- A resolve closes what its trigger opened.
SELECT alert, payload ->> 'dedup_key' = first_value(payload ->> 'dedup_key') OVER (PARTITION BY alert ORDER BY after)
       AS same_key, payload ->> 'event_action' AS action
FROM pg_temp.told WHERE kind = 'pagerduty' ORDER BY alert, after;
-- Without history nothing is unusual.
DELETE FROM audit_log WHERE created_at < pg_temp.at('-30 hours');
INSERT INTO audit_log SELECT pg_temp.at('2 hours 16 minutes') FROM generate_series(1, 500);
CALL pg_temp.play('140 minutes', '140 minutes');
SELECT state FROM monitoring.alerts WHERE rule_name = 'audit_activity_hourly';
ROLLBACK;
