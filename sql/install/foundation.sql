-- What the other parts build on.

CREATE FUNCTION monitoring._restoring() RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT source = 'session' FROM pg_catalog.pg_settings WHERE name = 'row_security'
$$;
COMMENT ON FUNCTION monitoring._restoring() IS
  'True in a session that replays a dump: every script of pg_dump sets row_security, and ordinary sessions do not.';
