-- Packs: what enable_pack() makes and disable_pack() takes away, and what the collectors give.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
RESET client_min_messages;

-- All of it in one transaction, so that no worker comes between.
BEGIN;
SET LOCAL search_path = pg_catalog;
CREATE VIEW pg_temp.enabled AS
SELECT pack_name, enabled, with_alerts, collectors, alert_rules FROM monitoring.packs
ORDER BY pack_name;
CREATE FUNCTION pg_temp.sqlstate_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    RETURN sqlstate || ': ' || sqlerrm;
END $$;
SELECT * FROM pg_temp.enabled;

-- Every collector of the postgres pack works, also where the owner is a superuser and its own
-- queries are not allowed: these are the extension's.
SELECT monitoring.enable_pack('postgres') > 15 AS many, monitoring.enable_pack('host');
SELECT sum(monitoring.run_collector(collector_name)) > 500 AS many
FROM monitoring.collectors WHERE pack_name IS NOT NULL;
SELECT collector_name, last_error FROM monitoring.collectors WHERE last_error IS NOT NULL;
-- Nothing that they give is without type and help.
SELECT DISTINCT run.metric_name
FROM monitoring.collectors AS c, monitoring.preview_collector(c.collector_name) AS run
WHERE c.pack_name IS NOT NULL AND coalesce(c.metrics -> run.metric_name ->> 'help', '') = '';
-- What is changed is the user's, and no longer trusted.
UPDATE monitoring.collectors SET query = query || ' ' WHERE collector_name = 'postgres/up';
SELECT pg_temp.sqlstate_of($$SELECT monitoring.preview_collector('postgres/up')$$)
    LIKE '42501: %monitoring.allow_superuser_rules is off' AS refused;

-- Values against what the server says itself.
SELECT metric_name, value FROM monitoring.preview_collector('postgres/database')
WHERE metric_name = 'pg_database_connection_limit' AND labels ->> 'datname' = current_database();
SELECT p.metric_name, p.value = s.setting::float8 * 8192 AS equal
FROM monitoring.preview_collector('postgres/settings') AS p, pg_settings AS s
WHERE p.metric_name = 'pg_settings_shared_buffers_bytes' AND s.name = 'shared_buffers';
SELECT metric_name, value FROM monitoring.preview_collector('postgres/settings')
WHERE metric_name IN ('pg_settings_block_size', 'pg_settings_deadlock_timeout_seconds') ORDER BY metric_name COLLATE "C";
SELECT sum(value) > 0 AS there FROM monitoring.preview_collector('postgres/stat_activity')
WHERE metric_name = 'pg_stat_activity_count';
SELECT metric_type, metrics -> 'pg_stat_database_xact_commit' AS xact_commit
FROM monitoring.collectors WHERE collector_name = 'postgres/stat_database';
SELECT metric_name, labels ->> 'short_version' ~ '^[0-9.]+$' AS is_version
FROM monitoring.preview_collector('postgres/settings') WHERE metric_name = 'pg_static';
-- Not what the session has set for itself.
SET LOCAL work_mem = '1MB';
SELECT p.value = s.reset_val::float8 * 1024 AS is_the_servers
FROM monitoring.preview_collector('postgres/settings') AS p, pg_settings AS s
WHERE p.metric_name = 'pg_settings_work_mem_bytes' AND s.name = 'work_mem';
-- The pack's own collectors, under the exporter's names.
SELECT metric_name, value, labels FROM monitoring.preview_collector('postgres/exporter')
WHERE metric_name = 'pg_exporter_last_scrape_error' OR labels ->> 'collector' = 'roles' AND
      metric_name = 'pg_scrape_collector_success' ORDER BY 1;
-- Slots: who reads and how much is held back by database, the rest by type.
SELECT count(*) FROM pg_create_physical_replication_slot('pack_slot', true);
SELECT metric_name, CASE WHEN metric_name ~ 'lsn' THEN value >= 0 ELSE value = 0 END AS plausible, labels
FROM monitoring.preview_collector('postgres/replication_slots')
WHERE metric_name NOT LIKE '%wal_status' AND labels ->> 'slot_name' = 'pack_slot' ORDER BY 1;
SELECT count(*) FROM pg_drop_replication_slot('pack_slot');
SELECT count(*) AS cpu_modes FROM monitoring.preview_collector('host/counters')
WHERE metric_name = 'node_cpu_seconds_total' AND labels ->> 'cpu' = '0';
SELECT count(*) FROM monitoring.preview_collector('host/gauges')
WHERE metric_name IN ('node_memory_MemTotal_bytes', 'node_memory_MemAvailable_bytes', 'node_load1')
  AND value >= 0;

