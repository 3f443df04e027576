-- What waits for a receiver is tried at once when what it waits for is mended, and only that.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
DO $$ BEGIN PERFORM monitoring.pause_worker(); EXCEPTION WHEN object_not_in_prerequisite_state THEN END $$;
BEGIN;
DELETE FROM monitoring.notifications;
SELECT monitoring.create_receiver('regress_url', 'slack', '{"url": {"secret": "regress_hook"}}');
SELECT monitoring.create_receiver('regress_token', 'webhook',
    '{"url": "http://127.0.0.1:1/", "bearer_token": {"secret": "regress_token"}}');
SELECT monitoring.create_receiver('regress_other', 'webhook', '{"url": "http://127.0.0.1:1/"}');
SELECT count(monitoring.send_test_alert(name)) FROM unnest('{regress_url,regress_token,regress_other}'::text[]) AS name;
UPDATE monitoring.notifications SET status = 'retrying', attempts = 9, next_attempt_at = now() + interval '1 hour';
CREATE VIEW pg_temp.tried AS
SELECT receiver, next_attempt_at <= clock_timestamp() AS at_once FROM monitoring.notifications ORDER BY receiver;
SELECT * FROM pg_temp.tried;
SAVEPOINT s;
SELECT monitoring.set_secret('regress_hook', 'http://127.0.0.1:1/');
SELECT * FROM pg_temp.tried;
ROLLBACK TO s;
SELECT monitoring.set_secret('regress_unused', 'value');
SELECT * FROM pg_temp.tried;
SELECT monitoring.set_secret('regress_token', 'value');
SELECT * FROM pg_temp.tried;
ROLLBACK TO s;
-- Set anew counts as well; so do the receiver's own settings.
UPDATE monitoring.receivers SET settings = '{"url": "http://127.0.0.1:2/"}' WHERE receiver_name = 'regress_other';
SELECT * FROM pg_temp.tried;
ROLLBACK;
DO $$ BEGIN PERFORM monitoring.resume_worker(); EXCEPTION WHEN object_not_in_prerequisite_state THEN END $$;
