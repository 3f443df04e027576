-- A publication of all tables: every table of ours, partitions included, can still be updated and
-- deleted from, and what does that works.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
RESET client_min_messages;
SELECT count(*) > 50 AS many,
       string_agg(c.oid::regclass::text, ', ' ORDER BY c.oid::regclass::text) FILTER (
           WHERE c.relkind = 'r' AND c.relreplident = 'd' AND NOT EXISTS (
               SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary)
           OR c.relreplident = 'n') AS without_identity
FROM pg_class AS c
WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
  AND (c.relnamespace IN ('monitoring'::regnamespace, 'monitoring_internal'::regnamespace) OR c.oid = 'public.monitoring_events'::regclass);
BEGIN;
SET LOCAL client_min_messages = error;
CREATE PUBLICATION everything FOR ALL TABLES;
RESET client_min_messages;
SELECT monitoring.record_metric('published', 1);
SELECT monitoring.refresh_rollups(now() - interval '2 hours', now()) >= 0 AS rolled_up;
SELECT count(*) > 0 AS kept FROM monitoring.apply_retention();
SELECT monitoring.evaluate_alerts() >= 0 AS evaluated;
SELECT monitoring_internal.check_health() IS NOT NULL AS looked;
DO $$
DECLARE
    published regclass;
BEGIN
    FOR published IN
        SELECT c.oid FROM pg_class AS c
        WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
          AND (c.relnamespace IN ('monitoring'::regnamespace, 'monitoring_internal'::regnamespace) OR c.oid = 'public.monitoring_events'::regclass)
    LOOP
        EXECUTE format('DELETE FROM %s WHERE ctid IS NULL', published);
    END LOOP;
END
$$;
ROLLBACK;
