-- What the metrics of the packs are: type and help. The packs themselves are in packs.sql.

CREATE VIEW monitoring_internal.setting_metrics AS
SELECT 'pg_settings_' || pg_catalog.regexp_replace(s.name, '[^a-zA-Z0-9_]', '_', 'g') || u.suffix
       AS metric_name,
       CASE WHEN s.vartype = 'bool' THEN (u.setting = 'on')::integer::float8
            WHEN u.setting::float8 < 0 THEN u.setting::float8
            ELSE u.setting::float8 * u.factor END AS value,
       pg_catalog.rtrim(s.short_desc, '.') || CASE u.suffix WHEN '' THEN '.'
            ELSE ', in ' || pg_catalog.substr(u.suffix, 2) || '.' END AS help
FROM pg_catalog.pg_settings AS s, LATERAL (SELECT
    -- What a session begins with: the one that looks has set some for itself.
    CASE WHEN s.context IN ('user', 'superuser') THEN s.reset_val ELSE s.setting END AS setting,
    CASE WHEN s.unit IN ('ms', 's', 'min') THEN '_seconds'
         WHEN s.unit ~ 'B$' THEN '_bytes' ELSE '' END AS suffix,
    CASE WHEN s.unit = 'ms' THEN 0.001 WHEN s.unit = 'min' THEN 60
         WHEN s.unit ~ '^[0-9]+.B$' THEN pg_catalog.pg_size_bytes(s.unit)
         WHEN s.unit ~ '^.B$' THEN pg_catalog.pg_size_bytes('1' || s.unit)
         ELSE 1 END::float8 AS factor) AS u
WHERE s.vartype IN ('bool', 'integer', 'real');
COMMENT ON VIEW monitoring_internal.setting_metrics IS
    'Settings that are numbers, in seconds and bytes, as metrics of the postgres pack';

CREATE VIEW monitoring_internal.pack_metrics AS
SELECT 'postgres/' || m.collector AS collector_name, m.prefix || line[2] AS metric_name,
       line[1] AS metric_type, line[3] AS help
