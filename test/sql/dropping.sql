-- The extension is dropped by who says so, not along with something else: some of its objects lie in
-- public, which applications drop and rename as they like.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
\set SHOW_CONTEXT never

BEGIN;
CREATE ROLE regress_app;
CREATE SCHEMA regress_app AUTHORIZATION regress_app;
ALTER SCHEMA public OWNER TO regress_app;
CREATE FUNCTION pg_temp.try(who text, statement text, OUT outcome text) LANGUAGE plpgsql AS $$
BEGIN
    IF who <> 'superuser' THEN
        EXECUTE format('SET LOCAL ROLE %I', who);
    END IF;
    EXECUTE statement;
    RAISE SQLSTATE 'YY000' USING MESSAGE = CASE WHEN EXISTS (SELECT FROM pg_extension WHERE extname = 'monitoring')
        THEN 'done, and the extension is there' ELSE 'done, and the extension is gone' END;
EXCEPTION WHEN OTHERS THEN
    outcome := SQLSTATE || ': ' || SQLERRM;
END $$;
SELECT who, statement, pg_temp.try(who, statement) AS outcome FROM (VALUES
    ('regress_app', 'DROP SCHEMA public CASCADE'),
    ('regress_app', 'DROP SCHEMA regress_app, public CASCADE'),
    ('regress_app', 'DROP SCHEMA public'),
    ('regress_app', 'DROP OWNED BY regress_app CASCADE'),
    ('regress_app', 'DROP EXTENSION monitoring'),
    ('regress_app', 'DROP SCHEMA monitoring CASCADE'),
    ('regress_app', 'ALTER SCHEMA public RENAME TO app_old'),
    ('regress_app', 'ALTER SCHEMA monitoring RENAME TO app_old'),
    ('regress_app', 'DO $d$ BEGIN BEGIN DROP EXTENSION monitoring; EXCEPTION WHEN OTHERS THEN NULL; END; DROP SCHEMA public CASCADE; END $d$'),
    ('superuser', 'DROP SCHEMA public CASCADE'),
    ('superuser', 'DROP OWNED BY regress_app CASCADE'),
    ('superuser', 'DROP EXTENSION plpgsql CASCADE'),
    ('superuser', 'ALTER SCHEMA public RENAME TO app_old'),
    ('superuser', 'ALTER SCHEMA monitoring RENAME TO app_old'),
    ('superuser', 'ALTER SCHEMA regress_app RENAME TO app_old'),
    ('superuser', 'DROP SCHEMA regress_app CASCADE'),
    ('superuser', 'DROP EXTENSION monitoring'),
    ('superuser', 'DROP EXTENSION monitoring CASCADE'),
    ('superuser', 'DROP SCHEMA monitoring CASCADE'),
    ('superuser', 'DROP SCHEMA public, monitoring CASCADE')) AS way(who, statement);
SELECT count(*) AS still_there FROM pg_extension WHERE extname = 'monitoring';
ROLLBACK;
-- What one is told.
\set VERBOSITY default
BEGIN;
DROP SCHEMA public CASCADE;
ROLLBACK;
ALTER SCHEMA public RENAME TO app_old;
