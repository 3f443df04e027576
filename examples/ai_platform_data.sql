-- Data for examples/ai_platform.sql, and for the pack "application": a week of an AI platform whose last
-- hour is a bad one.
--
--   psql -f examples/ai_platform_data.sql                     the last hour ends now
--   psql -v at="'2100-01-01'" -f examples/ai_platform_data.sql
--
-- The tables are made where search_path says, unless they are there. What is random elsewhere is not
-- here, so that the six figures of the last hour are known, and stay what they are for nine minutes:
--
--   ai_error_rate              12 of 150 actions: 8 %             critical (above 5 %)
--   ai_tokens_hourly           150 times 8,000: 1,200,000         warning (above 1,000,000)
--   ai_cost_hourly             150 times $0.80: $120              warning (above $100)
--   queue_depth                240 pending jobs                   warning (100 to 1,000)
--   queue_processing_time_p95  94 jobs took 20 s, 6 took 90 s: 90 s     critical (above 60 s)
--   audit_activity_hourly      200, of usually 50                 unusual
\if :{?at}
\else
	\set at 'now()'
\endif
SET client_min_messages = warning;
CREATE TABLE IF NOT EXISTS ai_action_ledger (
    created_at timestamptz NOT NULL DEFAULT now(), actor_type text, action text, provider text,
    model text, status text NOT NULL, error_message text, total_tokens integer, cost_usd numeric,
    latency_ms integer);
CREATE INDEX IF NOT EXISTS ai_action_ledger_created_at ON ai_action_ledger (created_at);
CREATE TABLE IF NOT EXISTS ingest_jobs (
    status text NOT NULL DEFAULT 'pending', created_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz);
CREATE INDEX IF NOT EXISTS ingest_jobs_active ON ingest_jobs (status) WHERE status <> 'completed';
CREATE INDEX IF NOT EXISTS ingest_jobs_completed_at ON ingest_jobs (completed_at);
CREATE TABLE IF NOT EXISTS audit_log (
    created_at timestamptz NOT NULL DEFAULT now(), actor text, action text);
CREATE INDEX IF NOT EXISTS audit_log_created_at ON audit_log (created_at);
RESET client_min_messages;

-- The last hour: 12 failures, of which 7 chats, 4 summaries and an embedding.
INSERT INTO ai_action_ledger
SELECT :at - (1 + n % 50) * interval '1 minute', CASE WHEN n % 4 = 0 THEN 'agent' ELSE 'user' END,
       CASE WHEN n <= 7 THEN 'chat' WHEN n <= 11 THEN 'summarize' WHEN n = 12 THEN 'embed'
            ELSE (ARRAY['chat', 'summarize', 'embed'])[1 + n % 3] END,
       CASE WHEN n % 2 = 0 THEN 'openai' ELSE 'anthropic' END,
       CASE WHEN n % 2 = 0 THEN 'gpt-4o' ELSE 'claude-sonnet' END,
       CASE WHEN n <= 12 THEN 'error' ELSE 'success' END,
       CASE WHEN n > 12 THEN NULL WHEN n % 2 = 0 THEN 'rate limit exceeded' ELSE 'timeout' END,
       8000, 0.80, 400 + 10 * n
FROM generate_series(1, 150) AS n;
-- The day before it: an action a minute, of which one in 200 failed.
INSERT INTO ai_action_ledger
SELECT :at - interval '70 minutes' - n * interval '1 minute', 'user', 'chat', 'openai', 'gpt-4o',
       CASE WHEN n % 200 = 0 THEN 'error' ELSE 'success' END,
       CASE WHEN n % 200 = 0 THEN 'timeout' END, 2000, 0.05, 500
FROM generate_series(1, 1370) AS n;

-- Jobs: the last hour's, those that wait and those that do not, and a day of good ones.
INSERT INTO ingest_jobs
SELECT 'completed', started.at, started.at + CASE WHEN n <= 94 THEN interval '20 s' ELSE interval '90 s' END
FROM generate_series(1, 100) AS n, LATERAL (SELECT :at - (5 + n % 40) * interval '1 minute') AS started (at);
INSERT INTO ingest_jobs
SELECT status, :at - (1 + n % 10) * interval '1 minute', NULL
FROM (VALUES ('pending', 240), ('processing', 5), ('failed', 3)) AS s (status, jobs),
     generate_series(1, jobs) AS n;
INSERT INTO ingest_jobs
SELECT 'completed', done.at - interval '10 s', done.at
FROM generate_series(1, 1370) AS n, LATERAL (SELECT :at - interval '70 minutes' - n * interval '1 minute') AS done (at);

-- Audited actions: 200 in the last hour, 50 in each of the week before.
INSERT INTO audit_log
SELECT :at - h * interval '1 hour' - (1 + n % 50) * interval '1 minute', 'user ' || n % 10, 'login'
FROM generate_series(0, 169) AS h, generate_series(1, CASE h WHEN 0 THEN 200 ELSE 50 END) AS n;
