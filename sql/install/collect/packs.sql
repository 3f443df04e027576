-- Packs: collectors, and alerts on what they collect, that come with the extension. enable_pack()
-- makes rows of them, which are the user's from then on.

CREATE VIEW monitoring_internal.pack_collectors AS
SELECT p.pack_name, p.pack_name || '/' || p.name AS collector_name, p.every, p.scope, p.store,
       CASE WHEN p.name ~ 'counters$' THEN 'counter' ELSE 'gauge' END AS metric_type,
       p.series_limit, p.from_version, p.to_version, p.query
FROM (VALUES
-- postgres_exporter's collectors, under its names and labels.
('postgres', 'up', interval '30 seconds', 'cluster', true, 10, 0, 999999, $q$
SELECT m.metric_name, m.value
FROM (SELECT pg_is_in_recovery() AS is_replica, pg_last_xact_replay_timestamp() AS replayed_at,
             pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() AS has_caught_up) AS s,
LATERAL (VALUES
    ('pg_up', 1::float8),
    ('pg_postmaster_start_time_seconds', extract(epoch FROM pg_postmaster_start_time())::float8),
    ('pg_replication_is_replica', s.is_replica::int::float8),
    ('pg_replication_lag_seconds', CASE
        WHEN NOT s.is_replica OR s.has_caught_up THEN 0
        ELSE greatest(0, extract(epoch FROM clock_timestamp() - s.replayed_at))::float8 END),
    ('pg_replication_last_replay_seconds', CASE
        WHEN s.is_replica
        THEN greatest(0, extract(epoch FROM clock_timestamp() - s.replayed_at))::float8 ELSE 0 END),
    ('pg_connections_used_ratio', (SELECT count(*) FROM pg_stat_activity
        WHERE backend_type = 'client backend')::float8
        / current_setting('max_connections')::float8)
) AS m (metric_name, value)$q$),
('postgres', 'exporter', interval '30 seconds', 'cluster', false, 100, 0, 999999, $q$
WITH run AS (SELECT substr(collector_name, length('postgres/') + 1) AS collector,
                    last_duration_ms / 1000 AS seconds, last_error IS NOT NULL AS failed
             FROM monitoring.collectors
             WHERE pack_name = 'postgres' AND enabled AND last_run_at IS NOT NULL)
SELECT 'pg_scrape_collector_duration_seconds' AS metric_name, seconds AS value, collector FROM run
UNION ALL SELECT 'pg_scrape_collector_success', (NOT failed)::int, collector FROM run
UNION ALL SELECT 'pg_exporter_last_scrape_duration_seconds', sum(seconds), NULL FROM run
UNION ALL SELECT 'pg_exporter_last_scrape_error', bool_or(failed)::int, NULL FROM run$q$),
('postgres', 'roles', interval '5 minutes', 'cluster', false, 1000, 0, 999999, $q$
SELECT 'pg_roles_connection_limit' AS metric_name, rolconnlimit AS value, rolname
FROM pg_roles$q$),
('postgres', 'database', interval '1 minute', 'cluster', true, 3000, 0, 999999, $q$
SELECT m.metric_name, m.value, d.datname
FROM pg_database AS d, LATERAL (VALUES
    ('pg_database_connection_limit', d.datconnlimit::float8),
    ('pg_database_wraparound_age_datfrozenxid_seconds', age(d.datfrozenxid)::float8),
    ('pg_database_wraparound_age_datminmxid_seconds', mxid_age(d.datminmxid)::float8)
) AS m (metric_name, value)$q$),
('postgres', 'database_size', interval '5 minutes', 'cluster', true, 1000, 0, 999999, $q$
SELECT 'pg_database_size_bytes' AS metric_name, pg_database_size(d.oid) AS value, d.datname
FROM pg_database AS d
WHERE has_database_privilege(d.oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'MEMBER')$q$),
('postgres', 'stat_database', interval '1 minute', 'cluster', true, 10000, 0, 999999, $q$
SELECT 'pg_stat_database_' || m.name AS metric_name, m.value, d.datid::text AS datid, d.datname
FROM pg_stat_database AS d, LATERAL (VALUES
    ('numbackends', d.numbackends::float8),
    ('xact_commit', d.xact_commit::float8), ('xact_rollback', d.xact_rollback::float8),
    ('blks_read', d.blks_read::float8), ('blks_hit', d.blks_hit::float8),
    ('tup_returned', d.tup_returned::float8), ('tup_fetched', d.tup_fetched::float8),
    ('tup_inserted', d.tup_inserted::float8), ('tup_updated', d.tup_updated::float8),
    ('tup_deleted', d.tup_deleted::float8), ('conflicts', d.conflicts::float8),
    ('temp_files', d.temp_files::float8), ('temp_bytes', d.temp_bytes::float8),
    ('deadlocks', d.deadlocks::float8), ('blk_read_time', d.blk_read_time),
    ('blk_write_time', d.blk_write_time),
    ('active_time_seconds_total', d.active_time / 1000),
    ('stats_reset', coalesce(extract(epoch FROM d.stats_reset), 0)::float8)
) AS m (name, value)
WHERE d.datid <> 0$q$),
('postgres', 'stat_database_sessions', interval '1 minute', 'cluster', false, 5000, 0, 999999, $q$
SELECT 'pg_stat_database_' || m.name AS metric_name, m.value, d.datid::text AS datid, d.datname
FROM pg_stat_database AS d, LATERAL (VALUES
    ('session_time', d.session_time), ('active_time', d.active_time),
    ('idle_in_transaction_time', d.idle_in_transaction_time), ('sessions', d.sessions::float8),
    ('sessions_abandoned', d.sessions_abandoned::float8),
    ('sessions_fatal', d.sessions_fatal::float8), ('sessions_killed', d.sessions_killed::float8),
    ('checksum_failures', d.checksum_failures::float8),
    ('checksum_last_failure', extract(epoch FROM d.checksum_last_failure)::float8)
) AS m (name, value)
WHERE d.datid <> 0$q$),
('postgres', 'stat_database_conflicts', interval '1 minute', 'cluster', false, 3000, 0, 999999, $q$
SELECT 'pg_stat_database_conflicts_' || m.name AS metric_name, m.value, d.datid::text AS datid,
       d.datname
FROM pg_stat_database_conflicts AS d, LATERAL (VALUES
    ('confl_tablespace', d.confl_tablespace), ('confl_lock', d.confl_lock),
    ('confl_snapshot', d.confl_snapshot), ('confl_bufferpin', d.confl_bufferpin),
    ('confl_deadlock', d.confl_deadlock)
) AS m (name, value)$q$),
('postgres', 'locks', interval '30 seconds', 'cluster', false, 5000, 0, 999999, $q$
SELECT 'pg_locks_count' AS metric_name, count(l.mode) AS value, d.datname, lower(m.mode) AS mode
FROM pg_database AS d CROSS JOIN unnest('{AccessShareLock,RowShareLock,RowExclusiveLock,
    ShareUpdateExclusiveLock,ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock,
    SIReadLock}'::text[]) AS m (mode)
LEFT JOIN pg_locks AS l ON l.database = d.oid AND l.mode = m.mode AND l.pid <> pg_backend_pid()
GROUP BY d.datname, m.mode$q$),
('postgres', 'stat_activity', interval '30 seconds', 'cluster', true, 5000, 0, 999999, $q$
WITH activity AS (
    SELECT d.datname, s.state, count(a.pid) AS count,
           max(extract(epoch FROM clock_timestamp() - a.xact_start)) AS longest
    FROM pg_database AS d CROSS JOIN unnest('{active,idle,"idle in transaction",
        "idle in transaction (aborted)","fastpath function call",disabled}'::text[]) AS s (state)
    LEFT JOIN pg_stat_activity AS a ON a.datname = d.datname AND a.state = s.state
        AND a.pid <> pg_backend_pid()
    GROUP BY d.datname, s.state),
long AS (
    SELECT count(*) AS count, coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)
           AS longest FROM pg_stat_activity
    WHERE state IS DISTINCT FROM 'idle' AND backend_type <> 'autovacuum worker'
      AND xact_start IS NOT NULL AND pid <> pg_backend_pid())
SELECT 'pg_stat_activity_count' AS metric_name, count::float8 AS value, datname, state
FROM activity
UNION ALL SELECT 'pg_stat_activity_max_tx_duration', coalesce(longest, 0)::float8, datname, state
FROM activity
UNION ALL SELECT 'pg_long_running_transactions', count, NULL, NULL FROM long
UNION ALL SELECT 'pg_long_running_transactions_oldest_timestamp_seconds', longest, NULL, NULL
FROM long$q$),
('postgres', 'stat_activity_autovacuum', interval '30 seconds', 'database', false, 100, 0, 999999, $q$
SELECT 'pg_stat_activity_autovacuum_timestamp_seconds' AS metric_name,
       extract(epoch FROM min(a.xact_start)) AS value,
       split_part(a.query, '.', 2) AS relname
FROM pg_stat_activity AS a
WHERE a.backend_type = 'autovacuum worker' AND a.datname = current_database()
  AND a.xact_start IS NOT NULL
GROUP BY split_part(a.query, '.', 2)$q$),
('postgres', 'stat_bgwriter', interval '1 minute', 'cluster', true, 30, 0, 169999, $q$
SELECT m.metric_name, m.value FROM pg_stat_bgwriter AS b, LATERAL (VALUES
    ('pg_stat_bgwriter_checkpoints_timed_total', b.checkpoints_timed::float8),
    ('pg_stat_bgwriter_checkpoints_req_total', b.checkpoints_req::float8),
    ('pg_stat_bgwriter_checkpoint_write_time_total', b.checkpoint_write_time),
    ('pg_stat_bgwriter_checkpoint_sync_time_total', b.checkpoint_sync_time),
    ('pg_stat_bgwriter_buffers_checkpoint_total', b.buffers_checkpoint::float8),
    ('pg_stat_bgwriter_buffers_clean_total', b.buffers_clean::float8),
    ('pg_stat_bgwriter_maxwritten_clean_total', b.maxwritten_clean::float8),
    ('pg_stat_bgwriter_buffers_backend_total', b.buffers_backend::float8),
    ('pg_stat_bgwriter_buffers_backend_fsync_total', b.buffers_backend_fsync::float8),
    ('pg_stat_bgwriter_buffers_alloc_total', b.buffers_alloc::float8),
    ('pg_stat_bgwriter_stats_reset_total', extract(epoch FROM b.stats_reset)::float8),
    ('pg_stat_checkpointer_num_timed_total', b.checkpoints_timed::float8),
    ('pg_stat_checkpointer_num_requested_total', b.checkpoints_req::float8),
    ('pg_stat_checkpointer_write_time_total', b.checkpoint_write_time),
    ('pg_stat_checkpointer_sync_time_total', b.checkpoint_sync_time),
    ('pg_stat_checkpointer_buffers_written_total', b.buffers_checkpoint::float8)
) AS m (metric_name, value)$q$),
-- PostgreSQL 17 has moved checkpoints to a view of their own; rules know them under both names.
('postgres', 'stat_bgwriter', interval '1 minute', 'cluster', true, 30, 170000, 999999, $q$
SELECT m.metric_name, m.value FROM pg_stat_bgwriter AS b, pg_stat_checkpointer AS c,
LATERAL (VALUES
    ('pg_stat_bgwriter_checkpoints_timed_total', c.num_timed::float8),
    ('pg_stat_bgwriter_checkpoints_req_total', c.num_requested::float8),
    ('pg_stat_bgwriter_checkpoint_write_time_total', c.write_time),
    ('pg_stat_bgwriter_checkpoint_sync_time_total', c.sync_time),
    ('pg_stat_bgwriter_buffers_checkpoint_total', c.buffers_written::float8),
    ('pg_stat_bgwriter_buffers_clean_total', b.buffers_clean::float8),
    ('pg_stat_bgwriter_maxwritten_clean_total', b.maxwritten_clean::float8),
    ('pg_stat_bgwriter_buffers_alloc_total', b.buffers_alloc::float8),
    ('pg_stat_bgwriter_stats_reset_total', extract(epoch FROM b.stats_reset)::float8),
    ('pg_stat_checkpointer_num_timed_total', c.num_timed::float8),
    ('pg_stat_checkpointer_num_requested_total', c.num_requested::float8),
    ('pg_stat_checkpointer_restartpoints_timed_total', c.restartpoints_timed::float8),
    ('pg_stat_checkpointer_restartpoints_req_total', c.restartpoints_req::float8),
    ('pg_stat_checkpointer_restartpoints_done_total', c.restartpoints_done::float8),
    ('pg_stat_checkpointer_write_time_total', c.write_time),
    ('pg_stat_checkpointer_sync_time_total', c.sync_time),
    ('pg_stat_checkpointer_buffers_written_total', c.buffers_written::float8),
    ('pg_stat_checkpointer_stats_reset_total', extract(epoch FROM c.stats_reset)::float8)
) AS m (metric_name, value)$q$),
('postgres', 'stat_archiver', interval '1 minute', 'cluster', true, 10, 0, 999999, $q$
SELECT m.metric_name, m.value FROM pg_stat_archiver AS a, LATERAL (VALUES
    ('pg_stat_archiver_archived_count', a.archived_count::float8),
    ('pg_stat_archiver_failed_count', a.failed_count::float8),
    ('pg_stat_archiver_last_archive_age',
     extract(epoch FROM clock_timestamp() - a.last_archived_time)::float8)
) AS m (metric_name, value)$q$),
('postgres', 'stat_replication', interval '30 seconds', 'cluster', true, 500, 0, 999999, $q$
WITH wal AS (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
                         ELSE pg_current_wal_lsn() END AS lsn)
SELECT m.metric_name, m.value, r.application_name, host(r.client_addr) AS client_addr, r.state,
       s.slot_name, r.pid::text AS pid
FROM pg_stat_replication AS r LEFT JOIN pg_replication_slots AS s ON s.active_pid = r.pid, wal,
LATERAL (VALUES
    ('pg_stat_replication_pg_current_wal_lsn_bytes', pg_wal_lsn_diff(wal.lsn, '0/0')::float8),
    ('pg_stat_replication_pg_wal_lsn_diff', pg_wal_lsn_diff(wal.lsn, r.replay_lsn)::float8),
    ('pg_stat_replication_reply_time', extract(epoch FROM r.reply_time)::float8),
    ('pg_stat_replication_replay_lag_seconds',
     extract(epoch FROM coalesce(r.replay_lag, '0'))::float8)
) AS m (metric_name, value)$q$),
('postgres', 'replication_slots', interval '30 seconds', 'cluster', true, 500, 0, 999999, $q$
WITH wal AS (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
                         ELSE pg_current_wal_lsn() END AS lsn)
SELECT 'pg_replication_slots_' || m.name AS metric_name, m.value, s.slot_name, m.database,
       m.slot_type, m.wal_status
FROM pg_replication_slots AS s, wal, LATERAL (VALUES
    ('active', s.active::int::float8, s.database, NULL, NULL),
    ('pg_wal_lsn_diff', pg_wal_lsn_diff(wal.lsn, s.restart_lsn)::float8, s.database, NULL, NULL),
    ('slot_current_wal_lsn', pg_wal_lsn_diff(wal.lsn, '0/0')::float8, NULL, s.slot_type, NULL),
    ('slot_confirmed_flush_lsn', CASE WHEN s.active
         THEN pg_wal_lsn_diff(coalesce(s.confirmed_flush_lsn, '0/0'), '0/0') END::float8,
     NULL, s.slot_type, NULL),
    ('slot_is_active', s.active::int::float8, NULL, s.slot_type, NULL),
    ('safe_wal_size_bytes', s.safe_wal_size::float8, NULL, s.slot_type, NULL),
    ('wal_status', 1, NULL, s.slot_type, s.wal_status)
) AS m (name, value, database, slot_type, wal_status)
WHERE m.name <> 'wal_status' OR s.wal_status IS NOT NULL$q$),
('postgres', 'stat_walreceiver', interval '30 seconds', 'cluster', false, 50, 0, 999999, $q$
SELECT 'pg_stat_wal_receiver_' || m.name AS metric_name, m.value, r.sender_host AS upstream_host,
       r.slot_name, r.status
FROM pg_stat_wal_receiver AS r, LATERAL (VALUES
    ('receive_start_lsn', pg_wal_lsn_diff(r.receive_start_lsn, '0/0')::float8),
    ('receive_start_tli', r.receive_start_tli::float8),
    ('flushed_lsn', pg_wal_lsn_diff(r.flushed_lsn, '0/0')::float8),
    ('received_tli', r.received_tli::float8),
    ('last_msg_send_time', extract(epoch FROM r.last_msg_send_time)::float8),
    ('last_msg_receipt_time', extract(epoch FROM r.last_msg_receipt_time)::float8),
    ('latest_end_lsn', pg_wal_lsn_diff(r.latest_end_lsn, '0/0')::float8),
    ('latest_end_time', extract(epoch FROM r.latest_end_time)::float8)
) AS m (name, value)$q$),
('postgres', 'wal', interval '1 minute', 'cluster', true, 10, 0, 999999, $q$
SELECT m.metric_name, m.value
FROM (SELECT count(*) AS segments, sum(size) AS bytes FROM pg_ls_waldir()
      WHERE name ~ '^[0-9A-F]{24}$') AS w,
LATERAL (VALUES ('pg_wal_segments', w.segments::float8), ('pg_wal_size_bytes', w.bytes::float8))
    AS m (metric_name, value)$q$),