SELECT metric_name, value, labels ->> 'sysname' AS sysname
FROM monitoring.preview_collector('host/network_gauges') WHERE metric_name = 'node_uname_info';

-- Document 004's expressions hold for what the host pack gives: what the rules of the gallery divide
-- has the same labels, and the shares are shares.
SELECT count(*) > 0 AS found, bool_and(1 - available.value / total.value BETWEEN 0 AND 1) AS is_share
FROM monitoring.preview_collector('host/gauges') AS total
JOIN monitoring.preview_collector('host/gauges') AS available USING (labels)
WHERE total.metric_name = 'node_memory_MemTotal_bytes'
  AND available.metric_name = 'node_memory_MemAvailable_bytes';
SELECT bool_and(1 - available.value / size.value BETWEEN 0 AND 1) IS NOT FALSE AS is_share
FROM monitoring.preview_collector('host/gauges') AS size
JOIN monitoring.preview_collector('host/gauges') AS available USING (labels)
WHERE size.metric_name = 'node_filesystem_size_bytes' AND size.value > 0
  AND available.metric_name = 'node_filesystem_avail_bytes';
-- Idle CPUs as a rate: looks a minute apart, between which each CPU is idle for 45 seconds.
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, "timestamp")
SELECT metric_name, value + look.n * 45, labels, now() - (5 - look.n) * interval '1 minute'
FROM (SELECT * FROM monitoring.preview_collector('host/counters')
      WHERE metric_name = 'node_cpu_seconds_total' AND labels ->> 'mode' = 'idle') AS idle,
     generate_series(0, 5) AS look (n);
SELECT round(100 - avg(value)::numeric * 100) AS busy_percent
FROM monitoring.metric_values('node_cpu_seconds_total', 'rate', '5 minutes', now(), '{"mode": "idle"}');

-- Every server version has each collector once.
SELECT v.version, p.collector_name, count(*) FROM unnest('{150000,160000,170000,180000}'::int[]) AS v (version)
JOIN monitoring_internal.pack_collectors AS p ON v.version BETWEEN p.from_version AND p.to_version
GROUP BY 1, 2 HAVING count(*) <> 1;
SELECT DISTINCT count(*) OVER (PARTITION BY v.version) > 20 AS as_many
FROM unnest('{150000,160000,170000,180000}'::int[]) AS v (version)
JOIN monitoring_internal.pack_collectors AS p ON v.version BETWEEN p.from_version AND p.to_version;
-- Those for version 17 read its views, here stood in for by tables with the columns that its manual
-- names.
CREATE SCHEMA seventeen;
CREATE TABLE seventeen.pg_stat_bgwriter AS SELECT 11::bigint AS buffers_clean, 12::bigint AS maxwritten_clean,
    13::bigint AS buffers_alloc, now() AS stats_reset;
CREATE TABLE seventeen.pg_stat_checkpointer AS SELECT 1::bigint AS num_timed, 2::bigint AS num_requested,
    3::bigint AS restartpoints_timed, 4::bigint AS restartpoints_req, 5::bigint AS restartpoints_done,
    6::float8 AS write_time, 7::float8 AS sync_time, 8::bigint AS buffers_written, now() AS stats_reset;
CREATE TABLE seventeen.pg_stat_progress_vacuum AS SELECT 1 AS pid, 2::oid AS datid, current_database() AS datname,
    'pg_class'::regclass::oid AS relid, 'vacuuming heap' AS phase, 20::bigint AS heap_blks_total,
    21::bigint AS heap_blks_scanned, 22::bigint AS heap_blks_vacuumed, 1::bigint AS index_vacuum_count,
    24::bigint AS max_dead_tuple_bytes, 25::bigint AS dead_tuple_bytes, 26::bigint AS num_dead_item_ids,
    2::bigint AS indexes_total, 1::bigint AS indexes_processed;
