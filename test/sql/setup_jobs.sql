-- Jobs and the worker's SQL surface, as far as no clock and no process shows.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';

SELECT job_name, schedule, runner FROM monitoring.jobs ORDER BY job_name;

-- Schedules: pg_cron's five fields, in UTC whatever the session's time zone.
SET timezone = 'Asia/Kolkata';
SELECT monitoring_internal.next_run('5 * * * *', '2026-03-01 10:05:00+00') AT TIME ZONE 'UTC' AS hourly,
       monitoring_internal.next_run('0 0 * * 0', '2026-03-01 00:00:00+00') AT TIME ZONE 'UTC' AS weekly,
       monitoring_internal.next_run('[1-59] seconds', NULL) IS NULL AS strict;
RESET timezone;
SELECT monitoring_internal.next_run('30 seconds', '2026-03-01 10:05:00+00') AT TIME ZONE 'UTC' AS seconds,
       monitoring_internal.next_run('0 0 30 2 *', '2026-03-01 10:05:00+00') AS never,
       monitoring_internal.next_run('* * * * *', 'infinity') AS no_end;
SELECT monitoring_internal.next_run('60 * * * *', '2026-03-01');
SELECT monitoring_internal.next_run('0 0 * foo *', '2026-03-01');
SELECT monitoring_internal.next_run('', '2026-03-01');

-- CREATE EXTENSION has activated itself; a copy has not.
SELECT monitoring_internal.is_active(), monitoring.activate() AS activated_now;
UPDATE monitoring.instance SET relation_oid = 1;
SELECT monitoring_internal.is_active(), monitoring.activate() AS activated_now;
SELECT monitoring_internal.is_active(), count(*) FROM monitoring.instance;

-- Settings have limits and units.
SELECT name, setting, unit, context FROM pg_settings
WHERE name IN ('monitoring.collect_interval', 'monitoring.flush_interval', 'monitoring.rollup_interval',
               'monitoring.queue_check_interval', 'monitoring.health_check_interval',
               'monitoring.naptime', 'monitoring.duty_timeout', 'monitoring.duty_lock_timeout')
ORDER BY name COLLATE "C";
SET monitoring.naptime = '1s';
SET monitoring.no_such_setting = 1;
