-- What is asked of a database that year.sql has filled. Each public view has to be here, or stand in the list
-- of those that are not asked, with the reason; so has each public function that only reads. What the worker
-- does on a timer is here, too. at_most_ms is the target at 250,000 rows.
CREATE TABLE public.year_questions (id integer GENERATED ALWAYS AS IDENTITY, about text, question text,
    statement text, at_most_ms float8, is_whole boolean NOT NULL DEFAULT false);
CREATE TABLE public.year_unasked (about text, why text);

INSERT INTO public.year_questions (about, question, statement, at_most_ms)
SELECT about, question, statement, 100 FROM (VALUES
 ('monitoring.alert_trail', 'one alert', $$SELECT * FROM monitoring.alert_trail WHERE fingerprint = md5('7')$$),
 ('monitoring.alert_trail', 'the newest 20', $$SELECT * FROM monitoring.alert_trail ORDER BY at DESC LIMIT 20$$),
 ('monitoring.alert_trail', 'the last day', $$SELECT * FROM monitoring.alert_trail WHERE at > now() - interval '1 day'$$),
 ('monitoring.notification_trail', 'one receiver', $$SELECT * FROM monitoring.notification_trail WHERE receiver = 'r7'$$),
 ('monitoring.notification_trail', 'the newest 20', $$SELECT * FROM monitoring.notification_trail ORDER BY decided_at DESC LIMIT 20$$),
 ('monitoring.notification_trail', 'the last day', $$SELECT * FROM monitoring.notification_trail WHERE decided_at > now() - interval '1 day'$$),
 ('monitoring.alert_acknowledgements', 'one alert', $$SELECT * FROM monitoring.alert_acknowledgements WHERE fingerprint = md5('7')$$),
 ('monitoring.alert_acknowledgements', 'the newest 20', $$SELECT * FROM monitoring.alert_acknowledgements ORDER BY fired_at DESC LIMIT 20$$),
 ('monitoring.alert_acknowledgements', 'the last day', $$SELECT * FROM monitoring.alert_acknowledgements WHERE fired_at > now() - interval '1 day'$$),
 ('monitoring.probe_uptime', 'one probe', $$SELECT * FROM monitoring.probe_uptime WHERE probe_name = 'p7'$$),
 ('monitoring.uptime(text,interval,timestamp with time zone)', 'one probe', $$SELECT monitoring.uptime('p7', '30 days')$$),
 ('monitoring.waiting_notifications', 'all', $$SELECT * FROM monitoring.waiting_notifications$$),
 ('monitoring.cost', 'the last day', $$SELECT * FROM monitoring.cost WHERE hour > now() - interval '1 day'$$),
 ('public.queue_monitoring_view', 'all', $$SELECT * FROM public.queue_monitoring_view$$),
 ('monitoring.health_findings', 'all', $$SELECT * FROM monitoring.health_findings$$),
 ('public.get_system_health()', 'all', $$SELECT public.get_system_health()$$),
 ('monitoring.health_check()', 'all', $$SELECT monitoring.health_check()$$),
 ('monitoring.liveness()', 'all', $$SELECT monitoring.liveness()$$),
 ('monitoring.readiness()', 'all', $$SELECT monitoring.readiness()$$),
 ('monitoring.rollup_status', 'all', $$SELECT * FROM monitoring.rollup_status$$),
 ('monitoring.record_status', 'all', $$SELECT * FROM monitoring.record_status$$),
 ('monitoring.worker_status', 'all', $$SELECT * FROM monitoring.worker_status$$),
 ('monitoring.jobs', 'all', $$SELECT * FROM monitoring.jobs$$),
 ('monitoring.queue_metrics', 'all', $$SELECT * FROM monitoring.queue_metrics$$),
 ('monitoring.api_metrics', 'all', $$SELECT * FROM monitoring.api_metrics$$),
 ('monitoring.effective_routes', 'all', $$SELECT * FROM monitoring.effective_routes$$),
 ('monitoring.effective_metric_definitions', 'all', $$SELECT * FROM monitoring.effective_metric_definitions$$),
 ('monitoring.metrics', 'all', $$SELECT * FROM monitoring.metrics$$),
 ('monitoring.prometheus_metrics(boolean)', 'all', $$SELECT monitoring.prometheus_metrics()$$),
 ('monitoring.explain_route(jsonb)', 'one alert', $$SELECT * FROM monitoring.explain_route('{"alertname": "R4", "team": "t4"}')$$),
 ('monitoring.metric_baseline(text,timestamp with time zone,jsonb,integer,integer)', 'one metric',
  $$SELECT monitoring.metric_baseline('m7', now())$$),
 ('monitoring.metric_values(text,text,interval,timestamp with time zone,jsonb,text[])', 'one metric',
  $$SELECT * FROM monitoring.metric_values('m7')$$)
) AS v (about, question, statement);

