-- What the other parts build on.

CREATE SCHEMA monitoring_internal;
COMMENT ON SCHEMA monitoring_internal IS
  'What the extension monitoring keeps and calls by itself; what people use lies in the schema monitoring.';

CREATE FUNCTION monitoring_internal.restoring() RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  -- Several of what it sets: somebody may set one of them for himself.
  SELECT pg_catalog.count(*) = 3 FROM pg_catalog.pg_settings
  WHERE source = 'session' AND name IN ('row_security', 'xmloption', 'statement_timeout')
$$;
COMMENT ON FUNCTION monitoring_internal.restoring() IS
  'True in a session that replays a dump: every script of pg_dump sets row_security, xmloption and statement_timeout, and ordinary sessions do not set all three.';
