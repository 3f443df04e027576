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
CREATE FUNCTION public.log_worker_issue(text, text, text, text, jsonb) RETURNS uuid
LANGUAGE sql AS 'SELECT NULL::uuid';
SAVEPOINT s;
-- Somebody else's function stays.
SELECT monitoring.setup_supabase();
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
DROP FUNCTION public.log_worker_issue;
SELECT monitoring.setup_supabase();
SELECT monitoring.setup_supabase();
SELECT p.oid::regprocedure, r.role, has_function_privilege(r.role, p.oid, 'EXECUTE') AS may
FROM pg_proc p, (VALUES ('anon'), ('service_role')) AS r(role)
WHERE p.pronamespace = 'public'::regnamespace AND p.proname IN
    ('record_metric', 'log_worker_issue', 'get_active_alerts', 'get_system_health',
     'purge_old_monitoring_events')
ORDER BY p.proname, r.role;
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
DROP EXTENSION monitoring;
SELECT count(*) FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND proname IN ('record_metric', 'log_worker_issue', 'get_active_alerts');
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