('postgres', 'settings', interval '5 minutes', 'cluster', false, 1000, 0, 999999, $q$
SELECT metric_name, value, NULL AS short_version, NULL AS version FROM monitoring_internal.setting_metrics
UNION ALL
SELECT 'pg_static', 1, format('%s.%s.0', v.number / 10000, v.number % 10000), version()
FROM (SELECT current_setting('server_version_num')::int AS number) AS v$q$),
('postgres', 'stat_user_tables', interval '1 minute', 'database', false, 10000, 0, 999999, $q$
SELECT 'pg_stat_user_tables_' || m.name AS metric_name, m.value,
       current_database() AS datname, t.schemaname, t.relname
FROM (SELECT s.*, c.relpages, c.reltoastrelid
      FROM pg_stat_user_tables AS s JOIN pg_class AS c ON c.oid = s.relid
      ORDER BY c.relpages DESC, s.relid LIMIT 300) AS t,
-- As of the last vacuum or analyze: a look at the files would wait for whoever has the table locked.
LATERAL (SELECT current_setting('block_size')::float8 AS page_bytes,
                coalesce((SELECT o.relpages FROM pg_class AS o WHERE o.oid = t.reltoastrelid), 0)
                    AS toast_pages,
                coalesce((SELECT sum(i.relpages) FROM pg_index AS x
                          JOIN pg_class AS i ON i.oid = x.indexrelid
                          WHERE x.indrelid = t.relid), 0)::float8 AS index_pages) AS size,
LATERAL (VALUES
    ('seq_scan', t.seq_scan::float8), ('seq_tup_read', t.seq_tup_read::float8),
    ('idx_scan', coalesce(t.idx_scan, 0)::float8),
    ('idx_tup_fetch', coalesce(t.idx_tup_fetch, 0)::float8),
    ('n_tup_ins', t.n_tup_ins::float8), ('n_tup_upd', t.n_tup_upd::float8),
    ('n_tup_del', t.n_tup_del::float8), ('n_tup_hot_upd', t.n_tup_hot_upd::float8),
    ('n_live_tup', t.n_live_tup::float8), ('n_dead_tup', t.n_dead_tup::float8),
    ('n_mod_since_analyze', t.n_mod_since_analyze::float8),
    ('last_vacuum', coalesce(extract(epoch FROM t.last_vacuum), 0)::float8),
    ('last_autovacuum', coalesce(extract(epoch FROM t.last_autovacuum), 0)::float8),
    ('last_analyze', coalesce(extract(epoch FROM t.last_analyze), 0)::float8),
    ('last_autoanalyze', coalesce(extract(epoch FROM t.last_autoanalyze), 0)::float8),
    ('vacuum_count', t.vacuum_count::float8), ('autovacuum_count', t.autovacuum_count::float8),
    ('analyze_count', t.analyze_count::float8),
    ('autoanalyze_count', t.autoanalyze_count::float8),
    ('table_size_bytes', (t.relpages + size.toast_pages) * size.page_bytes),
    ('index_size_bytes', size.index_pages * size.page_bytes)
) AS m (name, value)$q$),
('postgres', 'statio_user_tables', interval '1 minute', 'database', false, 10000, 0, 999999, $q$
SELECT 'pg_statio_user_tables_' || m.name AS metric_name, m.value,
       current_database() AS datname, t.schemaname, t.relname
FROM (SELECT s.* FROM pg_statio_user_tables AS s JOIN pg_class AS c ON c.oid = s.relid
      ORDER BY c.relpages DESC, s.relid LIMIT 300) AS t,
LATERAL (VALUES
    ('heap_blocks_read', t.heap_blks_read), ('heap_blocks_hit', t.heap_blks_hit),
    ('idx_blocks_read', coalesce(t.idx_blks_read, 0)),
    ('idx_blocks_hit', coalesce(t.idx_blks_hit, 0)),
    ('toast_blocks_read', coalesce(t.toast_blks_read, 0)),
    ('toast_blocks_hit', coalesce(t.toast_blks_hit, 0)),
    ('tidx_blocks_read', coalesce(t.tidx_blks_read, 0)),
    ('tidx_blocks_hit', coalesce(t.tidx_blks_hit, 0))
) AS m (name, value)$q$),
('postgres', 'statio_user_indexes', interval '5 minutes', 'database', false, 10000, 0, 999999, $q$
SELECT 'pg_statio_user_indexes_' || m.name AS metric_name, m.value,
       current_database() AS datname, i.schemaname, i.relname, i.indexrelname
FROM (SELECT s.* FROM pg_statio_user_indexes AS s JOIN pg_class AS c ON c.oid = s.indexrelid
      ORDER BY c.relpages DESC, s.indexrelid LIMIT 300) AS i,
LATERAL (VALUES ('idx_blks_read_total', i.idx_blks_read), ('idx_blks_hit_total', i.idx_blks_hit))
    AS m (name, value)$q$),
