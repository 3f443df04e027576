-- Collectors: queries that the worker runs on a timer, whose rows become measurements and metrics.

CREATE TABLE monitoring.collectors (
    collector_name text PRIMARY KEY CONSTRAINT collector_has_name CHECK (collector_name <> ''),
    query text NOT NULL,
    every interval NOT NULL DEFAULT '1 minute'
        CONSTRAINT every_is_a_second CHECK (every >= interval '1 second'),
    timeout interval NOT NULL DEFAULT '5 seconds'
        CONSTRAINT timeout_is_positive CHECK (timeout > interval '0'),
    metric_type text NOT NULL DEFAULT 'gauge'
        CONSTRAINT metric_type_is_known CHECK (metric_type IN ('gauge', 'counter')),
    metrics jsonb NOT NULL DEFAULT '{}'
        CONSTRAINT metrics_is_object CHECK (pg_catalog.jsonb_typeof(metrics) = 'object'),
    series_limit integer NOT NULL DEFAULT 1000
        CONSTRAINT series_limit_is_positive CHECK (series_limit > 0),
    store boolean NOT NULL DEFAULT true,
    expose boolean NOT NULL DEFAULT true,
    scope text NOT NULL DEFAULT 'database'
        CONSTRAINT scope_is_known CHECK (scope IN ('database', 'cluster')),
    pack_name text,
    source text CONSTRAINT source_names_its_schema
        CHECK (pg_catalog.cardinality(pg_catalog.parse_ident(source)) = 2),
    enabled boolean NOT NULL DEFAULT true,
    owner name NOT NULL DEFAULT current_user,
    owner_oid oid NOT NULL DEFAULT 0,
    -- That of the collector's author: what its names mean depends on no other session.
    search_path text NOT NULL DEFAULT pg_catalog.current_setting('search_path'),
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    next_run_at timestamptz,
    last_run_at timestamptz,
    last_duration_ms float8,
    average_duration_ms float8,
    stretched_every interval,
    last_error text,
    last_series bigint,
    consecutive_failures integer NOT NULL DEFAULT 0,
    missed_runs bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 70);
COMMENT ON TABLE monitoring.collectors IS
    'Queries that the worker runs on a timer, each as its owner: made by create_collector() and '
    'enable_pack(); may be edited';
COMMENT ON COLUMN monitoring.collectors.collector_name IS
    'Name of the collector, and of its metric where the query names none';
COMMENT ON COLUMN monitoring.collectors.enabled IS 'Whether the worker runs it';
COMMENT ON COLUMN monitoring.collectors.created_at IS 'When it was made';
COMMENT ON COLUMN monitoring.collectors.last_run_at IS 'When it ran last';
COMMENT ON COLUMN monitoring.collectors.last_duration_ms IS 'How long the last run took';
COMMENT ON COLUMN monitoring.collectors.query IS
    'returns value, a number; optionally metric_name (without it the metric has the collector''s '
    'name) and labels jsonb; every other column is a label. A row without a value is left out. $1 '
    'is the time of the run';
COMMENT ON COLUMN monitoring.collectors.every IS
    'time between two runs; a run that is missed is skipped and counted';
COMMENT ON COLUMN monitoring.collectors.timeout IS
    'a run that takes longer fails; the worker''s also after monitoring.query_timeout';
COMMENT ON COLUMN monitoring.collectors.metric_type IS
    'of its metrics: gauge, or counter: a number that only grows, but for resets';
COMMENT ON COLUMN monitoring.collectors.metrics IS
    'of single metrics, by name: {"name": {"type": "counter", "help": "..."}}';
COMMENT ON COLUMN monitoring.collectors.series_limit IS 'a result of more rows is an error';
COMMENT ON COLUMN monitoring.collectors.store IS 'whether rows become measurements';
COMMENT ON COLUMN monitoring.collectors.expose IS 'whether rows become metrics of prometheus_metrics()';
COMMENT ON COLUMN monitoring.collectors.scope IS
    'database; or cluster: of the databases whose workers have it, only that with the lowest oid runs it';
COMMENT ON COLUMN monitoring.collectors.pack_name IS 'the pack that it came with';
COMMENT ON COLUMN monitoring.collectors.source IS
    'a relation; where owner is a superuser, the query runs as the owner of this one';
COMMENT ON COLUMN monitoring.collectors.owner IS
    'the role that runs the query; a superuser''s runs if monitoring.allow_superuser_rules is on, '
    'or if it is a pack''s, as shipped';
COMMENT ON COLUMN monitoring.collectors.owner_oid IS
    'which role had that name when owner was last set; nothing runs as another role of the name';
COMMENT ON COLUMN monitoring.collectors.search_path IS 'where the names in the query are looked up';
COMMENT ON COLUMN monitoring.collectors.next_run_at IS
    'when it is due; NULL before the first run, which comes within ten seconds';
COMMENT ON COLUMN monitoring.collectors.average_duration_ms IS
    'a moving average: half of it is the last run';
COMMENT ON COLUMN monitoring.collectors.stretched_every IS
    'the interval that monitoring.max_duty_cycle leaves it; NULL where all collectors run as often as '
    'they ask for, or this one takes too little to matter';
COMMENT ON COLUMN monitoring.collectors.last_error IS 'why the last run failed; NULL if it did not';
COMMENT ON COLUMN monitoring.collectors.last_series IS 'rows of the last run that did not fail';
COMMENT ON COLUMN monitoring.collectors.consecutive_failures IS
    'each doubles the time to the next run, up to an hour';