CREATE FUNCTION pg_temp.rows_of(name text, version integer) RETURNS SETOF jsonb LANGUAGE plpgsql
SET search_path = seventeen, pg_catalog AS $$
BEGIN
    RETURN QUERY EXECUTE (SELECT 'SELECT to_jsonb(r) FROM (' || query || ') AS r'
                          FROM monitoring_internal.pack_collectors AS p
                          WHERE collector_name = name AND version BETWEEN from_version AND to_version);
END $$;
SELECT r ->> 'metric_name' AS metric_name, r -> 'value' AS value FROM pg_temp.rows_of('postgres/stat_bgwriter', 170000) AS r
WHERE r ->> 'metric_name' !~ 'stats_reset' ORDER BY r ->> 'metric_name' COLLATE "C";
SELECT r ->> 'metric_name' AS metric_name, r -> 'value' AS value, r ->> 'relname' AS relname, r ->> 'phase' AS phase
FROM pg_temp.rows_of('postgres/stat_progress_vacuum', 180000) AS r ORDER BY 1, 4;

-- Document 000's tables, counted by hand: 3 of 40 actions failed; 20 pending jobs, and of 20 done
-- ones 19 took 10 s and one 100 s, which makes the 95th percentile 10 + 0.05 * 90 s; 6 audited
-- actions in the last hour, 2 an hour at this time of the three days before. Of the AI providers' usage
-- 5 requests in the last hour and 9 in the day.
SELECT monitoring.enable_pack('application', true) AS no_table_yet;
CREATE ROLE pack_owner;
CREATE SCHEMA app AUTHORIZATION pack_owner;
SET LOCAL ROLE pack_owner;
CREATE TABLE app.ledger (state text, action text, total_tokens integer, cost_usd numeric,
                         created_at timestamptz, model text, actor_type text, vendor text,
                         latency_ms integer);
INSERT INTO app.ledger
SELECT CASE WHEN n <= 3 THEN 'failed' ELSE 'success' END, 'chat', 1000, 0.5,
       now() - n * interval '1 minute', CASE WHEN n <= 10 THEN 'big' ELSE 'small' END, 'user',
       CASE WHEN n <= 30 THEN 'openai' ELSE 'anthropic' END, n * 100
FROM generate_series(1, 40) AS n;
INSERT INTO app.ledger VALUES ('failed', 'chat', 9, 9, now() - interval '61 minutes', 'big', 'user');
CREATE TABLE app.ingest_jobs (status text, created_at timestamptz, completed_at timestamptz);
INSERT INTO app.ingest_jobs SELECT 'pending', now() FROM generate_series(1, 20);
INSERT INTO app.ingest_jobs
SELECT 'completed', now() - interval '10 minutes', now() - interval '10 minutes'
    + CASE n WHEN 1 THEN interval '100 s' ELSE interval '10 s' END
FROM generate_series(1, 20) AS n;
CREATE TABLE app."aiUsage" (provider text, tokens integer, cost numeric, "timestamp" timestamptz);
INSERT INTO app."aiUsage"
SELECT CASE WHEN n <= 4 THEN 'openai' ELSE 'google' END, 100, 2.5, now() - n * interval '10 minutes'
FROM generate_series(1, 9) AS n;
CREATE TABLE app.audit_log (created_at timestamptz);
INSERT INTO app.audit_log SELECT now() - interval '1 minute' FROM generate_series(1, 6);
INSERT INTO app.audit_log SELECT now() - interval '10 minutes' - d * interval '1 day'
FROM generate_series(1, 3) AS d, generate_series(1, 2);
INSERT INTO app.audit_log SELECT now() - interval '5 hours' FROM generate_series(1, 50);
RESET ROLE;
SELECT monitoring.enable_pack('application', true, '{"ingest_jobs": "app.ingest_jobs",
    "ai_action_ledger": {"table": "app.ledger", "columns": {"status": "state", "provider": "vendor"}},
    "audit_log": {"table": "app.audit_log"}, "aiUsage": "app.\"aiUsage\""}');
