-- Statements: a set that changes little, so that counters do not jump from series to series.
CREATE TABLE monitoring_internal.statement_set (
    queryid bigint NOT NULL,
    userid oid NOT NULL,
    dbid oid NOT NULL,
    PRIMARY KEY (queryid, userid, dbid)
);
COMMENT ON TABLE monitoring_internal.statement_set IS
    'The statements that the postgres pack shows one by one. Not dumped: a copy has others.';
COMMENT ON COLUMN monitoring_internal.statement_set.queryid IS 'As in pg_stat_statements';
COMMENT ON COLUMN monitoring_internal.statement_set.userid IS 'As in pg_stat_statements';
COMMENT ON COLUMN monitoring_internal.statement_set.dbid IS 'As in pg_stat_statements';
CREATE TABLE monitoring_internal.statement_other (
    only_row boolean PRIMARY KEY DEFAULT true CONSTRAINT only_one_row CHECK (only_row),
    calls float8 NOT NULL DEFAULT 0,
    milliseconds float8 NOT NULL DEFAULT 0,
    rows float8 NOT NULL DEFAULT 0,
    read_milliseconds float8 NOT NULL DEFAULT 0,
    write_milliseconds float8 NOT NULL DEFAULT 0
);
COMMENT ON TABLE monitoring_internal.statement_other IS
    'What is added to the sums of all other statements, so that they go on where they were when '
    'the set changes. Not dumped.';
COMMENT ON COLUMN monitoring_internal.statement_other.only_row IS 'Always true: there is one row';
COMMENT ON COLUMN monitoring_internal.statement_other.calls IS 'Runs to be added';
COMMENT ON COLUMN monitoring_internal.statement_other.milliseconds IS 'Time to be added, in ms';
COMMENT ON COLUMN monitoring_internal.statement_other.rows IS 'Rows to be added';
COMMENT ON COLUMN monitoring_internal.statement_other.read_milliseconds IS
    'Time of reading blocks to be added, in ms';
COMMENT ON COLUMN monitoring_internal.statement_other.write_milliseconds IS
    'Time of writing blocks to be added, in ms';

-- pg_stat_statements converts every text, also where none is asked for, and fails for all of them at one
-- from a database in another encoding: texts are asked for only where they are shown.
CREATE FUNCTION monitoring_internal.statements(
    with_texts boolean,
    OUT queryid bigint, OUT userid oid, OUT dbid oid, OUT query text, OUT calls float8,
    OUT milliseconds float8, OUT mean_milliseconds float8, OUT max_milliseconds float8,
    OUT rows float8, OUT read_milliseconds float8, OUT write_milliseconds float8,
    OUT toplevel boolean)
RETURNS SETOF record LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    of_extension name := (SELECT n.nspname FROM pg_extension AS e
                          JOIN pg_depend AS d ON d.refclassid = 'pg_extension'::regclass
                              AND d.refobjid = e.oid AND d.deptype = 'e'
                              AND d.classid = 'pg_class'::regclass
                          JOIN pg_class AS c ON c.oid = d.objid
                          JOIN pg_namespace AS n ON n.oid = c.relnamespace
                          WHERE e.extname = 'pg_stat_statements'
                              AND c.relname = 'pg_stat_statements');
    blocks text;
BEGIN
    IF of_extension IS NULL THEN
        RETURN;
    END IF;
    -- Version 1.11, of PostgreSQL 17, tells shared blocks from others. A server may have an older one.
    blocks := CASE WHEN EXISTS (
            SELECT FROM pg_attribute AS a
            WHERE a.attrelid = to_regclass(format('%I.pg_stat_statements', of_extension))
              AND a.attname = 'shared_blk_read_time')
        THEN 'shared_blk' ELSE 'blk' END;
    BEGIN
        RETURN QUERY EXECUTE format(
            'SELECT s.queryid, s.userid, s.dbid, s.query, s.calls::float8, s.total_exec_time,
                    s.mean_exec_time, s.max_exec_time, s.rows::float8, s.%1$s_read_time,
                    s.%1$s_write_time, s.toplevel
             FROM %2$I.pg_stat_statements(%3$L) AS s WHERE s.queryid IS NOT NULL',
            blocks, of_extension, with_texts);
    EXCEPTION WHEN character_not_in_repertoire OR untranslatable_character THEN
        RETURN QUERY SELECT s.queryid, s.userid, s.dbid,
            '(a statement text is not valid in the encoding of this database)', s.calls,
            s.milliseconds, s.mean_milliseconds, s.max_milliseconds, s.rows, s.read_milliseconds,
            s.write_milliseconds, s.toplevel
        FROM monitoring_internal.statements(false) AS s;
    END;
END
$$;
COMMENT ON FUNCTION monitoring_internal.statements(boolean) IS
    'Statements of pg_stat_statements, wherever it is installed; none where it is not. Texts only where they can be read';

CREATE FUNCTION monitoring_internal.statement_sums(
    OUT is_member boolean, OUT queryid bigint, OUT userid oid, OUT dbid oid, OUT calls float8,
    OUT milliseconds float8, OUT rows float8, OUT read_milliseconds float8,
    OUT write_milliseconds float8)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT m.queryid IS NOT NULL, m.queryid, m.userid, m.dbid, sum(s.calls), sum(s.milliseconds),
           sum(s.rows), sum(s.read_milliseconds), sum(s.write_milliseconds)
    FROM monitoring_internal.statements(false) AS s
    LEFT JOIN monitoring_internal.statement_set AS m USING (queryid, userid, dbid)
    WHERE s.toplevel
    GROUP BY m.queryid, m.userid, m.dbid
