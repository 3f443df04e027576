-- Receivers, notifications and secrets, without a courier: what is queued, and what is refused.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
RESET client_min_messages;

BEGIN;
DELETE FROM monitoring.receivers;
DELETE FROM monitoring.notifications;
SELECT monitoring.create_receiver('ops', 'webhook', '{"url": "https://hooks.example.com/x"}');
SELECT monitoring.create_receiver(receiver_name => 'quiet', kind => 'webhook',
    settings => '{"url": {"secret": "quiet-url"}, "headers": {"X-Team": "ops"}}',
    send_resolved => false);
SELECT monitoring.create_receiver('record', 'log');
SELECT receiver_name, kind, settings, send_resolved, enabled
FROM monitoring.receivers ORDER BY receiver_name;

-- A test alert is a notification like any other.
SELECT monitoring.send_test_alert('ops') IS NOT NULL AS queued;
SELECT receiver, kind, group_key, status, attempts, last_error, sent_at, leased_by,
       payload ->> 'version' AS version, payload #>> '{alerts,0,labels,alertname}' AS alertname,
       created_at = now() AS created_now, next_attempt_at <= clock_timestamp() AS due
FROM monitoring.notifications;

-- Resolved alerts are left out where the receiver is not told of them.
SELECT monitoring_internal.queue_notification('quiet', 'g', '{"alerts": [
    {"status": "firing", "labels": {"alertname": "A"}},
    {"status": "resolved", "labels": {"alertname": "B"}}]}') IS NOT NULL AS queued;
SELECT payload ->> 'status' AS status, payload ->> 'receiver' AS receiver,
       jsonb_array_length(payload -> 'alerts') AS alerts, payload -> 'commonLabels' AS common_labels
FROM monitoring.notifications WHERE receiver = 'quiet';
SELECT monitoring_internal.queue_notification('quiet', 'g',
    '{"alerts": [{"status": "resolved", "labels": {"alertname": "B"}}]}') IS NULL AS left_out;
SELECT monitoring_internal.queue_notification('ops', 'g',
    '{"alerts": [{"status": "resolved", "labels": {"alertname": "B"}}]}') IS NOT NULL AS queued;

-- Nothing is queued for a disabled receiver.
UPDATE monitoring.receivers SET enabled = false WHERE receiver_name = 'ops';
SELECT monitoring_internal.queue_notification('ops', 'g', '{"alerts": []}') IS NULL AS left_out;

-- A dead one goes back into the queue.
UPDATE monitoring.notifications SET status = 'dead', attempts = 3 WHERE receiver = 'quiet';
SELECT monitoring.retry_notification(id) FROM monitoring.notifications WHERE receiver = 'quiet';
SELECT status, attempts FROM monitoring.notifications WHERE receiver = 'quiet';
ROLLBACK;

-- Secrets: set, replaced, removed.
BEGIN;
SELECT monitoring.set_secret('token', 'first');
SELECT monitoring.set_secret(secret_name => 'token', secret_value => 'second');
SELECT secret_name, secret_value FROM monitoring.secrets;
SELECT monitoring.set_secret('token', NULL);
SELECT count(*) FROM monitoring.secrets;
ROLLBACK;

-- Settings that a receiver cannot work with, written by the function or by hand.
\set SHOW_CONTEXT never
SELECT monitoring.create_receiver('bad', 'webhook', '{"url": "not a url"}');
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.create_receiver('bad', 'webhook', '{"url": "file:///etc/passwd"}');
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.create_receiver('bad', 'webhook', '{"url": "gopher://127.0.0.1/"}');
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.create_receiver('bad', 'webhook', '{"url": "http://user:password@host/"}');
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.create_receiver('bad', 'webhook', '{"url": "http://host:99999/"}');
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.create_receiver('bad', 'webhook', '{}');
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.create_receiver('bad', 'webhook', '{"url": "http://host/", "uri": "x"}');
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.create_receiver('bad', 'webhook', '[]');
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.create_receiver('bad', 'webhook', '{"url": 1e400}');
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.create_receiver('bad', 'pager', '{}');
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.create_receiver('', 'log');
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.create_receiver(NULL, 'log');
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.create_receiver('bad', 'log', NULL);
\echo :LAST_ERROR_SQLSTATE
INSERT INTO monitoring.receivers (receiver_name, kind, settings)
VALUES ('bad', 'webhook', '{"url": "file:///etc/passwd"}');
\echo :LAST_ERROR_SQLSTATE

-- What is not there, or not so.
SELECT monitoring.send_test_alert('nobody');
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.send_test_alert(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.retry_notification(-1);
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.retry_notification(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring_internal.queue_notification('nobody', 'g', '{}');
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring_internal.queue_notification('nobody', 'g', '{"alerts": [{"status": "burning"}]}');
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.set_secret('token', '');
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.set_secret_from_file('token', '/nonexistent/secret');
\echo :LAST_ERROR_SQLSTATE
