-- Configuration as one document: dump_config() gives it, apply_config() makes the tables say what it
-- says. Both walk over the tables that are listed here; what a row holds, and of which type, is the
-- catalog's to say. Secrets are named in it and never are its part.

CREATE VIEW monitoring_internal.config_kinds AS
SELECT k.place, k.kind, k.relation, k.key_column, k.state_columns, k.kept_columns
FROM (VALUES
    (1, 'retention', 'monitoring.retention', 'kind', '{}'::text[], '{}'::text[]),
    (2, 'response_limits', 'monitoring.response_limits', 'severity', '{}', '{}'),
    (3, 'metric_definitions', 'monitoring.metric_definitions', 'metric_name', '{}', '{}'),
    (4, 'health_thresholds', 'monitoring.health_thresholds', 'check_name', '{}', '{}'),
    (5, 'receivers', 'monitoring.receivers', 'receiver_name', '{created_at,set_by,set_by_oid}',
     '{send_resolved}'),
    (6, 'time_intervals', 'monitoring.time_intervals', 'interval_name', '{}', '{}'),
    (7, 'routes', 'monitoring.routes', 'route_name', '{id}', '{sort_order}'),
    (8, 'inhibit_rules', 'monitoring.inhibit_rules', 'rule_name', '{id}', '{}'),
    (9, 'escalations', 'monitoring.escalations', 'policy_name', '{}', '{}'),
    (10, 'watchdogs', 'monitoring.watchdogs', 'receiver', '{last_ping_at}', '{}'),
    (18, 'maintenances', 'monitoring.maintenances', 'maintenance_name', '{}', '{}'),
    (11, 'queues', 'monitoring.queues', 'queue_name', '{owner_oid,created_at}', '{owner}'),
    (12, 'probes', 'monitoring.probes', 'probe_name', '{created_at,set_by,set_by_oid}', '{}'),
    (13, 'packs', 'monitoring_internal.enabled_packs', 'pack_name', '{owner,owner_oid,enabled_at}', '{}'),
    (14, 'rules', 'monitoring.alert_rules', 'rule_name', '{id,owner_oid,created_at,updated_at}',
     '{owner,search_path}'),
    (15, 'thresholds', 'monitoring.thresholds', 'rule_id', '{}', '{}'),
    (16, 'collectors', 'monitoring.collectors', 'collector_name',
     '{pack_name,owner_oid,created_at,next_run_at,last_run_at,last_duration_ms,average_duration_ms,'
     'stretched_every,last_error,last_series,consecutive_failures,missed_runs}', '{owner,search_path,query}'),
    (17, 'slos', 'monitoring.slo_definitions', 'slo_name', '{id,created_at}', '{}')
) AS k (place, kind, relation, key_column, state_columns, kept_columns);
COMMENT ON VIEW monitoring_internal.config_kinds IS
    'The tables that make up the configuration, in the order in which rows of one refer to those of '
    'others; the column that names a row; columns that are state and no configuration; and those '
    'that a document may leave out to leave them as they are, where others get their defaults';

CREATE VIEW monitoring_internal.config_columns AS
SELECT k.kind, a.attname::pg_catalog.text AS column_name, a.atttypid AS type_id,
       a.attname = ANY (k.kept_columns) AS is_kept,
       a.attnotnull AS is_not_null,
       a.attnotnull AND d.oid IS NULL AND a.attname <> ALL (k.kept_columns) AS is_required,
       pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS default_expr,
       CASE WHEN k.kind = 'routes' AND a.attname = 'parent' THEN 'string'
            WHEN t.oid = 'pg_catalog.jsonb'::pg_catalog.regtype THEN NULL
            WHEN t.typcategory = 'A' THEN 'array' WHEN t.typcategory = 'B' THEN 'boolean'
            WHEN t.typcategory = 'N' THEN 'number' ELSE 'string' END AS json_type
FROM monitoring_internal.config_kinds AS k
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.relation::pg_catalog.regclass
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attname <> ALL (k.state_columns)
  AND a.attname <> k.key_column;