$$;
COMMENT ON FUNCTION monitoring_internal.statement_sums() IS
    'One row for each statement of the set, one for all others together; without those within others';

CREATE FUNCTION monitoring_internal.settle_statements(set_size integer) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    before record;
    later record;
BEGIN
    SELECT * INTO before FROM monitoring_internal.statement_sums() WHERE NOT is_member;
    -- A member stays as long as it is among the first two sets' worth.
    DELETE FROM monitoring_internal.statement_set AS m
    WHERE NOT EXISTS (
        SELECT FROM (SELECT * FROM monitoring_internal.statements(false) WHERE toplevel
                     ORDER BY milliseconds DESC LIMIT 2 * set_size) AS s
        WHERE (s.queryid, s.userid, s.dbid) = (m.queryid, m.userid, m.dbid));
    INSERT INTO monitoring_internal.statement_set
    SELECT s.queryid, s.userid, s.dbid FROM monitoring_internal.statements(false) AS s
    WHERE s.toplevel AND NOT EXISTS (SELECT FROM monitoring_internal.statement_set AS m
                      WHERE (s.queryid, s.userid, s.dbid) = (m.queryid, m.userid, m.dbid))
    ORDER BY s.milliseconds DESC
    LIMIT greatest(0, set_size - (SELECT count(*) FROM monitoring_internal.statement_set));
    SELECT * INTO later FROM monitoring_internal.statement_sums() WHERE NOT is_member;
    INSERT INTO monitoring_internal.statement_other AS o
        (calls, milliseconds, rows, read_milliseconds, write_milliseconds)
    VALUES (coalesce(before.calls, 0) - coalesce(later.calls, 0),
            coalesce(before.milliseconds, 0) - coalesce(later.milliseconds, 0),
            coalesce(before.rows, 0) - coalesce(later.rows, 0),
            coalesce(before.read_milliseconds, 0) - coalesce(later.read_milliseconds, 0),
            coalesce(before.write_milliseconds, 0) - coalesce(later.write_milliseconds, 0))
    ON CONFLICT (only_row) DO UPDATE SET
        calls = o.calls + excluded.calls,
        milliseconds = o.milliseconds + excluded.milliseconds,
        rows = o.rows + excluded.rows,
        read_milliseconds = o.read_milliseconds + excluded.read_milliseconds,
        write_milliseconds = o.write_milliseconds + excluded.write_milliseconds
    WHERE (excluded.calls, excluded.milliseconds, excluded.rows, excluded.read_milliseconds,
           excluded.write_milliseconds) IS DISTINCT FROM (0, 0, 0, 0, 0);
END
$$;
COMMENT ON FUNCTION monitoring_internal.settle_statements(integer) IS
    'Puts the statements that take most time into the set, in place of those that no longer do';

CREATE FUNCTION monitoring_internal.statement_metrics(
    OUT metric_name text, OUT value float8, OUT queryid text, OUT user_name text, OUT datname text)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT 'pg_stat_statements_' || m.name, m.value,
           CASE WHEN s.is_member THEN s.queryid::text ELSE 'other' END,
           CASE WHEN s.is_member THEN pg_get_userbyid(s.userid) END, d.datname
    FROM monitoring_internal.statement_sums() AS s
    LEFT JOIN monitoring_internal.statement_other AS o ON NOT s.is_member
    LEFT JOIN pg_database AS d ON d.oid = s.dbid,
    LATERAL (VALUES
        ('calls_total', s.calls + coalesce(o.calls, 0)),
        ('seconds_total', (s.milliseconds + coalesce(o.milliseconds, 0)) / 1000),
        ('rows_total', s.rows + coalesce(o.rows, 0)),
        ('block_read_seconds_total',
         (s.read_milliseconds + coalesce(o.read_milliseconds, 0)) / 1000),
        ('block_write_seconds_total',
         (s.write_milliseconds + coalesce(o.write_milliseconds, 0)) / 1000)
    ) AS m (name, value)
$$;
COMMENT ON FUNCTION monitoring_internal.statement_metrics() IS
    'Counters of each statement of the set, and of the others under queryid "other"';

CREATE VIEW monitoring.slow_queries AS
SELECT s.query, s.calls::bigint AS calls, s.milliseconds AS total_exec_time,
       s.mean_milliseconds AS mean_exec_time, s.max_milliseconds AS max_exec_time,
       s.rows::bigint AS rows, pg_catalog.pg_get_userbyid(s.userid) AS user_name,
       d.datname AS database_name
FROM monitoring_internal.statements(true) AS s LEFT JOIN pg_catalog.pg_database AS d ON d.oid = s.dbid
WHERE s.mean_milliseconds > 100
ORDER BY s.mean_milliseconds DESC;
COMMENT ON VIEW monitoring.slow_queries IS
    'Statements of pg_stat_statements that take more than 100 ms in the mean, the slowest first, '
    'times in milliseconds; none where that extension is not installed';
COMMENT ON COLUMN monitoring.slow_queries.query IS 'Text of the statement';
COMMENT ON COLUMN monitoring.slow_queries.calls IS 'How often it ran';
COMMENT ON COLUMN monitoring.slow_queries.total_exec_time IS 'Time of all runs, in ms';
COMMENT ON COLUMN monitoring.slow_queries.mean_exec_time IS 'Mean time of a run, in ms';
COMMENT ON COLUMN monitoring.slow_queries.max_exec_time IS 'Longest time of a run, in ms';
COMMENT ON COLUMN monitoring.slow_queries.rows IS 'Rows that it returned or changed';
COMMENT ON COLUMN monitoring.slow_queries.user_name IS 'Role that ran it';
COMMENT ON COLUMN monitoring.slow_queries.database_name IS 'Database in which it ran';