SELECT * FROM pg_temp.enabled;
SELECT collector_name, source, run.metric_name,
       round(run.value::numeric, 6) AS value, run.labels
FROM monitoring.collectors AS c, monitoring.preview_collector(c.collector_name) AS run
WHERE pack_name = 'application' ORDER BY 1, 3, 5;
-- Columns that not everybody has bring and take their collectors.
SELECT collector_name FROM monitoring.collectors WHERE collector_name LIKE 'application/ai%' ORDER BY 1;
ALTER TABLE app.ledger DROP COLUMN vendor, DROP COLUMN latency_ms;
SELECT monitoring_internal.settle_packs();
SELECT collector_name FROM monitoring.collectors WHERE collector_name LIKE 'application/ai%' ORDER BY 1;

-- Document 002's security: 25 rejections by a rate limit in the last 5 minutes, 3 of a tenant before;
-- 7 failed logins of another tenant and 4 of nobody's. User u1 was in two tenants; tenant t1 is three
-- times as active as at this hour of the three days before, t2 has no such days.
SET LOCAL ROLE pack_owner;
CREATE TABLE app.events (kind text, tenant_id uuid, created_at timestamptz);
INSERT INTO app.events
SELECT 'rate_limit', '00000000-0000-0000-0000-000000000001', now() - n * interval '10 s'
FROM generate_series(1, 25) AS n;
INSERT INTO app.events
SELECT 'rate_limit', '00000000-0000-0000-0000-000000000001', now() - interval '30 minutes'
FROM generate_series(1, 3);
INSERT INTO app.events
SELECT 'auth_failure', '00000000-0000-0000-0000-000000000002', now() - interval '20 minutes'
FROM generate_series(1, 7);
INSERT INTO app.events SELECT 'auth_failure', NULL, now() - interval '20 minutes' FROM generate_series(1, 4);
CREATE TABLE app.access_log (tenant_id text, user_id text, created_at timestamptz);
INSERT INTO app.access_log
SELECT 't1', 'u' || n % 2, now() - interval '1 minute' FROM generate_series(1, 6) AS n;
INSERT INTO app.access_log VALUES ('t2', 'u1', now()), ('t2', NULL, now());
INSERT INTO app.access_log
SELECT 't1', 'u2', now() - interval '10 minutes' - d * interval '1 day'
FROM generate_series(1, 3) AS d, generate_series(1, 2);
RESET ROLE;
SELECT monitoring.enable_pack('security', true, '{"audit_log": "app.access_log",
    "security_events": {"table": "app.events", "columns": {"event": "kind"}}}');
SELECT collector_name, run.metric_name, round(run.value::numeric, 6) AS value, run.labels
FROM monitoring.collectors AS c, monitoring.preview_collector(c.collector_name) AS run
WHERE pack_name = 'security' AND source IS NOT NULL
ORDER BY 1, run.metric_name COLLATE "C", run.labels;
-- More tenants than are shown: the others are one.
SET LOCAL ROLE pack_owner;
INSERT INTO app.access_log SELECT 'many ' || n, 'u', now() FROM generate_series(1, 60) AS n;
INSERT INTO app.events SELECT 'auth_failure', gen_random_uuid(), now() FROM generate_series(1, 30);
RESET ROLE;
SELECT metric_name, count(*), sum(value), max(value) FILTER (WHERE labels ->> 'tenant' = 'other') AS other
FROM monitoring.preview_collector('security/tenants') WHERE metric_name = 'tenant_activity_hourly'
GROUP BY 1;
SELECT count(*), sum(value), sum(value) FILTER (WHERE labels ->> 'tenant' = 'other') AS other
FROM monitoring.preview_collector('security/events_by_tenant');
-- What this server counts is there from the beginning.
SELECT metric_name, value >= 0 AS counted, labels FROM monitoring.preview_collector('security/server')
ORDER BY metric_name COLLATE "C";
SELECT rule_name, warning, critical, no_data FROM monitoring.alert_rules AS r
JOIN monitoring.thresholds AS t ON t.rule_id = r.id
WHERE group_name = 'pack security' ORDER BY rule_name;
SELECT monitoring.disable_pack('security');