COMMENT ON COLUMN monitoring.collectors.missed_runs IS
    'runs that were skipped because the worker was late';
SELECT pg_catalog.pg_extension_config_dump('monitoring.collectors', '');

CREATE TRIGGER check_owner BEFORE INSERT OR UPDATE OF owner, owner_oid, query, search_path, source
ON monitoring.collectors
FOR EACH ROW EXECUTE FUNCTION monitoring_internal.check_owner();
CREATE TRIGGER bind_owner BEFORE INSERT OR UPDATE OF owner, owner_oid ON monitoring.collectors
FOR EACH ROW EXECUTE FUNCTION monitoring_internal.bind_owner();
-- Not of what the worker writes itself after each run.
CREATE TRIGGER forget_overruns AFTER DELETE OR UPDATE OF collector_name, query, timeout, series_limit,
    source, enabled, owner, search_path
ON monitoring.collectors
FOR EACH ROW EXECUTE FUNCTION monitoring_internal.forget_overruns('collector', 'collector_name');

CREATE TABLE monitoring_internal.collector_metrics (
    collector_name text NOT NULL,
    metric_name text NOT NULL,
    whole_cluster boolean NOT NULL,
    PRIMARY KEY (collector_name, metric_name)
);
COMMENT ON TABLE monitoring_internal.collector_metrics IS
    'The metrics in shared memory that are a collector''s. Not dumped: a copy has exposed none.';
COMMENT ON COLUMN monitoring_internal.collector_metrics.collector_name IS 'The collector';
COMMENT ON COLUMN monitoring_internal.collector_metrics.metric_name IS 'A metric that it exposes';
COMMENT ON COLUMN monitoring_internal.collector_metrics.whole_cluster IS
    'Whether the metric is exposed for the whole server and not for one database';

CREATE FUNCTION monitoring.create_collector(
    collector_name text, query text, every interval DEFAULT '1 minute',
    timeout interval DEFAULT '5 seconds', metric_type text DEFAULT 'gauge',
    metrics jsonb DEFAULT '{}', series_limit integer DEFAULT 1000, store boolean DEFAULT true,
    expose boolean DEFAULT true, scope text DEFAULT 'database', enabled boolean DEFAULT true,
    owner name DEFAULT NULL, replace boolean DEFAULT true)
RETURNS void
AS 'MODULE_PATHNAME', 'monitoring_create_collector' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION monitoring.create_collector(text, text, interval, interval, text, jsonb, integer,
    boolean, boolean, text, boolean, name, boolean) IS
    'Adds a collector, or, unless replace is false, changes the one of that name. It is tried once; one that does not work '
    'yet is kept with a warning. Owner: the caller, or a role that the caller is a member of. '
    'Errors: 22023 for an empty name or a bad interval.';

CREATE FUNCTION monitoring_internal.try_collector(collector_name text) RETURNS void
AS 'MODULE_PATHNAME', 'monitoring_try_collector' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring_internal.try_collector(text) IS 'Warns of a collector that does not work';

CREATE FUNCTION monitoring.drop_collector(collector_name text, if_exists boolean DEFAULT false)
RETURNS boolean
AS 'MODULE_PATHNAME', 'monitoring_drop_collector' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring.drop_collector(text, boolean) IS
    'Removes a collector, and with it the metrics that it exposed. '
    'Errors: 42704 for a name that is not there (with if_exists: false), 42501 for '
    'somebody else''s.';

CREATE FUNCTION monitoring.run_collector(collector_name text) RETURNS integer
AS 'MODULE_PATHNAME', 'monitoring_run_collector' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring.run_collector(text) IS
    'Runs a collector now, enabled or not, and returns how many rows it gave; a failure is a '
    'warning, and stands in last_error. preview_collector() shows the rows. '
    'Errors: 42704 for a collector that is not there.';

CREATE FUNCTION monitoring.preview_collector(
    collector_name text, OUT metric_name text, OUT value float8, OUT labels jsonb)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'monitoring_preview_collector' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring.preview_collector(text) IS
    'What a collector would collect now, as its owner; nothing is kept, a failure is an error. '
    'Errors: 42704 for a collector that is not there, and those of the query.';

CREATE FUNCTION monitoring_internal.import_collectors_on_path(
    yaml text, every interval, owner text, search_path text,
    OUT collector_name text, OUT metric_names text[])
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'monitoring_import_collectors' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring_internal.import_collectors_on_path(text, interval, text, text) IS
    'import_collectors(), with the search_path that the queries are to have';

CREATE FUNCTION monitoring.import_collectors(
    yaml text, every interval DEFAULT '1 minute', owner name DEFAULT NULL,
    OUT collector_name text, OUT metric_names text[])
RETURNS SETOF record LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    SELECT i.collector_name, i.metric_names
    FROM monitoring_internal.import_collectors_on_path(
        yaml, every, owner::pg_catalog.text, pg_catalog.current_setting('search_path')) AS i
$$;
COMMENT ON FUNCTION monitoring.import_collectors(text, interval, name) IS
    'Makes collectors of a file in the format of postgres_exporter''s queries.yaml, or changes those '
    'of their names: all of it or nothing. What has no effect, or does not work yet, is a warning. '
    'every: for queries without cache_seconds. '
    'Errors: 22023 for a file that is none, with the line.';
