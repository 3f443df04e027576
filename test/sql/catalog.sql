-- Rules that every object of the extension keeps; each query lists what breaks one.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
RESET client_min_messages;
SET search_path = pg_catalog;

CREATE VIEW pg_temp.member AS
SELECT classid, objid, pg_describe_object(classid, objid, 0) AS description
FROM pg_depend
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
  AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'monitoring')
  -- Version 17 has the types of rows and of arrays among them.
  AND NOT EXISTS (SELECT FROM pg_type t WHERE classid = 'pg_type'::regclass AND t.oid = objid
    AND (t.typrelid <> 0 OR t.typelem <> 0 AND t.typtype = 'b'));

-- There is something to look at.
SELECT count(*) > 20 AS has_members FROM pg_temp.member;

-- Every member has a comment.
SELECT m.description AS without_comment
FROM pg_temp.member AS m
WHERE obj_description(m.objid, m.classid::regclass::name) IS NULL
ORDER BY m.description COLLATE "C";

-- Who runs with its owner's rights says where names are looked up.
SELECT p.oid::regprocedure AS definer_without_search_path
FROM pg_temp.member AS m JOIN pg_proc AS p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
WHERE p.prosecdef
  AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS setting WHERE setting LIKE 'search_path=%')
ORDER BY p.oid::regprocedure::text COLLATE "C";

-- No table or view is granted to everybody.
SELECT m.description AS granted_to_public, a.privilege_type
FROM pg_temp.member AS m
JOIN pg_class AS c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid,
     aclexplode(c.relacl) AS a
WHERE a.grantee = 0
ORDER BY m.description COLLATE "C", a.privilege_type;

-- Functions that anybody may call: none of them reads a table or changes anything.
SELECT p.oid::regprocedure AS executable_by_public
FROM pg_temp.member AS m JOIN pg_proc AS p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid,
     aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) AS a
WHERE a.grantee = 0 AND p.provolatile <> 'i'
ORDER BY p.oid::regprocedure::text COLLATE "C";

-- Names that SQL would want quoted are nowhere a parameter.
SELECT p.oid::regprocedure AS reserved_parameter, k.word
FROM pg_temp.member AS m JOIN pg_proc AS p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
CROSS JOIN unnest(p.proargnames) AS argument
JOIN pg_get_keywords() AS k ON k.word = argument AND k.catcode = 'R'
ORDER BY p.oid::regprocedure::text COLLATE "C";

-- Every column that a user sees says what it is.
SELECT c.oid::regclass AS relation, a.attname AS column_without_comment
FROM pg_temp.member AS m JOIN pg_class AS c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition AND c.relnamespace <> 'monitoring_internal'::regnamespace
  AND col_description(c.oid, a.attnum) IS NULL
ORDER BY c.oid::regclass::text COLLATE "C", a.attnum;