-- Ranges that begin with a level and end above another.
SELECT rule_name, r.enabled, levels FROM monitoring.alert_rules AS r
JOIN monitoring.thresholds AS t ON t.rule_id = r.id
WHERE group_name = 'pack application' AND levels IS NOT NULL ORDER BY rule_name;

SELECT DISTINCT run.metric_name
FROM monitoring.collectors AS c, monitoring.preview_collector(c.collector_name) AS run
WHERE c.pack_name = 'application' AND coalesce(c.metrics -> run.metric_name ->> 'help', '') = '';
-- They run as the owner of the table: its policies hold, and a view's functions are its owner's.
CREATE VIEW app.who AS SELECT 'pending' AS status, now() AS created_at, now() AS completed_at
FROM app.ingest_jobs WHERE current_user = 'pack_owner';
ALTER VIEW app.who OWNER TO pack_owner;
SELECT monitoring.enable_pack('application', mapping => '{"ingest_jobs": "app.who"}');
SELECT * FROM monitoring.preview_collector('application/queue') ORDER BY metric_name;
-- A table that goes takes its collectors along, and one that comes brings them.
DROP VIEW app.who;
SELECT monitoring_internal.settle_packs(), monitoring_internal.settle_packs();
SELECT * FROM pg_temp.enabled;

-- What cannot be.
SELECT pg_temp.sqlstate_of($$SELECT monitoring.enable_pack('mongodb')$$);
SELECT pg_temp.sqlstate_of($$SELECT monitoring.disable_pack('mongodb')$$);
SELECT pg_temp.sqlstate_of($$SELECT monitoring.enable_pack('application', mapping => '[]')$$);
SELECT pg_temp.sqlstate_of($$SELECT monitoring.enable_pack('application', mapping => '{"x": "a.b"}')$$);
SELECT pg_temp.sqlstate_of($$SELECT monitoring.enable_pack('host', mapping => '{"audit_log": "a.b"}')$$);
SELECT pg_temp.sqlstate_of($$SELECT monitoring.enable_pack('application',
    mapping => '{"audit_log": "audit_log"}')$$);
SELECT pg_temp.sqlstate_of($$SELECT monitoring.enable_pack('application',
    mapping => '{"audit_log": "a.b; DROP TABLE app.ledger"}')$$);

-- Alert rules come and go with the pack: disabled unless asked for, and then without those whose names
-- are taken.
SELECT monitoring.disable_pack('host');
SELECT monitoring.create_threshold('free', 1, NULL, rule_name => 'HostDiskFull') > 0 AS taken;
SELECT monitoring.enable_pack('host') > 0 AS enabled;
SELECT rule_name, group_name, enabled FROM monitoring.alert_rules
WHERE rule_name LIKE 'Host%' ORDER BY rule_name;
SELECT pg_temp.sqlstate_of($$SELECT monitoring.enable_pack('host', with_alerts => true)$$);
DELETE FROM monitoring.alert_rules WHERE group_name = 'default';
SELECT monitoring.enable_pack('host', with_alerts => NULL) > 0 AS enabled;
SELECT count(*) FROM monitoring.alert_rules WHERE group_name = 'pack host';
SELECT monitoring.enable_pack('host', true) > 0 AS enabled;
SELECT rule_name, metric_name, comparison, warning, critical, over_last, for_duration
FROM monitoring.alert_rules AS r JOIN monitoring.thresholds AS t ON t.rule_id = r.id
WHERE group_name = 'pack host' ORDER BY rule_name;
SELECT monitoring.enable_pack('postgres', true) > 15 AS many;
SELECT rule_name, warning, critical, comparison FROM monitoring.alert_rules AS r
JOIN monitoring.thresholds AS t ON t.rule_id = r.id
WHERE group_name = 'pack postgres' ORDER BY rule_name;
SELECT monitoring.disable_pack('postgres'), monitoring.disable_pack('host'),
       monitoring.disable_pack('application'), monitoring.disable_pack('application');
SELECT * FROM pg_temp.enabled;
SELECT count(*) FROM monitoring.collectors WHERE pack_name IS NOT NULL;

-- Without pg_stat_statements there is nothing to show, and no error.
SELECT count(*) FROM monitoring.slow_queries;
ROLLBACK;
