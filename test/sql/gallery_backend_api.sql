-- examples/backend_api.sql: each alert fires after its time on data made for it, resolves, and reaches
-- whom the routes say.
\set example backend_api.sql
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

\o /dev/null
SELECT pg_temp.gauge('up', '{"job": "platform-api"}', 1, 0),
       pg_temp.gauge('up', '{"job": "other"}', 0, 0),
       pg_temp.counter('api_requests_total', '{"path": "/trpc/user.get", "status": "200"}', 10, 10),
       pg_temp.counter('api_request_errors_total', '{"path": "/trpc/user.get"}', 0.1, 1),
       pg_temp.gauge('api_request_duration_seconds', '{}', 0.1, 1.2),
       pg_temp.counter('rls_violations_total', '{"table": "users", "operation": "INSERT"}', 0.01, 0.3);
-- 81 of 100 connections would be 81 % whatever the server allows.
SELECT pg_temp.gauge('db_connections_active', '{}', 0.5 * n, 0.9 * n)
FROM (SELECT current_setting('max_connections')::float8) AS most(n);
CALL pg_temp.play('-1 minute', '12 minutes');
CALL pg_temp.play('20 minutes', '30 minutes', '10 minutes');
CALL pg_temp.play('31 minutes', '45 minutes');
\o
SELECT rule_name, severity, pending, firing, resolved FROM pg_temp.timeline ORDER BY rule_name;
SELECT alert, receiver, reason, after, says FROM pg_temp.told ORDER BY alert, receiver, after;
-- What the message says beside its title.
SELECT alert, payload #>> '{attachments,0,color}' AS color, payload ->> 'channel' AS channel,
       payload #>> '{attachments,0,blocks,0,text,text}' AS text
FROM pg_temp.told WHERE kind = 'slack' AND reason = 'first' ORDER BY alert;
ROLLBACK;
