-- Queues: what to look at, what the last look saw, and the view that health reads.

CREATE FUNCTION monitoring_internal.check_owner() RETURNS trigger
AS 'MODULE_PATHNAME', 'monitoring_check_owner' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION monitoring_internal.check_owner() IS
    'Trigger: nobody makes a row run as a role that they are not a member of';

CREATE TABLE monitoring.queues (
    queue_name text PRIMARY KEY CONSTRAINT queue_has_name CHECK (queue_name <> ''),
    kind text NOT NULL DEFAULT 'table'
        CONSTRAINT kind_is_table_or_pgmq CHECK (kind IN ('table', 'pgmq')),
    -- What the name means must not depend on anybody's search_path.
    source text CONSTRAINT source_names_its_schema
        CHECK (pg_catalog.cardinality(pg_catalog.parse_ident(source)) = 2),
    status_column name NOT NULL DEFAULT 'status',
    pending_values text[] NOT NULL DEFAULT '{pending}',
    processing_values text[] NOT NULL DEFAULT '{processing}',
    done_values text[] NOT NULL DEFAULT '{done,completed}',
    dead_values text[] NOT NULL DEFAULT '{dead,failed}',
    since_column name NOT NULL DEFAULT 'created_at',
    started_column name,
    finished_column name,
    dead_letter_queue text,
    max_reads integer CONSTRAINT max_reads_is_positive CHECK (max_reads > 0),
    stuck_after interval NOT NULL DEFAULT '15 minutes'
        CONSTRAINT stuck_after_is_positive CHECK (stuck_after > interval '0'),
    check_timeout interval NOT NULL DEFAULT '5 seconds'
        CONSTRAINT check_timeout_is_positive CHECK (check_timeout > interval '0'),
    enabled boolean NOT NULL DEFAULT true,
    owner name NOT NULL DEFAULT current_user,
    owner_oid oid NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    CONSTRAINT table_has_source CHECK (kind = 'pgmq' OR source IS NOT NULL)
);
COMMENT ON TABLE monitoring.queues IS
    'Queues to watch. Queues of pgmq are found by themselves; a row here changes how one is seen.';
COMMENT ON COLUMN monitoring.queues.queue_name IS 'Name of the queue';
COMMENT ON COLUMN monitoring.queues.pending_values IS
    'kind table: values of status_column of jobs that wait';
COMMENT ON COLUMN monitoring.queues.processing_values IS
    'kind table: values of jobs that are being worked on';
COMMENT ON COLUMN monitoring.queues.dead_values IS
    'kind table: values of jobs that failed for good';
COMMENT ON COLUMN monitoring.queues.enabled IS 'Whether the queue is checked';
COMMENT ON COLUMN monitoring.queues.created_at IS 'When the row was made';
COMMENT ON COLUMN monitoring.queues.kind IS
    'table: an ordinary table or view of jobs; pgmq: a queue of the pgmq extension';
COMMENT ON COLUMN monitoring.queues.source IS
    'the relation, with its schema; for pgmq by default pgmq.q_<queue_name>';
COMMENT ON COLUMN monitoring.queues.status_column IS 'kind table: the column that the values are in';
COMMENT ON COLUMN monitoring.queues.done_values IS
    'kind table: jobs that succeeded; read only where finished_column is given';
COMMENT ON COLUMN monitoring.queues.since_column IS
    'kind table: when the job entered the queue, or its present status. Columns of type timestamp '
    'without time zone, here and below, are in UTC';
COMMENT ON COLUMN monitoring.queues.started_column IS
    'kind table: when work on the job began; NULL: since_column, so that waiting counts as processing';
COMMENT ON COLUMN monitoring.queues.finished_column IS
    'kind table: when the job was done or failed; NULL: how long jobs take is not looked at. The '
    'time of pgmq is that from sending to archiving';
COMMENT ON COLUMN monitoring.queues.dead_letter_queue IS
    'kind pgmq: the queue that takes dead letters; by default <queue_name>_dlq, if there is one';
COMMENT ON COLUMN monitoring.queues.max_reads IS
    'kind pgmq: a message that was read more often and is visible again is a dead letter';
COMMENT ON COLUMN monitoring.queues.stuck_after IS
    'a message that is pending or processing for longer is stuck';
COMMENT ON COLUMN monitoring.queues.check_timeout IS
    'a check that takes longer, or longer than monitoring.query_timeout, is given up';
COMMENT ON COLUMN monitoring.queues.owner IS
    'the role that reads the source; where it is a superuser, the owner of the source does';
COMMENT ON COLUMN monitoring.queues.owner_oid IS
    'which role had that name when owner was last set; nothing runs as another role of the name';
SELECT pg_catalog.pg_extension_config_dump('monitoring.queues', '');

CREATE TRIGGER check_owner BEFORE INSERT OR UPDATE OR DELETE ON monitoring.queues
FOR EACH ROW EXECUTE FUNCTION monitoring_internal.check_owner('also before');
CREATE TRIGGER bind_owner BEFORE INSERT OR UPDATE OF owner, owner_oid ON monitoring.queues
FOR EACH ROW EXECUTE FUNCTION monitoring_internal.bind_owner();
CREATE TRIGGER forget_overruns AFTER DELETE OR UPDATE ON monitoring.queues
FOR EACH ROW EXECUTE FUNCTION monitoring_internal.forget_overruns('queue_monitor', 'queue_name');

