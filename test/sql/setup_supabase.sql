-- Functions for supabase.rpc: service_role alone may call them; they go with the extension.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
RESET client_min_messages;
\set SHOW_CONTEXT never

BEGIN;
SELECT monitoring.setup_supabase();
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;

BEGIN;
CREATE ROLE service_role;
CREATE ROLE anon;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON FUNCTIONS TO anon, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO anon, service_role;
CREATE FUNCTION public.log_worker_issue(text, text, text, text, jsonb) RETURNS uuid
LANGUAGE sql AS 'SELECT NULL::uuid';
SAVEPOINT s;
-- Somebody else's function stays.
SELECT monitoring.setup_supabase();
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
DROP FUNCTION public.log_worker_issue;
SAVEPOINT s;
-- Nor does a relation of somebody else, in the shape of ours or not, become ours.
CREATE TABLE public."monitoring.worker_issues" (a integer);
SELECT monitoring.setup_supabase();
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
CREATE VIEW public."monitoring.worker_issues" AS SELECT * FROM monitoring.worker_issues WHERE resolved;
SELECT monitoring.setup_supabase();
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
CREATE ROLE regress_mallory;
GRANT CREATE, USAGE ON SCHEMA public TO regress_mallory;
CREATE VIEW public."monitoring.pipeline_metrics" AS
SELECT id, metric_name, metric_value, tags, "timestamp", created_at FROM monitoring.pipeline_metrics;
ALTER VIEW public."monitoring.pipeline_metrics" OWNER TO regress_mallory;
SELECT monitoring.setup_supabase();
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
-- What a dump brought back is ours without its dependency on the extension, and gets it again.
CREATE VIEW public."monitoring.pipeline_metrics" AS
SELECT id, metric_name, metric_value, tags, "timestamp", created_at FROM monitoring.pipeline_metrics;
SELECT monitoring.setup_supabase();
SELECT monitoring.setup_supabase();
SELECT p.oid::regprocedure, r.role, has_function_privilege(r.role, p.oid, 'EXECUTE') AS may
FROM pg_proc p, (VALUES ('anon'), ('service_role')) AS r(role)
WHERE p.pronamespace = 'public'::regnamespace AND p.proname IN
    ('record_metric', 'log_worker_issue', 'heartbeat', 'log_event', 'counter_inc', 'gauge_set',
     'histogram_observe', 'acknowledge', 'silence', 'expire_silence', 'get_active_alerts',
     'get_system_health', 'purge_old_monitoring_events')
ORDER BY p.proname, r.role;
SELECT c.relname, r.role, string_agg(p.privilege, ', ') AS may
FROM pg_class c, (VALUES ('anon'), ('service_role')) AS r(role),
     unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,TRIGGER}'::text[]) AS p(privilege)
WHERE c.relnamespace = 'public'::regnamespace AND c.relname LIKE 'monitoring.%'
  AND has_table_privilege(r.role, c.oid, p.privilege)
GROUP BY 1, 2 ORDER BY 1, 2;
INSERT INTO monitoring.alerts (fingerprint, rule_id, rule_name, severity, labels, annotations, state,
                               origin, active_at, written_at)
SELECT state, 1, 'Rule', 'warning', '{}', '{}', state, 'element', now(), now()
FROM unnest('{pending,firing,resolved}'::text[]) state;
SET LOCAL ROLE service_role;
SELECT rule_name, state FROM public.get_active_alerts();
SELECT public.log_worker_issue(worker_name => 'edge', issue_type => 'timeout', message => 'slow')
    IS NOT NULL AS logged;
SET LOCAL client_min_messages = error;
SELECT public.record_metric(metric_name => 'edge_ms', metric_value => 5, tags => '{"a": "b"}');
RESET client_min_messages;
SELECT public.log_event(event_type => 'deployed', details => '{"version": "7"}') IS NOT NULL AS logged;
SELECT public.heartbeat(worker_name => 'edge');
SELECT public.acknowledge(fingerprint => 'firing', note => 'on it');
SELECT public.silence(matchers => ARRAY['alertname=Rule'], duration => '1 hour', comment => 'deploy') AS silence \gset
SELECT public.expire_silence(id => :'silence');
-- No more than that.
SAVEPOINT s;
UPDATE monitoring.alerts SET state = 'resolved';
ROLLBACK TO s;
SELECT monitoring.create_alert('Mine', 'SELECT 1 AS value');
ROLLBACK TO s;
SELECT public.get_system_health() ? 'overall_status' AS answered;
SAVEPOINT s;
SELECT * FROM monitoring.pipeline_metrics;
ROLLBACK TO s;
SET LOCAL ROLE anon;
SELECT public.log_worker_issue('edge', 'timeout', 'slow');
ROLLBACK TO s;
SET LOCAL ROLE anon;
SELECT * FROM public.get_active_alerts();
ROLLBACK TO s;
RESET ROLE;
SELECT worker_name, message FROM monitoring.worker_issues WHERE worker_name = 'edge';
SELECT acknowledged_by FROM monitoring.alerts WHERE fingerprint = 'firing';
SELECT created_by, comment, ends_at = now() AS over FROM monitoring.silences WHERE id = :'silence';

