-- Events: queue monitoring runs, status changes, administrative actions.

CREATE TABLE public.monitoring_events (
    id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
    event_type text NOT NULL,
    details jsonb DEFAULT '{}'::jsonb,
    created_at timestamptz DEFAULT pg_catalog.now()
);
COMMENT ON TABLE public.monitoring_events IS
    'Significant events: queue monitoring runs, health status changes, administrative actions';
COMMENT ON COLUMN public.monitoring_events.id IS 'Key of the event';
COMMENT ON COLUMN public.monitoring_events.event_type IS 'What kind of event it is';
COMMENT ON COLUMN public.monitoring_events.details IS 'Whatever belongs to it, an object';
COMMENT ON COLUMN public.monitoring_events.created_at IS 'When it happened';
SELECT pg_catalog.pg_extension_config_dump('public.monitoring_events', '');

CREATE INDEX monitoring_events_created_at ON public.monitoring_events (created_at);

CREATE FUNCTION monitoring.log_event(event_type text, details jsonb DEFAULT '{}')
RETURNS uuid
AS 'MODULE_PATHNAME', 'monitoring_log_event' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION monitoring.log_event(text, jsonb) IS
    'Logs an event in public.monitoring_events and returns its id. '
    'Errors: 22004 for a NULL type.';

CREATE FUNCTION public.purge_old_monitoring_events(retention_days integer DEFAULT 30)
RETURNS integer
AS 'MODULE_PATHNAME', 'monitoring_purge_old_events' LANGUAGE C VOLATILE PARALLEL UNSAFE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION public.purge_old_monitoring_events(integer) IS
    'Removes events older than this many days and returns how many. '
    'Errors: 22023 for a negative number of days or NULL.';