-- PostgreSQL 17 keeps dead rows in another structure than the versions before, and says so by other columns.
('postgres', 'stat_progress_vacuum', interval '30 seconds', 'database', false, 500, 0, 999999, $q$
SELECT 'pg_stat_progress_vacuum_' || m.name AS metric_name, m.value,
       current_database() AS datname, v.relid::regclass::text AS relname, m.phase
FROM pg_stat_progress_vacuum AS v, LATERAL (
    SELECT 'phase' AS name, (v.phase = p.phase)::int::float8 AS value, p.phase
    FROM unnest('{initializing,"scanning heap","vacuuming indexes","vacuuming heap",
        "cleaning up indexes","truncating heap","performing final cleanup"}'::text[]) AS p (phase)
    UNION ALL
    SELECT c.name, (to_jsonb(v) ->> c.column_name)::float8, NULL
    FROM (VALUES ('heap_blks', 'heap_blks_total'), ('heap_blks_scanned', 'heap_blks_scanned'),
        ('heap_blks_vacuumed', 'heap_blks_vacuumed'), ('index_vacuums', 'index_vacuum_count'),
        ('max_dead_tuples', 'max_dead_tuples'), ('num_dead_tuples', 'num_dead_tuples'),
        ('max_dead_tuple_bytes', 'max_dead_tuple_bytes'), ('dead_tuple_bytes', 'dead_tuple_bytes'),
        ('num_dead_tuples', 'num_dead_item_ids')) AS c (name, column_name)
    WHERE to_jsonb(v) ? c.column_name
) AS m
WHERE v.datname = current_database()$q$),
('postgres', 'stat_statements', interval '1 minute', 'cluster', false, 1000, 0, 999999, $q$
SELECT metric_name, value, queryid, user_name AS "user", datname FROM monitoring_internal.statement_metrics()$q$),
-- blackbox_exporter's, of monitoring.probes.
('probes', 'results', interval '15 seconds', 'database', true, 5000, 0, 999999, $q$
SELECT m.metric_name, m.value, s.probe_name AS probe
FROM monitoring.probe_state AS s JOIN monitoring.probes AS p USING (probe_name), LATERAL (VALUES
    ('probe_success', s.success::int::float8), ('probe_duration_seconds', s.duration_ms / 1000),
    ('probe_http_status_code', s.http_status::float8),
    ('probe_ssl_earliest_cert_expiry', extract(epoch FROM s.certificate_expires_at)::float8),
    ('probe_ssl_seconds_left', extract(epoch FROM s.certificate_expires_at - $1)::float8)
) AS m (metric_name, value)
-- What nobody has asked for a while is not known.
WHERE p.enabled AND s.probed_at >= $1 - 3 * least(p.every, interval '100 years') - least(p.timeout, interval '100 years')$q$),
('probes', 'uptime', interval '5 minutes', 'database', true, 1000, 0, 999999, $q$
SELECT 'probe_uptime_30_days_percent' AS metric_name,
       monitoring.uptime(p.probe_name, '30 days', $1) AS value, p.probe_name AS probe
FROM monitoring.probes AS p WHERE p.enabled$q$),
-- Queues: monitoring.queues, and those of pgmq.
('queues', 'state', interval '1 minute', 'database', true, 5000, 0, 999999, $q$
SELECT 'queue_' || m.name AS metric_name, m.value, s.queue_name AS queue
FROM monitoring.queue_state AS s, LATERAL (VALUES
    ('pending_messages', s.pending_messages::float8),
    ('processing_messages', s.processing_messages), ('stuck_messages', s.stuck_messages),
    ('dead_letter_messages', s.dead_letter_messages),
    ('oldest_message_age_seconds', extract(epoch FROM s.oldest_message_age)::float8),
    ('finished_messages_hourly', s.finished_messages),
    ('failed_messages_hourly', s.failed_messages),
    ('failed_ratio', s.failed_messages::float8
        / nullif(s.failed_messages + s.finished_messages, 0)),
    ('processing_p50_seconds', s.processing_p50_seconds),
    ('processing_p95_seconds', s.processing_p95_seconds),
    ('processing_p99_seconds', s.processing_p99_seconds)
) AS m (name, value)
WHERE s.last_error IS NULL$q$),
('queues', 'bullmq', interval '1 minute', 'database', true, 2000, 0, 999999, $q$
SELECT 'bullmq_queue_' || m.name AS metric_name, m.value, s.queue_name AS queue
FROM monitoring.queue_state AS s, LATERAL (VALUES
    ('waiting', s.pending_messages), ('active', s.processing_messages),
    ('completed', s.finished_messages), ('failed', s.dead_letter_messages)
) AS m (name, value)
WHERE s.last_error IS NULL$q$),
-- What the server counts itself, so that rules can look back at it.
('security', 'server', interval '30 seconds', 'database', true, 10, 0, 999999, $q$
SELECT 'security_' || k.name AS metric_name, coalesce(sum(m.value), 0) AS value
FROM (VALUES ('rls_violations_total', 'rls_violations_total', '{}'::jsonb),
             ('authentication_failures_total', 'authentication_failures_total', '{}'),
             ('refused_statements_total', 'errors_total', '{"sqlstate_class": "42"}')
     ) AS k (name, counted, wanted)
LEFT JOIN monitoring.metrics AS m ON m.metric_name = k.counted AND m.labels @> k.wanted
GROUP BY k.name$q$),
-- node_exporter's.
('host', 'gauges', interval '1 minute', 'cluster', true, 2000, 0, 999999, $q$
SELECT metric_name, value, labels FROM monitoring_internal.host_metrics('gauge', 'machine')$q$),
('host', 'counters', interval '1 minute', 'cluster', true, 5000, 0, 999999, $q$
SELECT metric_name, value, labels FROM monitoring_internal.host_metrics('counter', 'machine')$q$),
('host', 'network_gauges', interval '1 minute', 'cluster', false, 5000, 0, 999999, $q$
SELECT metric_name, value, labels FROM monitoring_internal.host_metrics('gauge', 'network')$q$),
('host', 'network_counters', interval '1 minute', 'cluster', false, 5000, 0, 999999, $q$
SELECT metric_name, value, labels FROM monitoring_internal.host_metrics('counter', 'network')$q$)
) AS p (pack_name, name, every, scope, store, series_limit, from_version, to_version, query);
COMMENT ON VIEW monitoring_internal.pack_collectors IS
    'The collectors of each pack, as shipped, with the server versions that they are for';

