-- Templates in the settings of receivers: Alertmanager's language and data. Mistakes are found when a
-- receiver is made; one that shows only later costs the text, never the page.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
RESET client_min_messages;
BEGIN;
CREATE FUNCTION pg_temp.tell(kind text, settings jsonb, alerts jsonb)
RETURNS TABLE (payload jsonb, note text) LANGUAGE plpgsql AS $$
DECLARE
    told bigint;
BEGIN
    DELETE FROM monitoring.receivers WHERE receiver_name = 'to';
    PERFORM monitoring.create_receiver('to', tell.kind, settings, true);
    told := monitoring_internal.queue_notification('to', 'key', jsonb_build_object(
        'groupLabels', '{"alertname": "HighCPU"}'::jsonb, 'externalURL', 'https://db.example', 'alerts', alerts));
    RETURN QUERY SELECT n.payload, n.note FROM monitoring.notifications AS n WHERE n.id = told;
END
$$;
\set slack '{"url": {"secret": "s"}'
\set mail '{"smarthost": "mail.example:587", "from": "a@db.example", "to": "b@db.example"'
\set pager '{"routing_key": {"secret": "s"}'
\set sms '{"account_sid": "AC1", "auth_token": {"secret": "s"}, "from": "+15550001", "to": "+15550002"'
\set alerts '[{"labels": {"alertname": "HighCPU", "severity": "P0", "host": "a"}, "annotations": {"summary": "CPU of a at 91%", "note": "<b>&"}}, {"status": "resolved", "labels": {"alertname": "HighCPU", "severity": "P0", "host": "b"}, "annotations": {"summary": "CPU of b at 12%"}}]'

-- Slack: title, text, colour, channel.
SELECT payload ->> 'channel' AS channel, payload ->> 'text' AS text,
       payload #> '{attachments,0,blocks}' AS blocks, payload #>> '{attachments,0,fallback}' AS fallback,
       payload #>> '{attachments,0,color}' AS color, note
FROM pg_temp.tell('slack', (:'slack' || ', "title": "{{ .Status | toUpper }} {{ .GroupLabels.alertname }}",
    "text": "{{ range .Alerts.Firing }}*{{ .Labels.host }}*: {{ .Annotations.summary }}{{ end }}",
    "color": "{{ if eq .Status \"firing\" }}#ff0000{{ else }}good{{ end }}",
    "channel": "#{{ .CommonLabels.severity | toLower }}"}')::jsonb, :'alerts') \gx
-- E-mail: what values say is escaped in HTML, and a subject is one line.
SELECT payload ->> 'subject' AS subject, payload ->> 'text' AS text, payload ->> 'html' AS html, note
FROM pg_temp.tell('email', (:'mail' || ', "subject": "[{{ .Status | toUpper }}] {{ .GroupLabels.alertname }}\nBcc: x@evil.example",
    "text": "{{ len .Alerts }} alerts", "html": "<h3>{{ .GroupLabels.alertname }}</h3>{{ (index .Alerts 0).Annotations.note }}"}')::jsonb,
    :'alerts') \gx
-- PagerDuty: description and details.
SELECT payload #>> '{payload,summary}' AS summary, payload #> '{payload,custom_details}' AS details, note
FROM pg_temp.tell('pagerduty', (:'pager' || ', "description": "{{ .GroupLabels.alertname }} on {{ len .Alerts.Firing }} host",
    "details": {"url": "{{ .ExternalURL }}", "firing": "{{ range .Alerts.Firing }}{{ .Labels.host }} {{ end }}"}}')::jsonb,
    :'alerts') \gx
SELECT payload ->> 'Body' AS body FROM pg_temp.tell('sms', (:'sms' || ', "text": "{{ .Receiver }}: {{ .Status }}"}')::jsonb,
    :'alerts');
-- Alertmanager's own templates may be called.
SELECT payload ->> 'subject' AS subject, note
FROM pg_temp.tell('email', (:'mail' || ', "subject": "{{ template \"email.default.subject\" . }}"}')::jsonb, :'alerts');

-- What fails for these alerts, or gives nothing, has the kind's own text, and a note.
SELECT payload ->> 'text' AS text, payload #>> '{attachments,0,color}' AS color, payload ? 'channel' AS has_channel, note
FROM pg_temp.tell('slack', (:'slack' || ', "title": "{{ (index .Alerts 7).Labels.host }}",
    "text": "{{ range .Alerts.Resolved }}{{ if eq .Labels.host \"none\" }}x{{ end }}{{ end }}",
    "channel": "{{ .CommonLabels.channel }}"}')::jsonb, :'alerts') \gx
SELECT payload #>> '{payload,summary}' AS summary, payload #> '{payload,custom_details,x}' AS x,
       payload #>> '{payload,custom_details,num_firing}' AS num_firing, note
FROM pg_temp.tell('pagerduty', (:'pager' || ', "description": "{{ slice .CommonLabels.alertname 0 99 }}",
    "details": {"x": "{{ index .Alerts 9 }}"}}')::jsonb, :'alerts') \gx

-- What can never be right is refused when the receiver is made, with its place.
\set VERBOSITY default
SAVEPOINT s;
SELECT monitoring.create_receiver('x', 'slack', (:'slack' || ', "title": "{{ .Status | toUppr }}"}')::jsonb);
ROLLBACK TO s;
SELECT monitoring.create_receiver('x', 'slack', (:'slack' || ', "text": "{{ .Annotations.summary }}"}')::jsonb);
ROLLBACK TO s;
\set VERBOSITY terse
SELECT monitoring.create_receiver('x', 'email', (:'mail' || ', "html": "{{ if }}"}')::jsonb);
ROLLBACK TO s;
SELECT monitoring.create_receiver('x', 'email', (:'mail' || ', "subject": "{{ template \"mine\" . }}"}')::jsonb);
ROLLBACK TO s;
SELECT monitoring.create_receiver('x', 'pagerduty', (:'pager' || ', "details": {"a": "{{ .Alerts.Frying }}"}}')::jsonb);
ROLLBACK TO s;
SELECT monitoring.create_receiver('x', 'pagerduty', (:'pager' || ', "details": {"a": 1}}')::jsonb);
ROLLBACK TO s;
SELECT monitoring.create_receiver('x', 'webhook', '{"url": "http://127.0.0.1/", "title": "x"}');
ROLLBACK;
