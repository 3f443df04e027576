-- Privileges: with Supabase's default privileges in force before CREATE EXTENSION, nobody but the
-- owner can do anything, until access is granted.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS monitoring CASCADE;
DROP SCHEMA IF EXISTS monitoring;
CREATE ROLE regress_anon;
CREATE ROLE regress_authenticated;
CREATE ROLE regress_service_role;
CREATE ROLE regress_reader;
CREATE ROLE regress_writer;
CREATE ROLE regress_operator;
RESET client_min_messages;
GRANT USAGE ON SCHEMA public TO regress_anon, regress_authenticated, regress_service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public
    GRANT ALL ON TABLES TO regress_anon, regress_authenticated, regress_service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public
    GRANT ALL ON FUNCTIONS TO regress_anon, regress_authenticated, regress_service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public
    GRANT ALL ON SEQUENCES TO regress_anon, regress_authenticated, regress_service_role;
-- And worse: without a schema, with the right to grant on.
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO regress_authenticated WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO regress_authenticated WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO regress_authenticated WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TYPES TO regress_authenticated WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO regress_authenticated WITH GRANT OPTION;
CREATE EXTENSION monitoring;

-- Everything that the extension made, from the catalog: what a role could do with it.
CREATE VIEW pg_temp.member AS
SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid
WHERE d.refclassid = 'pg_extension'::regclass AND e.extname = 'monitoring' AND d.deptype = 'e';
CREATE FUNCTION pg_temp.allowed(role name) RETURNS TABLE (object text, privilege text)
LANGUAGE sql AS $$
    SELECT c.oid::regclass::text, p FROM pg_temp.member m JOIN pg_class c ON c.oid = m.objid,
        unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) p
    WHERE m.classid = 'pg_class'::regclass AND c.relkind IN ('r', 'p', 'v', 'm')
        AND has_table_privilege(role, c.oid, p)
    UNION ALL
    SELECT c.oid::regclass::text, p FROM pg_temp.member m JOIN pg_class c ON c.oid = m.objid,
        unnest('{USAGE,SELECT,UPDATE}'::text[]) p
    WHERE m.classid = 'pg_class'::regclass AND c.relkind = 'S'
        AND has_sequence_privilege(role, c.oid, p)
    UNION ALL
    SELECT c.oid::regclass::text, p || ' of a column'
    FROM pg_temp.member m JOIN pg_class c ON c.oid = m.objid,
        unnest('{SELECT,INSERT,UPDATE,REFERENCES}'::text[]) p
    WHERE m.classid = 'pg_class'::regclass AND c.relkind IN ('r', 'p', 'v', 'm')
        AND has_any_column_privilege(role, c.oid, p) AND NOT has_table_privilege(role, c.oid, p)
    UNION ALL
    SELECT m.objid::regprocedure::text, 'EXECUTE' FROM pg_temp.member m
    WHERE m.classid = 'pg_proc'::regclass AND has_function_privilege(role, m.objid, 'EXECUTE')
    UNION ALL
    SELECT t.oid::regtype::text, 'USAGE' FROM pg_temp.member m JOIN pg_type t ON t.oid = m.objid
    WHERE m.classid = 'pg_type'::regclass AND t.typcategory <> 'A' AND t.typrelid = 0
        AND has_type_privilege(role, t.oid, 'USAGE')
    UNION ALL
    SELECT 'schema monitoring', p FROM unnest('{USAGE,CREATE}'::text[]) p
    WHERE has_schema_privilege(role, 'monitoring', p)
$$;
SELECT count(*) > 10 AS relations FROM pg_temp.member WHERE classid = 'pg_class'::regclass;
SELECT count(*) > 10 AS functions FROM pg_temp.member WHERE classid = 'pg_proc'::regclass;
SELECT role, a.* FROM unnest('{regress_anon,regress_authenticated,regress_service_role}'::name[])
    role, pg_temp.allowed(role) a ORDER BY 1, 2, 3;
SELECT 'public' AS role, c.oid::regclass FROM pg_temp.member m JOIN pg_class c ON c.oid = m.objid,
    LATERAL aclexplode(c.relacl) a WHERE m.classid = 'pg_class'::regclass AND a.grantee = 0;

-- The same for what is made at run time.
CREATE TABLE monitoring.made_later (x integer);
SELECT has_table_privilege('regress_authenticated', 'monitoring.made_later', 'SELECT') AS before;
SELECT monitoring_internal.protect_relation('monitoring.made_later');
SELECT has_table_privilege('regress_authenticated', 'monitoring.made_later', 'SELECT') AS after;
DROP TABLE monitoring.made_later;

