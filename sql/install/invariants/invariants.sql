-- What must hold between the extension's tables. The last part but for access: it remembers how the
-- functions are.

CREATE FUNCTION monitoring.check_invariants()
RETURNS TABLE (check_name text, ok boolean, detail text)
AS 'MODULE_PATHNAME', 'monitoring_check_invariants' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 12
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring.check_invariants() IS
    'Says whether anything is inconsistent: roll-ups against raw rows (a random sample of hours), the '
    'map of changed blocks against the heap, days against hours, partitions, leases of the outbox, '
    'alerts and groups, rows whose parent is gone, sequences, triggers, constraints, and functions '
    'that are not as CREATE EXTENSION made them. Changes nothing; the worker runs it once a day and '
    'keeps the issue invariant_violated open while something is not ok.';

CREATE FUNCTION monitoring_internal.report_invariants() RETURNS void
AS 'MODULE_PATHNAME', 'monitoring_report_invariants' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring_internal.report_invariants() IS
    'Part of the worker: check_invariants() into the issue invariant_violated';

-- Of functions of the extension only what CREATE OR REPLACE changes.
CREATE VIEW monitoring_internal.function_definitions AS
SELECT pg_catalog.concat(n.nspname, '.', p.proname, '(', (
           SELECT pg_catalog.string_agg(pg_catalog.concat(tn.nspname, '.', t.typname), ', '
                                        ORDER BY a.position)
           FROM pg_catalog.unnest(p.proargtypes) WITH ORDINALITY AS a (type, position)
           JOIN pg_catalog.pg_type AS t ON t.oid = a.type
           JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.typnamespace), ')') AS signature,
       pg_catalog.md5(pg_catalog.concat_ws(' ', l.lanname, p.prosecdef, p.provolatile, p.prosrc, p.probin,
                                           p.prosqlbody IS NULL, p.proconfig)) AS definition
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
JOIN pg_catalog.pg_depend AS d ON d.objid = p.oid AND d.deptype = 'e'
    AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
    AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'monitoring'
WHERE p.prokind <> 'a';
COMMENT ON VIEW monitoring_internal.function_definitions IS
    'How the functions of the extension are now';

CREATE TABLE monitoring_internal.installed_functions (
    signature text PRIMARY KEY,
    definition text NOT NULL
);
COMMENT ON TABLE monitoring_internal.installed_functions IS
    'How CREATE EXTENSION made the functions of the extension. Not dumped: a restore makes them anew.';
COMMENT ON COLUMN monitoring_internal.installed_functions.signature IS
    'The function with its argument types';
COMMENT ON COLUMN monitoring_internal.installed_functions.definition IS
    'Its definition, as CREATE EXTENSION made it';