CREATE VIEW monitoring_internal.pack_alerts AS
SELECT * FROM (VALUES
    -- Document 000's thresholds.
    ('application', 'AiErrorRate', 'ai_error_rate', '>=', 1::float8, 5::float8, 'last',
     interval '10 minutes', interval '0', '{{ $value | printf "%.1f" }} % of AI actions fail'),
    ('application', 'AiTokensHourly', 'ai_tokens_hourly', '>', 1000000, NULL, 'last', '10 minutes',
     '0', '{{ $value | humanize }} tokens in an hour'),
    ('application', 'AiCostHourly', 'ai_cost_hourly', '>', 100, NULL, 'last', '10 minutes', '0',
     'AI cost ${{ $value | printf "%.2f" }} in an hour'),
    ('application', 'QueueDepth', 'queue_depth', '>=', 100, 1000, 'last', '5 minutes', '0',
     '{{ $value }} jobs are pending'),
    ('application', 'QueueProcessingTime', 'queue_processing_time_p95', '>=', 30, 60, 'last',
     '5 minutes', '0', 'one job in twenty takes longer than {{ $value | humanizeDuration }}'),
    ('application', 'AuditActivityUnusual', 'audit_activity_baseline_ratio', '>', 2, NULL, 'last',
     '15 minutes', '0', 'audited actions are {{ $value | humanize }} times what is usual at this hour'),
    -- Document 004's for AI.
    ('application', 'AiProviderErrorRate', 'ai_provider_error_ratio', '>', 0.1, NULL, 'last',
     '15 minutes', '5 minutes', '{{ $value | humanizePercentage }} of requests to {{ $labels.provider }} fail'),
    ('application', 'AiProviderCostHourly', 'ai_provider_cost_dollars_hourly', '>', 100, NULL, 'last',
     '15 minutes', '10 minutes', '{{ $labels.provider }} has cost ${{ $value | printf "%.2f" }} in an hour'),
    ('application', 'AiCostDaily', 'ai_cost_daily', '>', NULL, 500, 'last', '30 minutes', '0',
     'AI has cost ${{ $value | printf "%.2f" }} in a day'),
    ('application', 'AiUsageCostDaily', 'ai_usage_cost_dollars_daily', '>', NULL, 500, 'last',
     '30 minutes', '0', 'AI providers have cost ${{ $value | printf "%.2f" }} in a day'),
    -- Document 002's for security: rates are per second, its thresholds are 1 and 10 a minute.
    ('security', 'RlsViolations', 'security_rls_violations_total', '>', 0.0167, 0.1667, 'rate',
     '2 minutes', '1 minute', '{{ $value | printf "%.2f" }} violations of row level security a second'),
    ('security', 'LoginsRejected', 'security_authentication_failures_total', '>', 0.1667, NULL, 'rate',
     '5 minutes', '0', '{{ $value | printf "%.2f" }} logins are rejected a second'),
    ('security', 'StatementsRefused', 'security_refused_statements_total', '>', 1, NULL, 'rate',
     '5 minutes', '5 minutes', '{{ $value | printf "%.1f" }} statements a second are wrong or not allowed'),
    ('security', 'SecurityEvents', 'security_events_per_minute', '>', 1, 10, 'last', '5 minutes',
     '1 minute', '{{ $value | printf "%.1f" }} events {{ $labels.event }} a minute'),
    ('security', 'CrossTenantAccess', 'cross_tenant_users_hourly', '>', 0, NULL, 'last', '15 minutes',
     '0', '{{ $value }} users were seen in more than one tenant'),
    ('security', 'TenantActivityUnusual', 'tenant_activity_baseline_ratio', '>', 2, NULL, 'last',
     '15 minutes', '0', '{{ $labels.tenant }} is {{ $value | humanize }} times as active as usual at this hour'),
    -- Document 003's ServiceDown and uptime, and certificates that nobody has renewed.
    ('probes', 'ServiceDown', 'probe_success', '<', NULL, 1, 'last', '5 minutes', '2 minutes',
     '{{ $labels.probe }} does not answer as it should'),
    ('probes', 'UptimeLow', 'probe_uptime_30_days_percent', '<', 99, 95, 'last', '15 minutes', '0',
     '{{ $labels.probe }} was there {{ $value | printf "%.2f" }} % of the last 30 days'),
    ('probes', 'CertificateExpiresSoon', 'probe_ssl_seconds_left', '<', 1209600, 259200, 'last',
     '10 minutes', '0', 'the certificate of {{ $labels.probe }} is good for {{ $value | humanizeDuration }}'),
    -- Document 001's and 004's for queues.
    ('queues', 'QueueMessagesStuck', 'queue_stuck_messages', '>', 0, 10, 'last', '5 minutes', '0',
     '{{ $value }} messages of queue {{ $labels.queue }} are stuck'),
    ('queues', 'QueueDeadLetters', 'queue_dead_letter_messages', '>', 0, NULL, 'last', '5 minutes',
     '0', 'queue {{ $labels.queue }} has {{ $value }} dead letters'),
    ('queues', 'QueueMessagesWaiting', 'queue_pending_messages', '>', 50, NULL, 'last', '5 minutes',
     '5 minutes', '{{ $value }} messages wait in queue {{ $labels.queue }}'),
    ('queues', 'QueueJobsFail', 'queue_failed_ratio', '>', NULL, 0.1, 'last', '5 minutes',
     '5 minutes', '{{ $value | humanizePercentage }} of the jobs of queue {{ $labels.queue }} fail'),
    ('queues', 'QueueJobsSlow', 'queue_processing_p95_seconds', '>', 60, NULL, 'last', '5 minutes',
     '10 minutes', 'one job in twenty of queue {{ $labels.queue }} takes longer than {{ $value | humanizeDuration }}'),
    -- Document 004's for the machine.
    ('host', 'HostCpuBusy', 'node_cpu_idle_mean_seconds_total', '<', 0.2, 0.05, 'rate',
     '5 minutes', '10 minutes', 'CPUs are idle for {{ $value | humanizePercentage }} of the time'),
    ('host', 'HostMemoryHigh', 'node_memory_used_ratio', '>', 0.85, 0.9, 'avg', '2 minutes',
     '5 minutes', '{{ $value | humanizePercentage }} of memory are in use'),
    ('host', 'HostDiskFull', 'node_filesystem_used_ratio', '>', 0.8, 0.9, 'last', '2 minutes',
     '5 minutes', '{{ $labels.mountpoint }} is {{ $value | humanizePercentage }} full'),
    -- The rules of the postgres_exporter mixin, and document 002's and 003's for the database.
    ('postgres', 'PostgresConnectionsHigh', 'pg_connections_used_ratio', '>', 0.8, 0.95, 'avg',
     '2 minutes', '2 minutes', '{{ $value | humanizePercentage }} of max_connections are in use'),
    ('postgres', 'PostgresDeadlocks', 'pg_stat_database_deadlocks', '>', 0.0833, NULL, 'rate',
     '5 minutes', '0', '{{ $labels.datname }} has {{ $value | printf "%.2f" }} deadlocks a second'),
    ('postgres', 'PostgresLongTransaction', 'pg_long_running_transactions_oldest_timestamp_seconds',
     '>', 3600, 14400, 'last', '2 minutes', '0',
     'a transaction has been open for {{ $value | humanizeDuration }}'),
    -- Of the primary's view: on a standby, where pg_replication_lag_seconds would tell it, no worker runs.
    ('postgres', 'PostgresReplicationLag', 'pg_stat_replication_replay_lag_seconds', '>', 300, 3600,
     'last', '2 minutes', '5 minutes',
     '{{ $labels.application_name }} lags by {{ $value | humanizeDuration }}'),
    ('postgres', 'PostgresReplicationSlotBehind', 'pg_replication_slots_pg_wal_lsn_diff', '>',
     1073741824, 10737418240, 'last', '2 minutes', '5 minutes',
     'slot {{ $labels.slot_name }} holds back {{ $value | humanize1024 }}B of WAL'),
    ('postgres', 'PostgresReplicationSlotInactive', 'pg_replication_slots_active', '<', 1, NULL,
     'max', '2 minutes', '30 minutes', 'nobody reads from slot {{ $labels.slot_name }}'),
    ('postgres', 'PostgresWraparoundNear', 'pg_database_wraparound_age_datfrozenxid_seconds', '>',
     1000000000, 1700000000, 'last', '5 minutes', '0',
     'transaction ids of {{ $labels.datname }} are {{ $value | humanize }} old'),
    ('postgres', 'PostgresArchivingFails', 'pg_stat_archiver_failed_count', '>', 0, NULL, 'rate',
     '10 minutes', '10 minutes', 'WAL files cannot be archived'),
    ('postgres', 'PostgresCheckpointsRequested', 'pg_stat_checkpointer_num_requested_total', '>',
     0.0166, NULL, 'rate', '10 minutes', '15 minutes',
     'checkpoints come early: max_wal_size is too small for the load')
) AS a (pack_name, rule_name, metric_name, comparison, warning, critical, aggregate, over_last,
        for_duration, summary);
