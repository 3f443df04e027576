-- Functions for supabase.rpc, and views for supabase.from.

CREATE FUNCTION monitoring.setup_supabase() RETURNS void
AS 'MODULE_PATHNAME', 'monitoring_setup_supabase' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring.setup_supabase() IS
    'Makes in public what supabase-js reaches: for supabase.rpc the functions record_metric, '
    'log_worker_issue, heartbeat, log_event, counter_inc, gauge_set, histogram_observe, acknowledge, '
    'silence, expire_silence and get_active_alerts; for supabase.from, to insert only, the views '
    '"monitoring.pipeline_metrics" and "monitoring.worker_issues". Grants them and '
    'public.get_system_health to service_role alone. '
    'Errors: 42704 without a role service_role, 42723 or 42P07 where somebody else''s function or '
    'relation has the name.';
