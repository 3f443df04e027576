-- Functions for supabase.rpc.

CREATE FUNCTION monitoring.setup_supabase() RETURNS void
AS 'MODULE_PATHNAME', 'monitoring_setup_supabase' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring.setup_supabase() IS
    'Makes public.record_metric, public.log_worker_issue and public.get_active_alerts for '
    'supabase.rpc, and grants them and public.get_system_health to service_role alone. '
    'Errors: 42704 without a role service_role.';