COMMENT ON VIEW monitoring_internal.pack_alerts IS
    'The alert rules of each pack: thresholds, as shipped. Comparison >=: what is equal to the first '
    'level is a warning, what is above the second is critical';

CREATE TABLE monitoring_internal.enabled_packs (
    pack_name text PRIMARY KEY,
    with_alerts boolean DEFAULT false,
    mapping jsonb NOT NULL DEFAULT '{}',
    owner name NOT NULL,
    owner_oid oid NOT NULL DEFAULT 0,
    enabled_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE monitoring_internal.enabled_packs IS
    'What enable_pack() was told. Its collectors and rules are rows of monitoring.collectors and '
    'monitoring.alert_rules';
COMMENT ON COLUMN monitoring_internal.enabled_packs.pack_name IS 'Name of the pack';
COMMENT ON COLUMN monitoring_internal.enabled_packs.with_alerts IS
    'Whether its rules are enabled; NULL: none were made';
COMMENT ON COLUMN monitoring_internal.enabled_packs.mapping IS 'Other names of tables, columns and values';
COMMENT ON COLUMN monitoring_internal.enabled_packs.owner IS
    'Role that enabled it, as which its collectors run';
COMMENT ON COLUMN monitoring_internal.enabled_packs.enabled_at IS 'When it was enabled';
SELECT pg_catalog.pg_extension_config_dump('monitoring_internal.enabled_packs', '');
COMMENT ON COLUMN monitoring_internal.enabled_packs.owner_oid IS
    'which role had that name when owner was last set';
CREATE TRIGGER check_owner BEFORE INSERT OR UPDATE ON monitoring_internal.enabled_packs
FOR EACH ROW EXECUTE FUNCTION monitoring_internal.check_owner();
CREATE TRIGGER bind_owner BEFORE INSERT OR UPDATE OF owner, owner_oid ON monitoring_internal.enabled_packs
FOR EACH ROW EXECUTE FUNCTION monitoring_internal.bind_owner();

CREATE VIEW monitoring.packs AS
SELECT p.pack_name, p.description, e.pack_name IS NOT NULL AS enabled,
       COALESCE(e.with_alerts, false) AS with_alerts, e.mapping, e.owner, e.enabled_at,
       (SELECT pg_catalog.count(*) FROM monitoring.collectors AS c
        WHERE c.pack_name = p.pack_name AND c.enabled) AS collectors,
       (SELECT pg_catalog.count(*) FROM monitoring.alert_rules AS r
        WHERE r.group_name = 'pack ' || p.pack_name AND r.enabled) AS alert_rules
FROM (VALUES
    ('postgres', 'this server, under postgres_exporter''s names'),
    ('host', 'the machine, under node_exporter''s names'),
    ('probes', 'results of monitoring.probes, under blackbox_exporter''s names'),
    ('queues', 'queues of monitoring.queues and of pgmq, also under BullMQ''s names'),
    ('application', 'AI actions, jobs and audit, from the tables ai_action_ledger, ingest_jobs, '
                    'audit_log and "aiUsage"'),
    ('security', 'violations of row level security, rejected logins and errors that this server has '
                 'counted; events and tenants, from the tables security_events and audit_log')
) AS p (pack_name, description)
LEFT JOIN monitoring_internal.enabled_packs AS e USING (pack_name);
COMMENT ON VIEW monitoring.packs IS 'The packs that there are, and what is enabled of them';
COMMENT ON COLUMN monitoring.packs.pack_name IS 'Name of the pack';
COMMENT ON COLUMN monitoring.packs.description IS 'What it is about';
COMMENT ON COLUMN monitoring.packs.enabled IS 'Whether enable_pack() was called for it';
COMMENT ON COLUMN monitoring.packs.with_alerts IS 'Whether its rules are enabled';
COMMENT ON COLUMN monitoring.packs.mapping IS 'Other names of tables, columns and values';
COMMENT ON COLUMN monitoring.packs.owner IS 'Role that enabled it';
COMMENT ON COLUMN monitoring.packs.enabled_at IS 'When it was enabled';
COMMENT ON COLUMN monitoring.packs.collectors IS 'How many collectors of it there are';
COMMENT ON COLUMN monitoring.packs.alert_rules IS 'How many rules of it there are';

CREATE FUNCTION monitoring_internal.refuse_unknown_pack(pack_name text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM monitoring.packs AS p
                   WHERE p.pack_name = refuse_unknown_pack.pack_name) THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('there is no pack "%s"', pack_name),
            HINT = 'See monitoring.packs.';
    END IF;
END
$$;
COMMENT ON FUNCTION monitoring_internal.refuse_unknown_pack(text) IS 'An error unless there is such a pack';

CREATE VIEW monitoring_internal.wanted_table_collectors AS
SELECT e.pack_name, e.owner, e.owner_oid, a.collector_name, a.source, a.every, a.query
FROM monitoring_internal.enabled_packs AS e, monitoring_internal.table_collectors(e.pack_name, e.mapping) AS a
WHERE pg_catalog.to_regclass(a.source) IS NOT NULL
  AND NOT EXISTS (
      SELECT FROM pg_catalog.unnest(a.needs) AS needed (name)
      WHERE NOT EXISTS (
          SELECT FROM pg_catalog.pg_attribute AS c
          WHERE c.attrelid = pg_catalog.to_regclass(a.source) AND c.attname = needed.name
            AND c.attnum > 0 AND NOT c.attisdropped));
COMMENT ON VIEW monitoring_internal.wanted_table_collectors IS
    'Collectors of the enabled packs whose tables and columns are there';

-- jit: these views are wide and their rows few; compiling took a hundred times as long as running.
CREATE FUNCTION monitoring_internal.settle_pack(only_pack text) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    made integer;
    removed integer;
BEGIN
    INSERT INTO monitoring.collectors
        (collector_name, query, every, metrics, pack_name, source, owner, search_path)
    SELECT w.collector_name, w.query, w.every, monitoring_internal.metrics_of_collector(w.collector_name),
           w.pack_name, w.source, w.owner, ''
    FROM monitoring_internal.wanted_table_collectors AS w
    WHERE (only_pack IS NULL OR w.pack_name = only_pack)
      AND NOT EXISTS (SELECT FROM monitoring.collectors AS c
                      WHERE c.collector_name = w.collector_name)
      AND EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = w.owner AND r.oid = w.owner_oid)
    ON CONFLICT (collector_name) DO NOTHING;
    GET DIAGNOSTICS made = ROW_COUNT;
    DELETE FROM monitoring.collectors AS c
    WHERE c.pack_name IN (SELECT t.pack_name FROM monitoring_internal.table_packs AS t)
      AND c.source IS NOT NULL AND (only_pack IS NULL OR c.pack_name = only_pack)
      AND NOT EXISTS (SELECT FROM monitoring_internal.wanted_table_collectors AS w
                      WHERE w.collector_name = c.collector_name
                        AND (only_pack IS NULL OR w.pack_name = only_pack));
    GET DIAGNOSTICS removed = ROW_COUNT;
    IF EXISTS (SELECT FROM monitoring_internal.enabled_packs AS e WHERE e.pack_name = 'postgres'
               AND (only_pack IS NULL OR e.pack_name = only_pack)) THEN
        PERFORM monitoring_internal.settle_statements(50);
    END IF;
    RETURN made + removed;