-- Not dumped: a restored copy has not looked at anything yet.
CREATE TABLE monitoring.queue_state (
    queue_name text PRIMARY KEY,
    pending_messages bigint NOT NULL DEFAULT 0,
    processing_messages bigint NOT NULL DEFAULT 0,
    stuck_messages bigint NOT NULL DEFAULT 0,
    dead_letter_messages bigint NOT NULL DEFAULT 0,
    oldest_message_age interval,
    last_check_time timestamptz,
    last_error text,
    finished_messages bigint NOT NULL DEFAULT 0,
    failed_messages bigint NOT NULL DEFAULT 0,
    processing_p50_seconds float8,
    processing_p95_seconds float8,
    processing_p99_seconds float8
);
COMMENT ON TABLE monitoring.queue_state IS
    'What the last successful check of each queue saw, and why the last one failed, if it did';
COMMENT ON COLUMN monitoring.queue_state.queue_name IS 'The queue';
COMMENT ON COLUMN monitoring.queue_state.pending_messages IS 'Messages that wait';
COMMENT ON COLUMN monitoring.queue_state.processing_messages IS 'Messages that are being worked on';
COMMENT ON COLUMN monitoring.queue_state.stuck_messages IS
    'Messages that wait or are being worked on for longer than stuck_after';
COMMENT ON COLUMN monitoring.queue_state.dead_letter_messages IS 'Messages that failed for good';
COMMENT ON COLUMN monitoring.queue_state.oldest_message_age IS
    'Age of the oldest message that waits or is being worked on';
COMMENT ON COLUMN monitoring.queue_state.last_check_time IS 'When the last successful check was';
COMMENT ON COLUMN monitoring.queue_state.last_error IS
    'Why the last check failed; NULL: it did not';
COMMENT ON COLUMN monitoring.queue_state.processing_p50_seconds IS
    'How long half of those that were done within the last hour took at most';
COMMENT ON COLUMN monitoring.queue_state.processing_p99_seconds IS
    'How long 99 % of them took at most';
COMMENT ON COLUMN monitoring.queue_state.finished_messages IS 'that were done within the last hour';
COMMENT ON COLUMN monitoring.queue_state.failed_messages IS 'that failed within the last hour';
COMMENT ON COLUMN monitoring.queue_state.processing_p95_seconds IS
    'how long those that were done within the last hour took: 95 % of them no longer than this';

CREATE VIEW public.queue_monitoring_view AS
SELECT queue_name,
       COALESCE(s.pending_messages, 0) AS pending_messages,
       COALESCE(s.processing_messages, 0) AS processing_messages,
       COALESCE(s.stuck_messages, 0) AS stuck_messages,
       COALESCE(s.dead_letter_messages, 0) AS dead_letter_messages,
       s.oldest_message_age,
       s.last_check_time,
       COALESCE(s.finished_messages, 0) AS finished_messages,
       COALESCE(s.failed_messages, 0) AS failed_messages,
       s.processing_p50_seconds,
       s.processing_p95_seconds,
       s.processing_p99_seconds
FROM (SELECT q.queue_name FROM monitoring.queues q WHERE q.enabled) AS named
FULL JOIN monitoring.queue_state AS s USING (queue_name);
COMMENT ON VIEW public.queue_monitoring_view IS
    'One row for each queue, from its last check by monitoring.check_queues()';
COMMENT ON COLUMN public.queue_monitoring_view.queue_name IS 'The queue';
COMMENT ON COLUMN public.queue_monitoring_view.pending_messages IS 'Messages that wait';
COMMENT ON COLUMN public.queue_monitoring_view.processing_messages IS
    'Messages that are being worked on';
COMMENT ON COLUMN public.queue_monitoring_view.stuck_messages IS
    'Messages that wait or are being worked on for longer than stuck_after';
COMMENT ON COLUMN public.queue_monitoring_view.dead_letter_messages IS
    'Messages that failed for good';
COMMENT ON COLUMN public.queue_monitoring_view.oldest_message_age IS
    'Age of the oldest message that waits or is being worked on';
COMMENT ON COLUMN public.queue_monitoring_view.last_check_time IS
    'When the queue was checked last; NULL: not yet';
COMMENT ON COLUMN public.queue_monitoring_view.finished_messages IS
    'Messages that were done within the last hour';
COMMENT ON COLUMN public.queue_monitoring_view.failed_messages IS
    'Messages that failed within the last hour';
COMMENT ON COLUMN public.queue_monitoring_view.processing_p50_seconds IS
    'How long half of those that were done within the last hour took at most';
COMMENT ON COLUMN public.queue_monitoring_view.processing_p95_seconds IS
    'How long 95 % of them took at most';
COMMENT ON COLUMN public.queue_monitoring_view.processing_p99_seconds IS
    'How long 99 % of them took at most';

CREATE FUNCTION monitoring.check_queues() RETURNS integer
AS 'MODULE_PATHNAME', 'monitoring_check_queues' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring.check_queues() IS
    'Checks every queue and returns how many could be; a broken queue becomes a worker issue';

CREATE FUNCTION monitoring.requeue_dead_letters(queue_name text) RETURNS bigint
AS 'MODULE_PATHNAME', 'monitoring_requeue_dead_letters' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring.requeue_dead_letters(text) IS
    'Makes every dead letter of a queue wait again, and returns how many; logs an event. Of a table '
    'of jobs: the status becomes the first of pending_values, since_column now, started_column and '
    'finished_column NULL. Of pgmq: messages of the dead-letter queue are sent again, those that '
    'were read too often count as never read. It writes as the role that the queue is read as. '
    'Errors: 42704 for a queue that is not there.';