COMMENT ON VIEW monitoring_internal.config_columns IS
    'What an object of each kind may say, and as which type of JSON; NULL: any';

CREATE VIEW monitoring_internal.config_references AS
SELECT r.kind, r.path, r.target
FROM (VALUES
    ('routes', '$.receiver'::pg_catalog.jsonpath, 'receivers'),
    ('routes', '$.parent', 'routes'),
    ('routes', '$.mute_time_intervals[*]', 'time_intervals'),
    ('routes', '$.active_time_intervals[*]', 'time_intervals'),
    ('escalations', '$.steps[*].receiver', 'receivers'),
    ('watchdogs', '$.receiver', 'receivers'),
    ('thresholds', '$.rule_id', 'rules')
) AS r (kind, path, target);
COMMENT ON VIEW monitoring_internal.config_references IS
    'Where objects name others; the name of an object is in it under the key column';

-- A pack's rows come and go with it. Those of its collectors that nobody has touched are not told.
CREATE VIEW monitoring_internal.config_of_packs AS
SELECT 'rules' AS kind, r.rule_name AS object_name, false AS is_as_shipped
FROM monitoring.alert_rules AS r JOIN monitoring_internal.enabled_packs AS e ON r.group_name = 'pack ' || e.pack_name
UNION ALL
SELECT 'thresholds', r.rule_name, false
FROM monitoring.alert_rules AS r JOIN monitoring_internal.enabled_packs AS e ON r.group_name = 'pack ' || e.pack_name
UNION ALL
SELECT 'collectors', c.collector_name,
       EXISTS (SELECT FROM monitoring_internal.pack_collectors AS p
               WHERE p.collector_name = c.collector_name
                 AND pg_catalog.current_setting('server_version_num')::integer
                     BETWEEN p.from_version AND p.to_version
                 AND (p.every, p.store, p.series_limit) = (c.every, c.store, c.series_limit)
                 AND c.enabled AND c.expose AND c.timeout = interval '5 seconds')
       OR EXISTS (SELECT FROM monitoring_internal.wanted_table_collectors AS w
                  WHERE w.collector_name = c.collector_name AND w.every = c.every
                    AND c.store AND c.series_limit = 1000
                    AND c.enabled AND c.expose AND c.timeout = interval '5 seconds')
FROM monitoring.collectors AS c WHERE c.pack_name IS NOT NULL;
COMMENT ON VIEW monitoring_internal.config_of_packs IS
    'Objects that came with an enabled pack, and whether they are as it made them';

CREATE FUNCTION monitoring_internal.nearest_name(name text, known text[]) RETURNS text
AS 'MODULE_PATHNAME', 'monitoring_nearest_name' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION monitoring_internal.nearest_name(text, text[]) IS
    'The known name that is most like this one; NULL where none is';

CREATE FUNCTION monitoring_internal.config_defaults(kind text) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    SET intervalstyle = postgres SET extra_float_digits = 1
AS $$
DECLARE
    pairs text;
    defaults jsonb;
BEGIN
    SELECT string_agg(format('%L, %s', c.column_name, coalesce(c.default_expr, 'NULL')), ', ') INTO pairs
    FROM monitoring_internal.config_columns AS c WHERE c.kind = config_defaults.kind AND NOT c.is_kept;
    EXECUTE format('SELECT jsonb_build_object(%s)', pairs) INTO defaults;
    RETURN defaults;
END
$$;
COMMENT ON FUNCTION monitoring_internal.config_defaults(text) IS
    'What an object of this kind is where it says nothing';

