-- Hand-made tables whose ids are numbers: the commands that CREATE EXTENSION prints for them work.

SET client_min_messages = error;
DROP EXTENSION IF EXISTS monitoring CASCADE;
DROP SCHEMA IF EXISTS monitoring CASCADE;
CREATE SCHEMA monitoring;
CREATE TABLE monitoring.pipeline_metrics (id bigserial PRIMARY KEY, metric_name text, metric_value float8,
    tags jsonb, "timestamp" timestamptz, created_at timestamptz DEFAULT now());
CREATE TABLE monitoring.worker_issues (id serial PRIMARY KEY, worker_name text, issue_type text, severity text,
    message text, details jsonb, resolved boolean DEFAULT false, resolution_details text,
    created_at timestamptz DEFAULT now(), resolved_at timestamptz);
CREATE TABLE public.monitoring_events (id bigserial PRIMARY KEY, event_type text, details jsonb,
    created_at timestamptz DEFAULT now());
-- Of a name that is needed, but nothing that is adopted.
CREATE TABLE monitoring.alerts (id bigserial PRIMARY KEY, name text);
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, "timestamp")
VALUES ('a', 1, '{}', '2026-01-01 00:00+00'), ('a', 1, '{}', '2026-01-01 00:00+00');
INSERT INTO monitoring.worker_issues (worker_name, issue_type, severity, message, details)
VALUES ('a', 'b', 'warning', 'c', '{}');
INSERT INTO public.monitoring_events (event_type, details) VALUES ('a', '{}');

CREATE PROCEDURE pg_temp.run_the_hint() LANGUAGE plpgsql AS $$
DECLARE
    hint text;
    command text;
BEGIN
    BEGIN
        CREATE EXTENSION monitoring;
    EXCEPTION WHEN duplicate_object THEN
        GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    END;
    FOREACH command IN ARRAY string_to_array(hint, E'\n')
    LOOP
        IF command ~ '^(CREATE|ALTER)' THEN
            EXECUTE command;
        END IF;
    END LOOP;
END
$$;
CALL pg_temp.run_the_hint();
SELECT * FROM monitoring.adopt('monitoring_old');
-- They are the same rows when they are adopted again.
SELECT * FROM monitoring.adopt('monitoring_old');
SELECT metric_name, metric_value FROM monitoring.pipeline_metrics WHERE "timestamp" = '2026-01-01 00:00+00';
DROP SCHEMA monitoring_old CASCADE;
-- Nothing of it is left for other tests.
DROP EXTENSION monitoring;
CREATE EXTENSION monitoring;
