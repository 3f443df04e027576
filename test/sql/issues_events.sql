-- Events and their purge.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
RESET client_min_messages;
-- A worker of this database, if there is one, waits meanwhile.
DO $$ BEGIN PERFORM monitoring.pause_worker(); EXCEPTION WHEN object_not_in_prerequisite_state THEN END $$;

BEGIN;
DELETE FROM public.monitoring_events;
INSERT INTO public.monitoring_events (event_type) VALUES ('system_reset');
SELECT monitoring.log_event('dead_letter_purge', '{"queue": "imports"}') IS NOT NULL AS logged;
SELECT monitoring.log_event(event_type => 'admin') IS NOT NULL AS logged;
SELECT event_type, details, created_at = now() AS created_now
FROM public.monitoring_events ORDER BY event_type;

-- The purge: by days, the boundary stays, rows without a time stay.
INSERT INTO public.monitoring_events (event_type, created_at)
VALUES ('31 days', now() - interval '744 hours'), ('30 days', now() - interval '720 hours'),
       ('1 day', now() - interval '25 hours'), ('never', NULL), ('old', '-infinity'),
       ('future', 'infinity');
SELECT public.purge_old_monitoring_events();
SELECT public.purge_old_monitoring_events(30);
SELECT public.purge_old_monitoring_events(retention_days => 1);
SELECT public.purge_old_monitoring_events(2147483647);
SELECT public.purge_old_monitoring_events(0);
SELECT event_type FROM public.monitoring_events ORDER BY event_type;
ROLLBACK;

\set SHOW_CONTEXT never
SELECT public.purge_old_monitoring_events(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT public.purge_old_monitoring_events(-1);
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.log_event(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.log_event('');
\echo :LAST_ERROR_SQLSTATE

-- SECURITY DEFINER, with a search_path of its own: a temporary table or the caller's operator is
-- never reached.
SELECT prosecdef, proconfig FROM pg_proc WHERE proname = 'purge_old_monitoring_events';

DO $$
BEGIN
    PERFORM monitoring.resume_worker();
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    NULL;
END
$$;