FROM (VALUES
('up', 'pg_', '
gauge up Whether the server answers.
gauge postmaster_start_time_seconds When the server was started, in seconds since 1970.
gauge replication_is_replica Whether the server is a standby.
gauge replication_lag_seconds Age of the transaction replayed last; 0 on a primary and where all that was received is replayed.
gauge replication_last_replay_seconds Age of the transaction replayed last; 0 on a primary.
gauge connections_used_ratio Connections of clients, of max_connections.'),
('exporter', 'pg_', '
gauge scrape_collector_duration_seconds How long the last run of this collector of the pack took.
gauge scrape_collector_success Whether the last run of this collector of the pack did not fail.
gauge exporter_last_scrape_duration_seconds How long the last runs of all collectors of the pack took.
gauge exporter_last_scrape_error Whether the last run of any collector of the pack failed.'),
('roles', 'pg_roles_', '
gauge connection_limit Connections that the role may have; -1 without a limit.'),
('database', 'pg_database_', '
gauge connection_limit Connections that the database may have; -1 without a limit.
gauge wraparound_age_datfrozenxid_seconds Transactions since the oldest transaction id that is not frozen.
gauge wraparound_age_datminmxid_seconds Multixacts since the oldest multixact id in the database.'),
('database_size', 'pg_database_', '
gauge size_bytes Disk space used by the database.'),
('stat_database', 'pg_stat_database_', '
gauge numbackends Backends connected to this database.
counter xact_commit Transactions committed.
counter xact_rollback Transactions rolled back.
counter blks_read Disk blocks read.
counter blks_hit Disk blocks found in the buffer cache.
counter tup_returned Rows returned by sequential scans and index entries returned by index scans.
counter tup_fetched Rows fetched by index scans.
counter tup_inserted Rows inserted.
counter tup_updated Rows updated.
counter tup_deleted Rows deleted.
counter conflicts Queries canceled because they conflicted with recovery.
counter temp_files Temporary files made by queries.
counter temp_bytes Bytes written to temporary files.
counter deadlocks Deadlocks detected.
counter blk_read_time Milliseconds spent reading data files, if track_io_timing is on.
counter blk_write_time Milliseconds spent writing data files, if track_io_timing is on.
counter active_time_seconds_total Seconds spent executing statements.
counter stats_reset When these statistics were reset last, in seconds since 1970.'),
('stat_database_sessions', 'pg_stat_database_', '
counter session_time Milliseconds spent by sessions.
counter active_time Milliseconds spent executing statements.
counter idle_in_transaction_time Milliseconds spent idle in transactions.
counter sessions Sessions begun.
counter sessions_abandoned Sessions ended because the connection was lost.
counter sessions_fatal Sessions ended by a fatal error.
counter sessions_killed Sessions ended by an operator.
counter checksum_failures Pages with a wrong checksum.
gauge checksum_last_failure When the last page with a wrong checksum was found, in seconds since 1970.'),
('stat_database_conflicts', 'pg_stat_database_conflicts_', '
counter confl_tablespace Queries canceled because of dropped tablespaces.
counter confl_lock Queries canceled because of lock timeouts.
counter confl_snapshot Queries canceled because of old snapshots.
counter confl_bufferpin Queries canceled because of pinned buffers.
counter confl_deadlock Queries canceled because of deadlocks.'),
('locks', 'pg_locks_', '
gauge count Locks held or waited for, but for those of the session that counts.'),
('stat_activity', 'pg_', '
gauge stat_activity_count Sessions in this state, but for the one that counts.
gauge stat_activity_max_tx_duration Age of the oldest transaction of a session in this state, in seconds.
gauge long_running_transactions Open transactions that are not idle.
gauge long_running_transactions_oldest_timestamp_seconds Age of the oldest long-running transaction, in seconds.'),
('stat_activity_autovacuum', 'pg_stat_activity_autovacuum_', '
gauge timestamp_seconds When the vacuum of this table began, in seconds since 1970.'),
('stat_bgwriter', 'pg_stat_bgwriter_', '
counter checkpoints_timed_total Checkpoints because it was time.
counter checkpoints_req_total Checkpoints that were requested.
counter checkpoint_write_time_total Milliseconds that checkpoints spent writing files.
counter checkpoint_sync_time_total Milliseconds that checkpoints spent synchronizing files.
counter buffers_checkpoint_total Buffers written by checkpoints.
counter buffers_clean_total Buffers written by the background writer.
counter maxwritten_clean_total Times that the background writer stopped because it had written too many buffers.
counter buffers_backend_total Buffers written by a backend itself.
counter buffers_backend_fsync_total Times that a backend had to call fsync itself.
counter buffers_alloc_total Buffers allocated.
counter stats_reset_total When these statistics were reset last, in seconds since 1970.'),
('stat_bgwriter', 'pg_stat_checkpointer_', '
counter num_timed_total Checkpoints because it was time.
counter num_requested_total Checkpoints that were requested.
counter restartpoints_timed_total Restartpoints because it was time.
counter restartpoints_req_total Restartpoints that were requested.
counter restartpoints_done_total Restartpoints performed.
counter write_time_total Milliseconds that checkpoints and restartpoints spent writing files.
counter sync_time_total Milliseconds that checkpoints and restartpoints spent synchronizing files.
counter buffers_written_total Buffers written by checkpoints and restartpoints.
counter stats_reset_total When these statistics were reset last, in seconds since 1970.'),
('stat_archiver', 'pg_stat_archiver_', '
counter archived_count WAL files archived.
counter failed_count Failed attempts to archive a WAL file.
gauge last_archive_age Seconds since a WAL file was archived last.'),
('stat_replication', 'pg_stat_replication_', '
gauge pg_current_wal_lsn_bytes WAL position of this server, in bytes.
gauge pg_wal_lsn_diff Bytes of WAL that the standby has not replayed.
gauge reply_time When the standby answered last, in seconds since 1970.
gauge replay_lag_seconds How long the last WAL took until the standby had replayed it; 0 while nothing is written.'),
('replication_slots', 'pg_replication_slots_', '
gauge active Whether somebody reads from the slot.
gauge pg_wal_lsn_diff Bytes of WAL that the slot holds back.
gauge slot_current_wal_lsn WAL position of this server, in bytes.
gauge slot_confirmed_flush_lsn WAL position that the reader of the slot has confirmed, in bytes.
gauge slot_is_active Whether somebody reads from the slot.
gauge safe_wal_size_bytes Bytes of WAL until the slot may be lost.
gauge wal_status Whether the WAL that the slot needs is there; 1 for the status of the label.'),
('stat_walreceiver', 'pg_stat_wal_receiver_', '
counter receive_start_lsn WAL position at which receiving began, in bytes.
gauge receive_start_tli Timeline on which receiving began.
counter flushed_lsn WAL position flushed last, in bytes.
gauge received_tli Timeline received last.
counter last_msg_send_time When the last message was sent, in seconds since 1970.
counter last_msg_receipt_time When the last message was received, in seconds since 1970.
counter latest_end_lsn WAL position reported to the sender last, in bytes.
counter latest_end_time When the last WAL position was reported to the sender, in seconds since 1970.'),
('wal', 'pg_wal_', '
gauge segments WAL files.
gauge size_bytes Size of all WAL files.'),
('settings', 'pg_', '
gauge static The version of the server, as labels.'),
('stat_user_tables', 'pg_stat_user_tables_', '
counter seq_scan Sequential scans of this table.
counter seq_tup_read Rows read by sequential scans.
counter idx_scan Index scans of this table.
counter idx_tup_fetch Rows fetched by index scans.
counter n_tup_ins Rows inserted.
counter n_tup_upd Rows updated.
counter n_tup_del Rows deleted.
counter n_tup_hot_upd Rows updated without a new index entry.
gauge n_live_tup Estimated live rows.
gauge n_dead_tup Estimated dead rows.
gauge n_mod_since_analyze Estimated rows changed since the table was analyzed.
gauge last_vacuum When the table was vacuumed by hand, in seconds since 1970.
gauge last_autovacuum When autovacuum vacuumed the table, in seconds since 1970.
gauge last_analyze When the table was analyzed by hand, in seconds since 1970.
gauge last_autoanalyze When autovacuum analyzed the table, in seconds since 1970.
counter vacuum_count Vacuums by hand.
counter autovacuum_count Vacuums by autovacuum.
counter analyze_count Analyzes by hand.
counter autoanalyze_count Analyzes by autovacuum.
gauge table_size_bytes Size of the table and its TOAST table when it was last vacuumed or analyzed.
gauge index_size_bytes Size of all indexes of the table when it was last vacuumed or analyzed.'),
('statio_user_tables', 'pg_statio_user_tables_', '
counter heap_blocks_read Disk blocks of the table read.
counter heap_blocks_hit Disk blocks of the table found in the buffer cache.
counter idx_blocks_read Disk blocks of the table''s indexes read.
counter idx_blocks_hit Disk blocks of the table''s indexes found in the buffer cache.
counter toast_blocks_read Disk blocks of the table''s TOAST table read.
counter toast_blocks_hit Disk blocks of the table''s TOAST table found in the buffer cache.
counter tidx_blocks_read Disk blocks of the indexes of the table''s TOAST table read.
counter tidx_blocks_hit Disk blocks of the indexes of the table''s TOAST table found in the buffer cache.'),
('statio_user_indexes', 'pg_statio_user_indexes_', '
counter idx_blks_read_total Disk blocks of the index read.
counter idx_blks_hit_total Disk blocks of the index found in the buffer cache.'),
('stat_progress_vacuum', 'pg_stat_progress_vacuum_', '
gauge phase Whether the vacuum is in the phase of the label.
gauge heap_blks Blocks of the table.
gauge heap_blks_scanned Blocks scanned so far.
gauge heap_blks_vacuumed Blocks vacuumed so far.
gauge index_vacuums Times that the indexes were vacuumed.
gauge max_dead_tuples Dead rows that fit into memory before the indexes must be vacuumed.
gauge max_dead_tuple_bytes Bytes of dead row pointers that fit into memory before the indexes must be vacuumed.
gauge dead_tuple_bytes Bytes of dead row pointers found since the indexes were vacuumed.
gauge num_dead_tuples Dead rows found since the indexes were vacuumed.'),
('stat_statements', 'pg_stat_statements_', '
counter calls_total Times that the statement was executed; the label queryid "other": all others together.
counter seconds_total Seconds spent executing the statement.
counter rows_total Rows that the statement returned or changed.
counter block_read_seconds_total Seconds that the statement spent reading blocks, if track_io_timing is on.
counter block_write_seconds_total Seconds that the statement spent writing blocks, if track_io_timing is on.')
) AS m (collector, prefix, lines),
LATERAL pg_catalog.regexp_matches(m.lines, '^(\w+) (\w+) (.+)$', 'gn') AS line
UNION ALL
SELECT 'postgres/settings', s.metric_name, 'gauge', s.help FROM monitoring_internal.setting_metrics AS s
UNION ALL
SELECT 'probes/results', line[1], 'gauge', line[2]
FROM pg_catalog.regexp_matches('
probe_success Whether the last probe succeeded.
probe_duration_seconds How long the last probe took.
probe_http_status_code The HTTP status of the last answer.
probe_ssl_earliest_cert_expiry When the first certificate of the chain expires, in seconds since 1970.
probe_ssl_seconds_left Seconds until then.', '^(\w+) (.+)$', 'gn') AS line
UNION ALL
SELECT 'probes/uptime', 'probe_uptime_30_days_percent', 'gauge',
       'Percent of the probes of the last 30 days that succeeded.'
UNION ALL
SELECT 'security/server', line[1], 'counter', line[2]
FROM pg_catalog.regexp_matches('
security_rls_violations_total Violations of row level security.
security_authentication_failures_total Rejected logins.
security_refused_statements_total Statements that were wrong or not allowed: SQLSTATE class 42.',
    '^(\w+) (.+)$', 'gn') AS line
UNION ALL
SELECT line[1], line[2], 'gauge', line[3]
FROM pg_catalog.regexp_matches('
application/ai ai_error_rate AI actions of the last hour that failed, in percent.
application/ai ai_actions_hourly AI actions of the last hour.
application/ai ai_tokens_hourly Tokens of the last hour.
application/ai ai_cost_hourly Cost of the last hour.
application/ai_daily ai_tokens_daily Tokens of the last 24 hours.
application/ai_daily ai_cost_daily Cost of the last 24 hours.
application/ai_by_model ai_actions_by_model_hourly AI actions of the last hour.
application/ai_by_model ai_tokens_by_model_hourly Tokens of the last hour.
application/ai_by_model ai_cost_by_model_hourly Cost of the last hour.
application/ai_by_action ai_actions_by_action_hourly AI actions of the last hour.
application/ai_by_action ai_tokens_by_action_hourly Tokens of the last hour.
application/ai_by_action ai_action_success_ratio Part of the AI actions of the last hour that succeeded, 0 to 1.
application/ai_by_provider ai_actions_by_provider_hourly AI actions of the last hour.
application/ai_by_provider ai_tokens_by_provider_hourly Tokens of the last hour.
application/ai_by_provider ai_cost_by_provider_hourly Cost of the last hour.
application/ai_by_provider ai_provider_error_ratio Part of the AI actions of the last hour that failed, 0 to 1.
application/ai_latency ai_latency_p50_seconds How long half of the AI actions of the last hour took at most.
application/ai_latency ai_latency_p95_seconds How long 95 % of the AI actions of the last hour took at most.
application/ai_latency ai_latency_p99_seconds How long 99 % of the AI actions of the last hour took at most.
application/queue queue_depth Jobs that wait.
application/queue queue_processing_time_p95 How long 95 % of the jobs finished in the last hour took at most, in seconds.
application/queue_by_status queue_jobs Jobs made in the last 24 hours.
application/audit audit_activity_hourly Audited actions of the last hour.
application/audit audit_activity_baseline_ratio Audited actions of the last hour, against the mean of this hour of the seven days before.
application/ai_provider ai_provider_requests_hourly Requests to AI providers in the last hour.
application/ai_provider ai_provider_tokens_hourly Tokens of the last hour.
application/ai_provider ai_provider_cost_dollars_hourly Cost of the last hour, in dollars.
application/ai_provider_daily ai_usage_cost_dollars_daily Cost of the last 24 hours, in dollars.
security/events security_events_per_minute Security events a minute, the mean of five minutes.
security/events_by_tenant security_events_by_tenant_hourly Security events of the last hour.
security/tenants tenant_activity_hourly Audited actions of the last hour.
security/tenants tenant_activity_baseline_ratio Audited actions of the last hour, against the mean of this hour of the seven days before.
security/tenants tenants_active_hourly Tenants with audited actions in the last hour.
security/tenant_access users_active_hourly Users with audited actions in the last hour.
security/tenant_access cross_tenant_users_hourly Users with audited actions in more than one tenant in the last hour.', '^(\S+) (\S+) (.+)$', 'gn') AS line
UNION ALL
SELECT 'queues/' || line[1], line[2], 'gauge', line[3]
FROM pg_catalog.regexp_matches('
state queue_pending_messages Messages that wait.
state queue_processing_messages Messages being worked on.
state queue_stuck_messages Messages that nobody has finished in time.
state queue_dead_letter_messages Messages that were given up.
state queue_oldest_message_age_seconds Age of the oldest message that waits.
state queue_finished_messages_hourly Messages finished in the last hour.
state queue_failed_messages_hourly Messages that failed in the last hour.
state queue_failed_ratio Part of the messages of the last hour that failed, 0 to 1.
state queue_processing_p50_seconds How long half of the messages of the last hour took at most.
state queue_processing_p95_seconds How long 95 % of the messages of the last hour took at most.
state queue_processing_p99_seconds How long 99 % of the messages of the last hour took at most.
bullmq bullmq_queue_waiting Jobs that wait.
bullmq bullmq_queue_active Jobs being worked on.
bullmq bullmq_queue_completed Jobs completed in the last hour.
bullmq bullmq_queue_failed Jobs that were given up.', '^(\w+) (\w+) (.+)$', 'gn') AS line
UNION ALL
SELECT 'host/' || h.prefix || h.metric_type || 's', h.metric_name, h.metric_type,
       pg_catalog.min(line[2])
FROM (SELECT DISTINCT t.prefix, t.metric_type, m.metric_name
      FROM (VALUES ('', 'gauge', 'machine'), ('', 'counter', 'machine'),
                   ('network_', 'gauge', 'network'), ('network_', 'counter', 'network'))
          AS t (prefix, metric_type, topic),
      LATERAL monitoring_internal.host_metrics(t.metric_type, t.topic) AS m) AS h
JOIN pg_catalog.regexp_matches('
node_cpu_seconds_total Seconds that the CPUs spent in each mode.
node_cpu_guest_seconds_total Seconds that the CPUs spent running virtual machines.
node_cpu_idle_mean_seconds_total Seconds that the CPUs were idle, the mean of all.
node_intr_total Interrupts serviced.
node_context_switches_total Context switches.
node_boot_time_seconds When the machine was started, in seconds since 1970.
node_forks_total Processes forked.
node_procs_running Processes that can run.
node_procs_blocked Processes that wait for I/O.
node_memory_used_ratio Memory that is not available, of all.
node_memory_(?!used_ratio).* As in /proc/meminfo.
node_load1 Mean of processes that run or wait for a disk, over 1 minute.
node_load5 Mean of processes that run or wait for a disk, over 5 minutes.
node_load15 Mean of processes that run or wait for a disk, over 15 minutes.
node_disk_.* As in /proc/diskstats, in bytes and seconds.
node_network_(receive|transmit)_.* As in /proc/net/dev.
node_network_(?!receive|transmit).* As in /sys/class/net.
node_netstat_.* As in /proc/net/snmp, snmp6 and netstat.
node_sockstat_.* As in /proc/net/sockstat and sockstat6.
node_softnet_.* As in /proc/net/softnet_stat.
node_nf_conntrack_.* As in /proc/sys/net/netfilter.
node_arp_entries Entries of the ARP table.
node_pressure_cpu_.* Seconds that processes waited for a CPU.
node_pressure_io_.* Seconds that processes waited for I/O.
node_pressure_memory_.* Seconds that processes waited for memory.
node_filefd_allocated Open file handles.
node_filefd_maximum File handles that there can be.
node_vmstat_.* As in /proc/vmstat.
node_entropy_.* As in /proc/sys/kernel/random.
node_timex_.* The state of the clock, as adjtimex() has it.
node_time_seconds The time, in seconds since 1970.
node_uname_info The kernel, as labels; as uname() has it.
node_filesystem_size_bytes Size of the file system.
node_filesystem_free_bytes Free bytes.
node_filesystem_avail_bytes Free bytes for users other than root.
node_filesystem_files Inodes.
node_filesystem_files_free Free inodes.
node_filesystem_readonly Whether the file system is mounted read-only.
node_filesystem_device_error Whether the size of the file system could not be read.
node_filesystem_used_ratio Used part of the bytes of the file system that users other than root can have, 0 to 1.', '^(\S+) (.+)$', 'gn') AS line
    ON h.metric_name ~ ('^(?:' || line[1] || ')$')
GROUP BY h.prefix, h.metric_type, h.metric_name;
COMMENT ON VIEW monitoring_internal.pack_metrics IS 'The metrics of the packs, with type and help';

CREATE FUNCTION monitoring_internal.metrics_of_collector(collector_name text) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(jsonb_object_agg(m.metric_name,
                                     jsonb_build_object('type', m.metric_type, 'help', m.help)), '{}')
    FROM monitoring_internal.pack_metrics AS m
    WHERE m.collector_name = metrics_of_collector.collector_name
$$;
COMMENT ON FUNCTION monitoring_internal.metrics_of_collector(text) IS
    'The same of one collector, as in monitoring.collectors.metrics';