END
$$;
COMMENT ON FUNCTION monitoring_internal.settle_pack(text) IS
    'Of one pack, or, with NULL, of all: collectors over tables of the application come and go with these; returns how many did. Renews the set of statements of the postgres pack';

CREATE FUNCTION monitoring_internal.settle_packs() RETURNS integer
AS 'MODULE_PATHNAME', 'monitoring_settle_packs' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET jit = off;
COMMENT ON FUNCTION monitoring_internal.settle_packs() IS
    'What settle_pack() does, of all packs; one that fails costs itself, and is an issue';

CREATE FUNCTION monitoring.disable_pack(pack_name text) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM monitoring_internal.refuse_unknown_pack(pack_name);
    DELETE FROM monitoring.collectors AS c WHERE c.pack_name = disable_pack.pack_name;
    DELETE FROM monitoring.alert_rules AS r WHERE r.group_name = 'pack ' || disable_pack.pack_name;
    DELETE FROM monitoring_internal.enabled_packs AS e WHERE e.pack_name = disable_pack.pack_name;
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION monitoring.disable_pack(text) IS
    'Removes the pack''s collectors, their metrics in shared memory and its alert rules, and keeps '
    'what was measured; false if it was not enabled. '
    'Errors: 42704 for a pack that is not there.';