-- Of a pack's collector only what one may wish to change is told: its query is the pack's.
CREATE FUNCTION monitoring_internal.config_body(kind text, object jsonb, defaults jsonb) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(jsonb_object_agg(e.key, CASE
        WHEN c.kind = 'routes' AND e.key = 'parent' THEN coalesce(
            (SELECT to_jsonb(p.route_name) FROM monitoring.routes AS p WHERE p.id = e.value::bigint), e.value)
        ELSE e.value END), '{}')
    FROM jsonb_each(object) AS e
    JOIN monitoring_internal.config_columns AS c ON c.kind = config_body.kind AND c.column_name = e.key
    WHERE CASE WHEN c.kind = 'collectors' AND object ->> 'pack_name' IS NOT NULL
               THEN e.key IN ('every', 'timeout', 'series_limit', 'store', 'expose', 'enabled')
               WHEN c.kind = 'rules' AND object ->> 'group_name' LIKE 'pack %' AND c.is_kept THEN false
               WHEN c.kind = 'routes' AND e.key = 'parent' THEN e.value NOT IN ('0', 'null')
               WHEN c.kind = 'routes' AND e.key = 'sort_order' THEN object -> 'id' <> '0'
               ELSE c.is_kept OR e.value <> coalesce(defaults -> e.key, 'null') END
$$;
COMMENT ON FUNCTION monitoring_internal.config_body(text, jsonb, jsonb) IS
    'A row of configuration as the document has it: without state, keys and what is as by default';

CREATE FUNCTION monitoring_internal.config_objects(kind text)
RETURNS TABLE (object_name text, body jsonb)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    SET intervalstyle = postgres SET extra_float_digits = 1
AS $$
DECLARE
    k monitoring_internal.config_kinds;
BEGIN
    SELECT * INTO STRICT k FROM monitoring_internal.config_kinds AS c WHERE c.kind = config_objects.kind;
    RETURN QUERY EXECUTE format(
        'SELECT %s, monitoring_internal.config_body(%L, to_jsonb(t), $1) FROM %s AS t ORDER BY 1',
        CASE kind WHEN 'thresholds'
             THEN '(SELECT r.rule_name FROM monitoring.alert_rules AS r WHERE r.id = t.rule_id)'
             ELSE format('t.%I', k.key_column) END, kind, k.relation)
    USING monitoring_internal.config_defaults(kind);
END
$$;
COMMENT ON FUNCTION monitoring_internal.config_objects(text) IS 'All objects of a kind, as the document has them';

CREATE FUNCTION monitoring.dump_config() RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
    SELECT coalesce(jsonb_object_agg(d.kind, d.objects), '{}')
    FROM (SELECT k.kind, jsonb_object_agg(o.object_name, o.body) AS objects
          FROM monitoring_internal.config_kinds AS k, monitoring_internal.config_objects(k.kind) AS o
          WHERE NOT EXISTS (SELECT FROM monitoring_internal.config_of_packs AS p
                            WHERE p.kind = k.kind AND p.object_name = o.object_name AND p.is_as_shipped)
          GROUP BY k.kind) AS d
$$;
COMMENT ON FUNCTION monitoring.dump_config() IS
    'The whole configuration as one document, for apply_config(): by kind and name, without what is as '
    'by default, and without secrets, which are named. Unchanged collectors of a pack come with it';

-- What is wrong with one value, where its type of JSON is right.
CREATE FUNCTION monitoring_internal.config_cast_problem(relation text, column_name text, value jsonb)
RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET intervalstyle = postgres
AS $$
BEGIN
    EXECUTE format('SELECT (jsonb_populate_record(NULL::%s, $1)).%I', relation, column_name)
    USING jsonb_build_object(column_name, value);
    RETURN NULL;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RETURN SQLERRM;
END
$$;
COMMENT ON FUNCTION monitoring_internal.config_cast_problem(text, text, jsonb) IS
    'Why a value cannot be one of this column; NULL: it can';