INSERT INTO public.year_questions (about, question, statement, at_most_ms, is_whole) VALUES
 ('monitoring.alert_acknowledgements', 'whole', $$SELECT * FROM monitoring.alert_acknowledgements$$, 1000, true),
 ('monitoring.notification_trail', 'whole', $$SELECT * FROM monitoring.notification_trail$$, 1000, true),
 ('monitoring.probe_uptime', 'whole', $$SELECT * FROM monitoring.probe_uptime$$, 1000, true),
 ('monitoring.cost', 'whole', $$SELECT * FROM monitoring.cost$$, 1000, true);

-- What the worker does, when nothing has changed. Pass and queues are asked twice, as nothing has.
INSERT INTO public.year_questions (about, question, statement, at_most_ms) VALUES
 ('monitoring.evaluate_alerts(timestamp with time zone)', 'a pass that finds all alerts', $$SELECT monitoring.evaluate_alerts()$$, NULL),
 ('monitoring.evaluate_alerts(timestamp with time zone)', 'a pass in which nothing changed', $$SELECT monitoring.evaluate_alerts()$$, 100),
 ('monitoring_internal.route_alerts(timestamp with time zone)', 'routing in which nothing happens',
  $$SELECT monitoring_internal.route_alerts(clock_timestamp())$$, NULL),
 ('monitoring_internal.check_health()', 'duty', $$SELECT monitoring_internal.check_health()$$, 20),
 ('monitoring_internal.snapshot_metrics()', 'duty', $$SELECT monitoring_internal.snapshot_metrics()$$, 20),
 ('monitoring_internal.settle_packs()', 'duty', $$SELECT monitoring_internal.settle_packs()$$, 20),
 ('monitoring_internal.maintain_partitions(integer,boolean)', 'duty', $$SELECT monitoring_internal.maintain_partitions()$$, 20),
 ('monitoring_internal.rollup_advance()', 'duty', $$SELECT monitoring_internal.rollup_advance()$$, 20),
 ('monitoring.check_queues()', 'queues over one table without an index', $$SELECT monitoring.check_queues()$$, NULL);

INSERT INTO public.year_unasked (about, why)
SELECT unnest(string_to_array(names, ' ')), why FROM (VALUES
 ('defaults and a table of settings', 'monitoring.effective_retention monitoring.effective_health_thresholds'
  ' monitoring.effective_response_limits monitoring.packs'),
 ('all raw measurements, under names of the document', 'public.system_metrics'),
 ('of pg_stat_statements, where it is installed', 'monitoring.slow_queries'),
 ('the whole configuration as one document', 'monitoring.dump_config()'),
 ('it says what is wrong with all rows, and is asked once a day', 'monitoring.check_invariants()')
) AS v (why, names);
-- year.sql fills the tables of measurements, alerts and deliveries; it has no samples and no objectives.
INSERT INTO public.year_unasked (about, why) VALUES
('monitoring.silenced_alerts', 'the alerts of now under silences, of which a year makes no more'),
('monitoring.metric_metadata', 'of samples: a row a metric'),
('monitoring.refused_samples', 'of samples: a row a reason'),
('monitoring.series', 'of samples, which year.sql does not fill'),
('monitoring.samples(text,timestamp with time zone,timestamp with time zone)', 'of samples, which year.sql does not fill'),
('monitoring.slos', 'of objectives, which year.sql does not make'),
('monitoring.slo_status(text,timestamp with time zone)', 'of objectives, which year.sql does not make'),
('monitoring.slo_burn(text,text,timestamp with time zone)', 'of objectives, which year.sql does not make');