CREATE FUNCTION monitoring_internal.refuse_odd_mapping(pack_name text, mapping jsonb) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    unknown text;
    named record;
BEGIN
    IF mapping IS NULL OR jsonb_typeof(mapping) <> 'object' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'mapping must be a JSON object';
    END IF;
    SELECT k INTO unknown FROM jsonb_object_keys(mapping) AS k
    WHERE k NOT IN (SELECT t.source_key FROM monitoring_internal.table_packs AS t
                    WHERE t.pack_name = refuse_odd_mapping.pack_name)
    ORDER BY k LIMIT 1;
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('pack "%s" reads no table "%s"', pack_name, unknown),
            HINT = coalesce((
                SELECT format('Map %s, for example {"%s": {"table": "app.jobs", "columns": '
                              '{"created_at": "since"}}}.',
                              string_agg(DISTINCT t.source_key, ', '), min(t.source_key))
                FROM monitoring_internal.table_packs AS t
                WHERE t.pack_name = refuse_odd_mapping.pack_name HAVING count(*) > 0),
                'It has no mapping.');
    END IF;
    FOR named IN SELECT c.source FROM monitoring_internal.table_collectors(pack_name, mapping) AS c LOOP
        -- An error of its own for what is no name.
        IF cardinality(parse_ident(named.source)) <> 2 THEN
            RAISE EXCEPTION USING ERRCODE = 'invalid_name',
                MESSAGE = format('"%s" does not name its schema', named.source),
                HINT = 'Write it as schema.table.';
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION monitoring_internal.refuse_odd_mapping(text, jsonb) IS
    'An error for a mapping that enable_pack() could not use';

