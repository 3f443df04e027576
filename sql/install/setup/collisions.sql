\echo Use "CREATE EXTENSION monitoring" to load this file. \quit

-- Objects of the names that are needed here, such as those of an older set of monitoring tables,
-- are found before anything is made: one error lists all of them, and its hint is the block of
-- commands that moves them aside.
DO $$
DECLARE
    path text := pg_catalog.current_setting('search_path');
    found text[];
    moves text[];
    schema_owner name;
    aside name := 'monitoring_old';
BEGIN
    -- With nothing else on it, every name below is the server's and is printed with its schema.
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    WITH wanted (kind, schema_name, object_name) AS (VALUES
@names@
    ), collision (kind, name, position) AS (
        SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
                    WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'type'
                    WHEN 'i' THEN 'index' WHEN 'I' THEN 'index' ELSE 'table' END,
               format('%I.%I', w.schema_name, w.object_name), 1
        FROM wanted AS w
        JOIN pg_namespace AS n ON n.nspname = w.schema_name
        JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.object_name
        WHERE w.kind <> 'routine'
        UNION ALL
        SELECT 'routine', p.oid::regprocedure::text, 2
        FROM wanted AS w
        JOIN pg_namespace AS n ON n.nspname = w.schema_name
        JOIN pg_proc AS p ON p.pronamespace = n.oid AND p.proname = w.object_name
        WHERE w.kind = 'routine'
        UNION ALL
        SELECT 'type', t.oid::regtype::text, 3
        FROM wanted AS w
        JOIN pg_namespace AS n ON n.nspname = w.schema_name
        JOIN pg_type AS t ON t.typnamespace = n.oid AND t.typname = w.object_name
        WHERE w.kind = 'type' AND t.typrelid = 0
    )
    SELECT array_agg(c.kind || ' ' || c.name ORDER BY c.position, c.name),
           array_agg(CASE c.kind
               WHEN 'index' THEN format('ALTER INDEX %s RENAME TO old_%s;', c.name, md5(c.name))
               ELSE format('ALTER %s %s SET SCHEMA @aside@;', upper(c.kind), c.name)
               END ORDER BY c.position, c.name)
    INTO found, moves
    FROM collision AS c;

    -- Who owns the schema can put objects next to ours, and drop ours.
    SELECT r.rolname INTO schema_owner
    FROM pg_namespace AS n JOIN pg_roles AS r ON r.oid = n.nspowner
    WHERE n.nspname = 'monitoring' AND NOT r.rolsuper AND r.rolname <> CURRENT_USER;
    IF schema_owner IS NOT NULL THEN
        found := array_append(found, format('schema monitoring, which belongs to %I', schema_owner));
        moves := array_prepend('ALTER SCHEMA monitoring OWNER TO CURRENT_USER;', moves);
    END IF;

    IF EXISTS (SELECT FROM pg_namespace WHERE nspname = 'monitoring_internal') THEN
        found := array_append(found, 'schema monitoring_internal');
        moves := array_append(moves, format('ALTER SCHEMA monitoring_internal RENAME TO %I;',
                                            'monitoring_internal_' || md5(clock_timestamp()::text)));
    END IF;

    IF found IS NULL THEN
        PERFORM set_config('search_path', path, true);
        RETURN;
    END IF;
    FOR i IN 2 .. 1000 LOOP
        EXIT WHEN NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = aside);
        aside := 'monitoring_old' || i;
    END LOOP;
    RAISE EXCEPTION USING
        ERRCODE = 'duplicate_object',
        MESSAGE = 'objects of the names that monitoring needs exist already',
        DETAIL = array_to_string(found, E'\n'),
        HINT = format(
            E'These commands move them aside and bring their rows along:\nBEGIN;\n'
            'CREATE SCHEMA %1$I;\n%2$s\nCREATE EXTENSION monitoring;\n'
            'SELECT * FROM monitoring.adopt(%1$L);\nCOMMIT;',
            aside, replace(array_to_string(moves, E'\n'), '@aside@', quote_ident(aside)));
END
$$;
