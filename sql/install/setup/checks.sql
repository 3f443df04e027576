-- What is wrong with a row of configuration, said in words, and before the server would say it by
-- showing the whole row.

CREATE FUNCTION monitoring_internal.check_values() RETURNS trigger
AS 'MODULE_PATHNAME', 'monitoring_check_values' LANGUAGE C
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring_internal.check_values() IS
    'Trigger: refuses a row with a value that nothing could use, and says what is allowed; with the '
    'argument constraints only what the constraints of the table refuse';

-- The last of the triggers before a row is written: by name.
DO $$
DECLARE
    configuration text;
BEGIN
    FOREACH configuration IN ARRAY ARRAY[
        'alert_rules', 'thresholds', 'response_limits', 'routes', 'inhibit_rules', 'time_intervals',
        'silences', 'escalations', 'watchdogs', 'receivers', 'queues', 'collectors', 'probes',
        'retention', 'health_thresholds', 'metric_definitions', 'secrets', 'worker_heartbeats']
    LOOP
        EXECUTE pg_catalog.format('CREATE TRIGGER values_are_usable BEFORE INSERT OR UPDATE'
            ' ON monitoring.%I FOR EACH ROW EXECUTE FUNCTION monitoring_internal.check_values()',
            configuration);
    END LOOP;
END $$;
CREATE TRIGGER values_are_usable BEFORE INSERT OR UPDATE ON monitoring_internal.metric_snapshots
    FOR EACH ROW EXECUTE FUNCTION monitoring_internal.check_values();
CREATE TRIGGER values_are_usable BEFORE INSERT OR UPDATE ON monitoring_internal.enabled_packs
    FOR EACH ROW EXECUTE FUNCTION monitoring_internal.check_values();
-- What is told of the past may be of any time.
CREATE TRIGGER values_are_usable BEFORE INSERT OR UPDATE ON public.monitoring_events
    FOR EACH ROW EXECUTE FUNCTION monitoring_internal.check_values('constraints');
CREATE TRIGGER values_are_usable BEFORE INSERT OR UPDATE ON monitoring.worker_issues
    FOR EACH ROW EXECUTE FUNCTION monitoring_internal.check_values('constraints');

-- In place of the constraint's name in the message.
COMMENT ON CONSTRAINT for_is_not_negative ON monitoring.alert_rules IS
    'for_duration must not be negative';
COMMENT ON CONSTRAINT keep_firing_for_is_not_negative ON monitoring.alert_rules IS
    'keep_firing_for must not be negative';
COMMENT ON CONSTRAINT expected_every_is_usable ON monitoring.worker_heartbeats IS
    'expected_every must be longer than 0 and at most 100 years';
COMMENT ON CONSTRAINT evaluate_every_is_a_second ON monitoring.alert_rules IS
    'evaluate_every must be at least a second';
COMMENT ON CONSTRAINT source_names_its_schema ON monitoring.queues IS
    'source must be a relation with its schema, for example app.jobs';
COMMENT ON CONSTRAINT table_has_source ON monitoring.queues IS
    'a queue of kind table needs its source: a relation with its schema, for example app.jobs';
COMMENT ON CONSTRAINT retention_kind_check ON monitoring.retention IS
    'there is no such kind of retention';