CREATE FUNCTION monitoring_internal.install_pack_rules(pack_name text, enabled boolean) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    rule monitoring_internal.pack_alerts;
    -- Where an application did nothing there is nothing wrong with what it did.
    no_data text := CASE WHEN pack_name IN ('application', 'queues', 'security') THEN 'ok' ELSE 'keep' END;
BEGIN
    FOR rule IN SELECT * FROM monitoring_internal.pack_alerts AS a
                WHERE a.pack_name = install_pack_rules.pack_name ORDER BY a.rule_name LOOP
        -- One that is off does not stand in the way of a rule that has its name already.
        CONTINUE WHEN NOT enabled AND EXISTS (
            SELECT FROM monitoring.alert_rules AS r WHERE r.rule_name = rule.rule_name);
        IF rule.comparison = '>=' THEN
            PERFORM monitoring.create_ladder(
                rule.rule_name,
                jsonb_build_array(
                    jsonb_build_object('severity', 'critical', 'bound', rule.critical),
                    jsonb_build_object('severity', 'warning', 'bound', rule.warning, 'inclusive', true)),
                metric_name => rule.metric_name, for_duration => rule.for_duration,
                over_last => rule.over_last, aggregate => rule.aggregate, enabled => enabled, no_data => no_data,
                group_name => 'pack ' || pack_name,
                annotations => jsonb_build_object('summary', rule.summary));
        ELSE
            PERFORM monitoring.create_threshold(
                rule.metric_name, rule.warning, rule.critical, rule.comparison, rule.for_duration,
                rule.over_last, rule.aggregate, rule_name => rule.rule_name, enabled => enabled, no_data => no_data,
                group_name => 'pack ' || pack_name,
                annotations => jsonb_build_object('summary', rule.summary));
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION monitoring_internal.install_pack_rules(text, boolean) IS 'Makes the alert rules of a pack';

CREATE FUNCTION monitoring.enable_pack(
    pack_name text, with_alerts boolean DEFAULT false, mapping jsonb DEFAULT '{}')
RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    server_version integer := current_setting('server_version_num');
    collectors integer;
BEGIN
    PERFORM monitoring_internal.refuse_unknown_pack(pack_name);
    PERFORM monitoring_internal.refuse_odd_mapping(pack_name, mapping);
    PERFORM monitoring.disable_pack(pack_name);
    INSERT INTO monitoring_internal.enabled_packs (pack_name, with_alerts, mapping, owner)
    VALUES (pack_name, with_alerts, mapping, current_user);
    INSERT INTO monitoring.collectors (collector_name, query, every, scope, store, series_limit,
                                       metric_type, metrics, pack_name, owner, search_path)
    SELECT p.collector_name, p.query, p.every, p.scope, p.store, p.series_limit,
           p.metric_type, monitoring_internal.metrics_of_collector(p.collector_name), p.pack_name,
           current_user, ''
    FROM monitoring_internal.pack_collectors AS p
    WHERE p.pack_name = enable_pack.pack_name
      AND server_version BETWEEN p.from_version AND p.to_version;
    PERFORM monitoring_internal.settle_packs();
    IF with_alerts IS NOT NULL THEN
        PERFORM monitoring_internal.install_pack_rules(pack_name, with_alerts);
    END IF;
    PERFORM monitoring_internal.wake_worker();
    SELECT count(*) INTO collectors FROM monitoring.collectors AS c
    WHERE c.pack_name = enable_pack.pack_name;
    RETURN collectors;
END
$$;
COMMENT ON FUNCTION monitoring.enable_pack(text, boolean, jsonb) IS
    'Adds the collectors of a pack and its alert rules, in place of those of an earlier call; returns '
    'how many collectors there are now. with_alerts: whether the rules are enabled; NULL: none are made. mapping, for the packs application and '
    'security: other names of their tables and columns, and other values that mean success and '
    'pending. They run as the caller, who should be a member of pg_monitor; where the caller is a '
    'superuser, those that read a table of the application run as its owner. '
    'Errors: 42704 for a pack that is not there, 22023 for a bad mapping.';

CREATE FUNCTION monitoring_internal.enable_pack_of_rows() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- The table says which, and no argument: with one a trigger on another table could ask for any.
    of_rows text := CASE TG_RELID
        WHEN 'monitoring.queues'::regclass THEN 'queues'
        WHEN 'monitoring.probes'::regclass THEN 'probes' END;
BEGIN
    IF of_rows IS NULL THEN
        RAISE 'monitoring_internal.enable_pack_of_rows() is for tables of the extension only'
            USING ERRCODE = 'trigger_protocol_violated',
                  HINT = 'It is a part of the extension; do not make triggers with it.';
    END IF;
    -- A dump brings the collectors itself.
    IF NOT monitoring_internal.restoring()
       AND NOT EXISTS (SELECT FROM monitoring_internal.enabled_packs AS e WHERE e.pack_name = of_rows) THEN
        PERFORM monitoring.enable_pack(of_rows, with_alerts => NULL);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION monitoring_internal.enable_pack_of_rows() IS
    'Trigger: new rows of queues or probes enable the pack that shows them';
CREATE TRIGGER enable_pack AFTER INSERT ON monitoring.queues
FOR EACH STATEMENT EXECUTE FUNCTION monitoring_internal.enable_pack_of_rows();