-- Document 001's inserts, as PostgREST 12 writes them: its role, its settings, one argument of JSON.
CREATE FUNCTION pg_temp.as_postgrest(statement text, payload json) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer record;
BEGIN
    PERFORM set_config('search_path', '"public"', true), set_config('role', 'service_role', true),
        set_config('request.jwt.claims', '{"role":"service_role"}', true),
        set_config('request.method', 'POST', true), set_config('request.path', '/', true),
        set_config('request.headers', '{"prefer":"return=minimal"}', true),
        set_config('request.cookies', '{}', true);
    EXECUTE statement INTO answer USING payload;
    RESET ROLE;
    RESET search_path;
    RETURN answer.page_total || ' ' || answer.body;
END $$;
\set payload 'WITH pgrst_source AS (INSERT INTO "public".%I(%s) SELECT %2$s FROM (SELECT $1 AS json_data) pgrst_payload, LATERAL (SELECT CASE WHEN json_typeof(pgrst_payload.json_data) = ''array'' THEN pgrst_payload.json_data ELSE json_build_array(pgrst_payload.json_data) END AS val) pgrst_uniform_json, LATERAL (SELECT %2$s FROM json_to_recordset(pgrst_uniform_json.val) AS _(%3$s)) pgrst_body RETURNING 1) SELECT '''' AS total_result_set, pg_catalog.count(_postgrest_t) AS page_total, array[]::text[] AS header, ''''::text AS body, nullif(current_setting(''response.headers'', true), '''') AS response_headers FROM (SELECT * FROM pgrst_source) _postgrest_t'
SELECT pg_temp.as_postgrest(
    format(:'payload', 'monitoring.pipeline_metrics', '"metric_name", "metric_value", "tags"',
           '"metric_name" text, "metric_value" double precision, "tags" jsonb'),
    '{"metric_name": "queue_processing", "metric_value": 41.5,
      "tags": {"queue": "js", "success_count": 9, "error_count": 1}}');
SELECT pg_temp.as_postgrest(
    format(:'payload', 'monitoring.worker_issues',
           '"details", "issue_type", "message", "resolved", "severity", "worker_name"',
           '"details" jsonb, "issue_type" text, "message" text, "resolved" boolean, "severity" text, "worker_name" text'),
    '{"worker_name": "js", "issue_type": "timeout", "message": "slow", "severity": "warning",
      "details": {}, "resolved": false}');
SELECT metric_name, metric_value, tags, "timestamp" = now() AS now FROM monitoring.pipeline_metrics
WHERE tags ->> 'queue' = 'js';
SELECT worker_name, issue_type, severity, message, details, resolved FROM monitoring.worker_issues
WHERE worker_name = 'js';
SELECT error_count, avg_processing_time_ms FROM monitoring.queue_metrics WHERE queue_name = 'js';
SAVEPOINT s;
SET LOCAL ROLE service_role;
SELECT * FROM public."monitoring.pipeline_metrics";
ROLLBACK TO s;
SET LOCAL ROLE anon;
INSERT INTO public."monitoring.pipeline_metrics" (metric_name, metric_value) VALUES ('x', 1);
ROLLBACK TO s;

DROP EXTENSION monitoring;
SELECT (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname IN
            ('record_metric', 'log_worker_issue', 'heartbeat', 'log_event', 'counter_inc', 'gauge_set',
             'histogram_observe', 'acknowledge', 'silence', 'expire_silence', 'get_active_alerts'))
         AS functions,
       (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace
        AND relname LIKE 'monitoring.%') AS views;
ROLLBACK;

-- A function that somebody has made, and that says it is the extension's, in every disguise.
BEGIN;
CREATE ROLE service_role;
CREATE ROLE regress_mallory;
GRANT CREATE ON SCHEMA public TO regress_mallory;
CREATE FUNCTION pg_temp.try(prepare text, OUT outcome text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE prepare;
    EXECUTE 'ALTER FUNCTION public.get_active_alerts() DEPENDS ON EXTENSION monitoring';
    EXECUTE 'ALTER FUNCTION public.get_active_alerts() OWNER TO regress_mallory';
    PERFORM monitoring.setup_supabase();
    RAISE SQLSTATE 'YY000' USING MESSAGE = 'taken over';
EXCEPTION WHEN OTHERS THEN
    outcome := SQLSTATE || ': ' || SQLERRM;
END $$;
SELECT pg_temp.try(prepare) FROM unnest(ARRAY[
    'CREATE FUNCTION public.get_active_alerts() RETURNS SETOF monitoring.alerts LANGUAGE sql AS ''SELECT * FROM monitoring.alerts''',
    'CREATE FUNCTION public.get_active_alerts() RETURNS SETOF monitoring.alerts LANGUAGE plpgsql SECURITY DEFINER AS ''BEGIN END''',
    'SELECT monitoring.setup_supabase()']) AS prepare;
SELECT monitoring.setup_supabase();
SELECT p.proname, l.lanname, p.prosecdef, pg_get_userbyid(p.proowner) = current_user AS is_own
FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
WHERE p.pronamespace = 'public'::regnamespace AND p.proname IN ('record_metric', 'log_worker_issue', 'get_active_alerts')
ORDER BY 1;
ROLLBACK;