-- As these roles see it.
SET ROLE regress_anon;
SELECT public.get_system_health();
SELECT * FROM public.monitoring_events;
SELECT public.purge_old_monitoring_events();
SELECT monitoring.log_event('x');
RESET ROLE;

-- The grant that document 001's rpc needs.
GRANT EXECUTE ON FUNCTION public.get_system_health() TO regress_service_role;
SET ROLE regress_service_role;
SELECT public.get_system_health() ->> 'overall_status' IS NOT NULL AS answered;
RESET ROLE;

SELECT monitoring.grant_access('regress_reader', 'reader');
SELECT monitoring.grant_access(role_name => 'regress_writer', access_level => 'writer');
SELECT monitoring.grant_access('regress_operator', 'operator');

-- A reader reads all but secrets and changes nothing.
SELECT DISTINCT privilege FROM pg_temp.allowed('regress_reader') ORDER BY 1;
SELECT * FROM pg_temp.allowed('regress_reader') WHERE object LIKE '%secrets';
SELECT has_column_privilege('regress_operator', 'monitoring.secrets', 'secret_value', 'SELECT');
SET ROLE regress_reader;
SELECT count(*) >= 0 AS reads FROM public.queue_monitoring_view;
SELECT count(*) >= 0 AS reads FROM monitoring.worker_status;
-- Every view, with the functions that it calls.
DO $$
DECLARE viewed regclass;
BEGIN
    FOR viewed IN SELECT c.oid FROM pg_class c WHERE c.relkind = 'v'
        AND c.oid IN (SELECT d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
                      WHERE e.extname = 'monitoring' AND d.deptype = 'e') LOOP
        EXECUTE format('SELECT * FROM %s', viewed);
    END LOOP;
END
$$;
SELECT public.get_system_health() ->> 'overall_status' IS NOT NULL AS answered;
SELECT monitoring.health_check() ->> 'status' IS NOT NULL AS answered;
SELECT monitoring.readiness() ->> 'status' IS NOT NULL AS answered;
SELECT monitoring.log_event('x');
INSERT INTO monitoring.queues (queue_name, source) VALUES ('q', 'a.b');
RESET ROLE;

-- A writer adds, and reads nothing.
SET ROLE regress_writer;
SELECT monitoring.log_worker_issue('w', 't', 'm') AS id \gset
SELECT monitoring.resolve_worker_issue(:'id', 'done');
SELECT monitoring.log_event('x') IS NOT NULL AS logged;
SELECT monitoring.heartbeat('w'), monitoring.forget_worker('w');
INSERT INTO public.monitoring_events (event_type) VALUES ('x');
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value) VALUES ('x', 1);
INSERT INTO public.system_metrics (metric_name, metric_value) VALUES ('x', 1);
SELECT * FROM monitoring.pipeline_metrics;
SELECT * FROM public.monitoring_events;
SELECT message FROM monitoring.worker_issues;
SELECT monitoring.check_queues();
RESET ROLE;

-- An operator configures and runs.
SET ROLE regress_operator;
INSERT INTO monitoring.queues (queue_name, source) VALUES ('mine', 'pg_catalog.pg_class');
SELECT monitoring.check_queues() >= 0 AS checked;
DELETE FROM monitoring.queues WHERE queue_name = 'mine';
INSERT INTO monitoring.health_thresholds (check_name, warning) VALUES ('error_rate', 0.5);
SELECT monitoring.evaluate_alerts(now()) >= 0 AS evaluated;
DELETE FROM monitoring.health_thresholds;
SELECT monitoring.grant_access('regress_anon', 'reader');
RESET ROLE;

\set SHOW_CONTEXT never
SELECT monitoring.grant_access('regress_reader', 'admin');
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.grant_access('regress_nobody', 'reader');
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.grant_access('public', 'reader');
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.grant_access(NULL, 'reader');
\echo :LAST_ERROR_SQLSTATE

DROP EXTENSION monitoring CASCADE;
DROP SCHEMA monitoring;
DROP OWNED BY regress_anon, regress_authenticated, regress_service_role, regress_reader,
    regress_writer, regress_operator;
DROP ROLE regress_anon, regress_authenticated, regress_service_role, regress_reader,
    regress_writer, regress_operator;
