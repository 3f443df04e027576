-- The start of work in a copy of a database.

CREATE FUNCTION monitoring.activate() RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF monitoring_internal.is_active() THEN
        RETURN false;
    END IF;
    -- Transaction ids of the original mean nothing here.
    PERFORM monitoring_internal.rollup_rebaseline();
    DELETE FROM monitoring.instance;
    INSERT INTO monitoring.instance (database_oid, relation_oid)
    SELECT d.oid, 'monitoring.instance'::regclass
    FROM pg_database AS d WHERE d.datname = current_database();
    PERFORM monitoring_internal.wake_worker();
    RETURN true;
END
$$;
COMMENT ON FUNCTION monitoring.activate() IS
    'Lets worker and courier work in this database, which is a restored or otherwise copied one; '
    'false if they were active already';

-- What has no primary key could neither be updated nor deleted from once somebody makes a publication
-- FOR ALL TABLES.
ALTER TABLE monitoring_internal.rollup_corrections REPLICA IDENTITY FULL;
ALTER TABLE monitoring_internal.rollup_pending REPLICA IDENTITY FULL;
ALTER TABLE monitoring.notification_log REPLICA IDENTITY FULL;
ALTER TABLE monitoring.probe_results REPLICA IDENTITY FULL;