CREATE FUNCTION monitoring_internal.config_problems_of(kind text, body jsonb)
RETURNS TABLE (place text, problem text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH said AS (
        SELECT e.key, e.value, c.column_name, c.json_type, c.is_not_null, k.relation
        FROM jsonb_each(body) AS e
        JOIN monitoring_internal.config_kinds AS k ON k.kind = config_problems_of.kind
        LEFT JOIN monitoring_internal.config_columns AS c ON c.kind = k.kind AND c.column_name = e.key)
    SELECT '.' || s.key, CASE
        WHEN s.column_name IS NULL THEN 'unknown key' || coalesce('; did you mean "'
            || monitoring_internal.nearest_name(s.key, ARRAY(
                SELECT c.column_name FROM monitoring_internal.config_columns AS c
                WHERE c.kind = config_problems_of.kind)) || '"?', '')
        WHEN s.value = 'null' AND s.is_not_null THEN 'must not be null'
        WHEN s.value = 'null' THEN NULL
        -- Infinities and NaN are no numbers of JSON.
        WHEN jsonb_typeof(s.value) <> s.json_type AND NOT (s.json_type = 'number' AND jsonb_typeof(s.value) = 'string'
             AND s.value #>> '{}' IN ('NaN', 'Infinity', '-Infinity'))
        THEN format('must be of type %s, not %s', s.json_type, jsonb_typeof(s.value))
        WHEN kind = 'routes' AND s.key = 'parent' THEN NULL
        WHEN s.key = 'owner' AND NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = s.value #>> '{}')
        THEN format('there is no role "%s"', s.value #>> '{}')
        ELSE monitoring_internal.config_cast_problem(s.relation, s.key, s.value) END
    FROM said AS s
    UNION ALL
    SELECT '.' || c.column_name, 'is missing' FROM monitoring_internal.config_columns AS c
    WHERE c.kind = config_problems_of.kind AND c.is_required AND NOT body ? c.column_name
$$;
COMMENT ON FUNCTION monitoring_internal.config_problems_of(text, jsonb) IS
    'What is wrong with the keys and types of an object; a problem of NULL is none';

CREATE FUNCTION monitoring_internal.config_known(config jsonb, only_kind text, prune boolean) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT ARRAY(
        SELECT jsonb_object_keys(config -> only_kind)
        UNION SELECT 'root' WHERE only_kind = 'routes'
        -- Of what is there now: what stays.
        UNION SELECT o.object_name FROM monitoring_internal.config_objects(only_kind) AS o
        WHERE NOT prune OR EXISTS (SELECT FROM monitoring_internal.config_of_packs AS p
                                   WHERE p.kind = only_kind AND p.object_name = o.object_name)
        ORDER BY 1)
$$;
COMMENT ON FUNCTION monitoring_internal.config_known(jsonb, text, boolean) IS
    'Names of this kind that there are once the document is applied';

CREATE FUNCTION monitoring_internal.config_problems(config jsonb, prune boolean) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kinds text[] := ARRAY(SELECT k.kind FROM monitoring_internal.config_kinds AS k ORDER BY k.place);
    problems text[];
BEGIN
    IF config IS NULL OR jsonb_typeof(config) <> 'object' THEN
        RETURN ARRAY['config: must be an object'];
    END IF;
    SELECT array_agg(coalesce(nullif(e.key, ''), '""') || CASE WHEN e.key = ANY (kinds) THEN ': must be an object, by name'
        ELSE ': unknown key' || coalesce('; did you mean "' || monitoring_internal.nearest_name(e.key, kinds)
                                         || '"?', '') END ORDER BY e.key)
    INTO problems FROM jsonb_each(config) AS e
    WHERE e.key <> ALL (kinds) OR jsonb_typeof(e.value) <> 'object';
    IF problems IS NOT NULL THEN
        RETURN problems;
    END IF;
    SELECT array_agg(x.problem) INTO problems FROM (
        SELECT k.kind || '.' || o.key || CASE WHEN o.key = '' THEN '"": a name must not be empty'
                                              ELSE ': must be an object' END AS problem
        FROM unnest(kinds) AS k (kind), jsonb_each(config -> k.kind) AS o
        WHERE jsonb_typeof(o.value) <> 'object' OR o.key = ''
        UNION ALL
        SELECT k.kind || '.' || o.key || p.place || ': ' || p.problem
        FROM unnest(kinds) AS k (kind), jsonb_each(config -> k.kind) AS o,
             monitoring_internal.config_problems_of(k.kind, o.value) AS p
        WHERE jsonb_typeof(o.value) = 'object' AND o.key <> '' AND p.problem IS NOT NULL) AS x;
    IF problems IS NOT NULL THEN
        RETURN problems;
    END IF;
    RETURN ARRAY(
        SELECT format('%s.%s: there is no %s "%s"%s', r.kind, o.key, replace(rtrim(r.target, 's'), '_', ' '), n.name,
            coalesce('; did you mean "' || monitoring_internal.nearest_name(n.name, t.known) || '"?', ''))
        FROM (SELECT x.target, monitoring_internal.config_known(config, x.target, prune) AS known
              FROM (SELECT DISTINCT y.target FROM monitoring_internal.config_references AS y
                    WHERE config ? y.kind) AS x OFFSET 0) AS t
        JOIN monitoring_internal.config_references AS r USING (target)
        JOIN monitoring_internal.config_kinds AS k ON k.kind = r.kind,
        jsonb_each(config -> r.kind) AS o,
        LATERAL (SELECT DISTINCT v #>> '{}' AS name FROM jsonb_path_query(
            jsonb_build_object(k.key_column, o.key) || o.value, r.path) AS v WHERE v <> 'null') AS n
        WHERE n.name <> ALL (t.known)
        UNION ALL
        SELECT format('routes.%s.parent: leads in a circle, or more than 100 routes up', o.key)
        FROM jsonb_each(config -> 'routes') AS o
        WHERE monitoring_internal.config_depth(config -> 'routes', o.key) >= 100
        UNION ALL
        -- A collector of a pack has the pack's.
        SELECT format('collectors.%s.query: is missing', o.key) FROM jsonb_each(config -> 'collectors') AS o
        WHERE NOT o.value ? 'query' AND NOT coalesce(config -> 'packs', '{}') ? split_part(o.key, '/', 1)
          AND o.key <> ALL (monitoring_internal.config_known('{}', 'collectors', false))
        UNION ALL
        SELECT format('rules.%s: is a threshold without levels; give them in thresholds.%s', o.key, o.key)
        FROM jsonb_each(config -> 'rules') AS o
        WHERE o.value ->> 'language' = 'threshold'
          AND o.key <> ALL (monitoring_internal.config_known(config, 'thresholds', prune))
        ORDER BY 1);
END
$$;
COMMENT ON FUNCTION monitoring_internal.config_problems(jsonb, boolean) IS
    'Everything that can be said against a document without trying it, each with its path';

CREATE FUNCTION monitoring_internal.config_raise(problems text[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF cardinality(problems) > 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = CASE cardinality(problems) WHEN 1 THEN 'the configuration cannot be applied: ' || problems[1]
                ELSE format('the configuration cannot be applied for %s reasons', cardinality(problems)) END,
            DETAIL = array_to_string(problems[1:100], E'\n'),
            HINT = 'Nothing was changed. monitoring.dump_config() shows the form.';
    END IF;
END
$$;
COMMENT ON FUNCTION monitoring_internal.config_raise(text[]) IS 'An error that tells all problems, if there are any';

-- As it would come back from its table: numbers, intervals and lists in their usual form.
CREATE FUNCTION monitoring_internal.config_normal(kind text, body jsonb, defaults jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    SET intervalstyle = postgres SET extra_float_digits = 1
AS $$
DECLARE
    k monitoring_internal.config_kinds;
    typed jsonb;
BEGIN
    SELECT * INTO STRICT k FROM monitoring_internal.config_kinds AS c WHERE c.kind = config_normal.kind;
    EXECUTE format('SELECT to_jsonb(jsonb_populate_record(NULL::%s, $1))', k.relation) INTO typed
    USING CASE kind WHEN 'routes' THEN body - 'parent' ELSE body END;
    RETURN (SELECT coalesce(jsonb_object_agg(e.key, typed -> e.key), '{}') FROM jsonb_each(body) AS e
            JOIN monitoring_internal.config_columns AS c ON c.kind = k.kind AND c.column_name = e.key
            WHERE (c.is_kept OR typed -> e.key <> coalesce(defaults -> e.key, 'null'))
              AND (c.kind <> 'routes' OR e.key <> 'parent'))
        || CASE WHEN kind = 'routes' AND body ->> 'parent' <> 'root'
                THEN jsonb_build_object('parent', body -> 'parent') ELSE '{}' END;
END
$$;
COMMENT ON FUNCTION monitoring_internal.config_normal(text, jsonb, jsonb) IS
    'An object of a document in the form in which dump_config() gives it';

CREATE FUNCTION monitoring_internal.config_difference(kind text, old jsonb, new jsonb, defaults jsonb,
    given jsonb, is_of_pack boolean, OUT before jsonb, OUT after jsonb)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(jsonb_object_agg(x.column_name, x.old_value), '{}'),
           coalesce(jsonb_object_agg(x.column_name, x.new_value), '{}')
    FROM (SELECT c.column_name,
                 coalesce(old -> c.column_name, defaults -> c.column_name, 'null') AS old_value,
                 coalesce(new -> c.column_name, defaults -> c.column_name, 'null') AS new_value
          FROM monitoring_internal.config_columns AS c
          WHERE c.kind = config_difference.kind
            AND (given ? c.column_name OR NOT c.is_kept AND NOT is_of_pack)) AS x
    WHERE x.old_value <> x.new_value
$$;
COMMENT ON FUNCTION monitoring_internal.config_difference(text, jsonb, jsonb, jsonb, jsonb, boolean) IS
    'What of an object would be another: how it is, and how it would be';

CREATE FUNCTION monitoring_internal.config_put(kind text, object_name text, body jsonb, is_new boolean)
RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
    SET intervalstyle = postgres SET extra_float_digits = 1
AS $$
DECLARE
    k monitoring_internal.config_kinds;
    key jsonb := to_jsonb(object_name);
    object jsonb := body;
    columns text;
BEGIN
    SELECT * INTO STRICT k FROM monitoring_internal.config_kinds AS c WHERE c.kind = config_put.kind;
    IF kind = 'packs' THEN
        PERFORM monitoring.enable_pack(object_name, (body ->> 'with_alerts')::boolean, body -> 'mapping');
        RETURN;
    ELSIF kind = 'thresholds' THEN
        key := to_jsonb((SELECT r.id FROM monitoring.alert_rules AS r WHERE r.rule_name = object_name));
    ELSIF kind = 'routes' AND object_name = 'root' THEN
        object := object || '{"id": 0, "parent": null}';
    ELSIF kind = 'routes' AND object ? 'parent' THEN
        object := object || jsonb_build_object('parent', CASE WHEN object ->> 'parent' IN ('root', '0') THEN 0 ELSE (
            SELECT r.id FROM monitoring.routes AS r WHERE r.route_name = object ->> 'parent') END);
    END IF;
    SELECT string_agg(format('%I', c), ', ') INTO columns FROM jsonb_object_keys(object) AS c;
    IF is_new THEN
        EXECUTE format('INSERT INTO %s (%I%s) SELECT %2$I%3$s FROM jsonb_populate_record(NULL::%1$s, $1)',
                       k.relation, k.key_column, ', ' || columns)
        USING object || jsonb_build_object(k.key_column, key);
    ELSE
        EXECUTE format('UPDATE %s AS t SET (%s) = (SELECT %2$s FROM jsonb_populate_record(NULL::%1$s, $1))'
                       ' WHERE t.%3$I = (SELECT n.%3$I FROM jsonb_populate_record(NULL::%1$s, $2) AS n)',
                       k.relation, columns, k.key_column)
        USING object, jsonb_build_object(k.key_column, key);
    END IF;
END
$$;
COMMENT ON FUNCTION monitoring_internal.config_put(text, text, jsonb, boolean) IS
    'Writes an object: a new row, or these columns of the one of its name';

CREATE FUNCTION monitoring_internal.config_remove(kind text, names text[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    k monitoring_internal.config_kinds;
BEGIN
    SELECT * INTO STRICT k FROM monitoring_internal.config_kinds AS c WHERE c.kind = config_remove.kind;
    IF kind = 'packs' THEN
        PERFORM monitoring.disable_pack(n) FROM unnest(names) AS n;
    ELSIF kind = 'thresholds' THEN
        DELETE FROM monitoring.thresholds AS t USING monitoring.alert_rules AS r
        WHERE r.id = t.rule_id AND r.rule_name = ANY (names);
    ELSE
        -- In one statement: a route goes with those below it.
        EXECUTE format('DELETE FROM %s AS t WHERE t.%I = ANY ($1)', k.relation, k.key_column) USING names;
    END IF;
END
$$;
COMMENT ON FUNCTION monitoring_internal.config_remove(text, text[]) IS 'Deletes these objects of a kind';

-- How far below the root: whoever is named has to be there first.
CREATE FUNCTION monitoring_internal.config_depth(routes jsonb, route_name text) RETURNS integer
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE above (name, depth) AS (
        SELECT route_name, 0
        UNION ALL
        SELECT coalesce(routes -> a.name ->> 'parent', 'root'), a.depth + 1
        FROM above AS a WHERE a.name <> 'root' AND routes ? a.name AND a.depth < 100)
    SELECT max(depth) FROM above
$$;
COMMENT ON FUNCTION monitoring_internal.config_depth(jsonb, text) IS
    'How many routes of a document are above this one, up to 100';

CREATE FUNCTION monitoring_internal.config_changes(config jsonb, kind text, search_path text)
RETURNS TABLE (object_name text, action text, before jsonb, after jsonb)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    defaults jsonb := monitoring_internal.config_defaults(kind);
    old jsonb := (SELECT coalesce(jsonb_object_agg(o.object_name, o.body), '{}')
                  FROM monitoring_internal.config_objects(kind) AS o);
    o record;
    d record;
    normal jsonb;
BEGIN
    FOR o IN SELECT e.key AS name, e.value AS given, p.object_name IS NOT NULL AS is_of_pack
             FROM jsonb_each(config -> config_changes.kind) AS e
             LEFT JOIN monitoring_internal.config_of_packs AS p
               ON p.kind = config_changes.kind AND p.object_name = e.key
             ORDER BY CASE config_changes.kind WHEN 'routes'
                      THEN monitoring_internal.config_depth(config -> 'routes', e.key) END,
                      e.key COLLATE "C" LOOP
        normal := monitoring_internal.config_normal(kind, o.given, defaults);
        object_name := o.name;
        before := NULL;
        after := NULL;
        IF NOT old ? o.name THEN
            action := 'created';
            after := normal;
            -- Names in a query are looked up where its author would.
            IF EXISTS (SELECT FROM monitoring_internal.config_columns AS c
                       WHERE c.kind = config_changes.kind AND c.column_name = 'search_path')
               AND NOT normal ? 'search_path' THEN
                after := normal || jsonb_build_object('search_path', search_path);
            END IF;
        ELSE
            d := monitoring_internal.config_difference(kind, old -> o.name, normal, defaults, o.given, o.is_of_pack);
            action := CASE WHEN d.after = '{}' THEN 'same' ELSE 'changed' END;
            before := nullif(d.before, '{}');
            after := nullif(d.after, '{}');
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION monitoring_internal.config_changes(jsonb, text, text) IS
    'What has to become of each object of a kind that the document has';

CREATE FUNCTION monitoring_internal.apply_config_on_path(
    config jsonb, dry_run boolean, prune boolean, search_path text)
RETURNS TABLE (object_kind text, object_name text, action text, before jsonb, after jsonb)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
    SET intervalstyle = postgres SET extra_float_digits = 1
AS $$
DECLARE
    k monitoring_internal.config_kinds;
    c record;
    results jsonb[] := '{}';
    problems text[] := monitoring_internal.config_problems(config, prune);
    tried text[] := '{}';
    gone text[];
    hint text;
BEGIN
    PERFORM monitoring_internal.config_raise(problems);
    -- All of it or nothing; and with dry_run nothing after all of it.
    BEGIN
        FOR k IN SELECT * FROM monitoring_internal.config_kinds AS x WHERE config ? x.kind ORDER BY x.place LOOP
            FOR c IN SELECT * FROM monitoring_internal.config_changes(config, k.kind, search_path) LOOP
                results := results || (jsonb_build_object('place', k.place, 'kind', k.kind) || to_jsonb(c));
                CONTINUE WHEN c.action = 'same';
                BEGIN
                    -- What a pack is called with is all of it.
                    PERFORM monitoring_internal.config_put(k.kind, c.object_name, CASE k.kind WHEN 'packs'
                        THEN monitoring_internal.config_defaults('packs') || (config -> 'packs' -> c.object_name)
                        ELSE c.after END, c.action = 'created');
                    IF k.kind IN ('rules', 'thresholds') THEN
                        tried := tried || c.object_name;
                    ELSIF k.kind = 'collectors' THEN
                        PERFORM monitoring_internal.try_collector(c.object_name);
                    END IF;
                EXCEPTION WHEN OTHERS THEN
                    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
                    problems := problems || concat_ws(' ', format('%s.%s: %s', k.kind, c.object_name, SQLERRM),
                                                      '(' || nullif(hint, '') || ')');
                END;
            END LOOP;
        END LOOP;
        FOR k IN SELECT * FROM monitoring_internal.config_kinds AS x WHERE prune ORDER BY x.place DESC LOOP
            SELECT array_agg(o.object_name ORDER BY o.object_name),
                   results || array_agg(jsonb_build_object('place', k.place, 'kind', k.kind,
                       'object_name', o.object_name, 'action', 'removed', 'before', o.body))
            INTO gone, results FROM monitoring_internal.config_objects(k.kind) AS o
            WHERE NOT coalesce(config -> k.kind, '{}') ? o.object_name
              AND NOT EXISTS (SELECT FROM monitoring_internal.config_of_packs AS p
                              WHERE p.kind = k.kind AND p.object_name = o.object_name);
            CONTINUE WHEN gone IS NULL;
            BEGIN
                PERFORM monitoring_internal.config_remove(k.kind, gone);
            EXCEPTION WHEN OTHERS THEN
                problems := problems || format('%s: %s', k.kind, SQLERRM);
            END;
        END LOOP;
        FOR c IN SELECT r.id, r.rule_name FROM monitoring.alert_rules AS r
                 WHERE r.rule_name = ANY (tried) ORDER BY r.rule_name LOOP
            BEGIN
                PERFORM monitoring_internal.try_alert_rule(c.id);
            EXCEPTION WHEN OTHERS THEN
                problems := problems || format('rules.%s: %s', c.rule_name, SQLERRM);
            END;
        END LOOP;
        PERFORM monitoring_internal.config_raise(problems);
        IF dry_run THEN
            RAISE EXCEPTION USING ERRCODE = 'MNDRY', MESSAGE = 'dry run';
        END IF;
    EXCEPTION WHEN SQLSTATE 'MNDRY' THEN
        NULL;
    END;
    RETURN QUERY SELECT r ->> 'kind', r ->> 'object_name', r ->> 'action', nullif(r -> 'before', 'null'),
                        nullif(r -> 'after', 'null')
                 FROM unnest(results) AS r ORDER BY (r -> 'place')::integer, r ->> 'object_name' COLLATE "C";
END
$$;
COMMENT ON FUNCTION monitoring_internal.apply_config_on_path(jsonb, boolean, boolean, text) IS
    'apply_config(), with the search_path that queries are to have that say none';

CREATE FUNCTION monitoring.apply_config(config jsonb, dry_run boolean DEFAULT false,
                                        prune boolean DEFAULT false)
RETURNS TABLE (object_kind text, object_name text, action text, before jsonb, after jsonb)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    SELECT a.object_kind, a.object_name, a.action, a.before, a.after
    FROM monitoring_internal.apply_config_on_path(
        config, coalesce(dry_run, false), coalesce(prune, false),
        pg_catalog.current_setting('search_path')) AS a
$$;
COMMENT ON FUNCTION monitoring.apply_config(jsonb, boolean, boolean) IS
    'Makes the configuration say what this document says, all of it or nothing, and returns what became '
    'of each object: created, changed (before and after have what is another), same, removed. What an '
    'object does not say is as by default. prune: whatever the document does not have is removed, but '
    'what a pack brought. dry_run: everything is tried, and taken back. Rows keep their ids, and alerts '
    'that stay the same their state. '
    'Errors: 22023 with all that is wrong, each with its path.';
