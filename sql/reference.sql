-- Prints docs/sql-reference.md from the catalog: the public objects of the extension, their COMMENTs, and who may
-- use them. To be run by a superuser in a database that has the extension (make sql-reference).
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only on
BEGIN;
SET LOCAL search_path = pg_catalog;
SET LOCAL client_min_messages = error;
CREATE ROLE _reference_reader;
CREATE ROLE _reference_writer;
CREATE ROLE _reference_operator;
\o /dev/null
SELECT monitoring.grant_access('_reference_reader', 'reader'), monitoring.grant_access('_reference_writer', 'writer'),
       monitoring.grant_access('_reference_operator', 'operator');
\o

CREATE TEMPORARY VIEW level AS
SELECT 'reader' AS level, 1 AS position UNION ALL SELECT 'writer', 2 UNION ALL SELECT 'operator', 3;

CREATE TEMPORARY VIEW member AS
SELECT d.classid, d.objid FROM pg_depend AS d JOIN pg_extension AS e ON d.refobjid = e.oid
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'monitoring';

-- Markdown has its own meaning for some characters.
CREATE FUNCTION pg_temp.cell(words text) RETURNS text LANGUAGE sql AS
$$SELECT replace(replace(replace(replace(words, '<', '&lt;'), '|', '\|'), '*', '\*'), '_', '\_')$$;

CREATE TEMPORARY VIEW routine AS
SELECT p.oid, p.proname AS name, n.nspname || '.' || p.proname AS full_name,
       pg_get_function_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result,
       obj_description(p.oid, 'pg_proc') AS comment,
       (SELECT string_agg(l.level, ', ' ORDER BY l.position) FROM level AS l
        WHERE has_function_privilege('_reference_' || l.level, p.oid, 'EXECUTE')) AS callers
FROM member AS m JOIN pg_proc AS p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname <> 'monitoring_internal';

CREATE TEMPORARY VIEW relation AS
SELECT c.oid, c.relname AS name, n.nspname || '.' || c.relname AS full_name, c.relkind = 'v' AS is_view,
       obj_description(c.oid, 'pg_class') AS comment,
       (SELECT string_agg(l.level || ': ' || p.privileges, '; ' ORDER BY l.position) FROM level AS l,
        LATERAL (SELECT string_agg(upper(k.privilege) || CASE
                        WHEN has_table_privilege('_reference_' || l.level, c.oid, k.privilege) THEN ''
                        ELSE ' of some columns' END, ', ' ORDER BY k.position) AS privileges
                 FROM (VALUES ('select', 1), ('insert', 2), ('update', 3), ('delete', 4)) AS k(privilege, position)
                 WHERE has_table_privilege('_reference_' || l.level, c.oid, k.privilege)
                    OR k.position < 4 AND has_any_column_privilege('_reference_' || l.level, c.oid, k.privilege)) AS p
        WHERE p.privileges IS NOT NULL) AS users
FROM member AS m JOIN pg_class AS c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v') AND n.nspname <> 'monitoring_internal';

CREATE FUNCTION pg_temp.columns_of(relation oid) RETURNS text LANGUAGE sql AS
$$SELECT string_agg(format('| `%s` | %s | %s |', a.attname, format_type(a.atttypid, a.atttypmod),
                           coalesce(pg_temp.cell(col_description(a.attrelid, a.attnum)), '')), E'\n' ORDER BY a.attnum)
FROM pg_attribute AS a WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped$$;

SELECT '# SQL reference

Written by `make sql-reference` from the comments in the database; a test fails when the page and the
database disagree. Change the COMMENT in `sql/install`, not this page.

## What it is for

It lists every function, view and table of the extension that people and programs use. Objects whose names
begin with an underscore are the extension''s own and are left out.

## The shortest example

The same texts are in the database, where psql shows them:

```sql
SELECT obj_description(''monitoring.heartbeat(text, interval, jsonb)''::regprocedure, ''pg_proc'');
```

## Reference

"Callers" are the access levels ([operations](operations.md#access-levels)) that may call a function. Where no
level is named, only the owner of the extension and superusers may.

### Functions
';
SELECT format(E'#### `%s`\n\n```\n%s(%s)\n  returns %s\n```\n\n%s\n\nCallers: %s.\n', r.name, r.full_name,
              r.arguments, r.result, pg_temp.cell(rtrim(r.comment, '.')) || '.', coalesce(r.callers, 'the owner only'))
FROM routine AS r ORDER BY r.name COLLATE "C", r.arguments COLLATE "C";
SELECT E'### Views\n';
SELECT format(E'#### `%s`\n\n%s\n\n| column | type | |\n|---|---|---|\n%s\n\nPrivileges: %s.\n', r.full_name,
              pg_temp.cell(rtrim(r.comment, '.')) || '.', pg_temp.columns_of(r.oid), coalesce(r.users, 'the owner only'))
FROM relation AS r WHERE r.is_view ORDER BY r.full_name COLLATE "C";
SELECT E'### Tables\n';
SELECT format(E'#### `%s`\n\n%s\n\n| column | type | |\n|---|---|---|\n%s\n\nPrivileges: %s.\n', r.full_name,
              pg_temp.cell(rtrim(r.comment, '.')) || '.', pg_temp.columns_of(r.oid), coalesce(r.users, 'the owner only'))
FROM relation AS r WHERE NOT r.is_view ORDER BY r.full_name COLLATE "C";
ROLLBACK;
