# What each access level can do, as a real role in a session of its own, with the worker running and
# data in every state: rolled up, not yet, in the default partition.
use strict;
use warnings;

use MonitoringTest;
use Test::More;

my $node = new_node(preload => 1, conf => "monitoring.health_check_interval = '1h'\n");

sub sql { return $node->safe_psql('postgres', $_[0]); }

# As a role: (error, output).
sub as_role
{
	my ($role, $sql) = @_;
	my ($code, $out, $err) = $node->psql('postgres', $sql, extra_params => [ '-U', $role ]);
	return ($err =~ /^(?:psql:.*?: )?(ERROR:.*)$/m ? $1 : '', $out);
}

sub may
{
	my ($role, $sql, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($err, $out) = as_role($role, $sql);
	is($err, '', "$role may: " . ($what // $sql));
	return $out;
}

sub may_not
{
	my ($role, $sql) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($err) = as_role($role, $sql);
	like($err, qr/permission denied|must be owner/, "$role may not: $sql");
	return;
}

sql("CREATE ROLE $_ LOGIN") for qw(reader writer operator stranger);
sql("SELECT monitoring.grant_access('$_', '$_')") for qw(reader writer operator);
sql(q(CREATE TABLE public.ingest_jobs (id bigserial PRIMARY KEY, status text DEFAULT 'pending',
		created_at timestamptz DEFAULT now(), completed_at timestamptz);
	INSERT INTO monitoring.queues (queue_name, source) VALUES ('ingest', 'public.ingest_jobs');
	INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, "timestamp")
	SELECT n, 5, '{"queue": "mail", "api": "mail", "success": "true", "success_count": 3, "error_count": "1"}', t
	FROM unnest('{queue_processing,api_call}'::text[]) n,
		unnest(ARRAY[now() - interval '3 hours', now() - interval '400 days']) t;
	SELECT monitoring.pause_worker(); SELECT monitoring.aggregate_hourly_metrics();
	INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags)
	SELECT n, 7, '{"queue": "mail", "api": "mail", "success": "false", "success_count": 2, "error_count": 0}'
	FROM unnest('{queue_processing,api_call}'::text[]) n));
sql('SELECT monitoring.resume_worker()');
my @readable = split /\n/, sql(q(SELECT c.oid::regclass FROM pg_class c JOIN pg_depend d ON d.objid = c.oid
	AND d.classid = 'pg_class'::regclass AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
	JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'monitoring'
	WHERE c.relkind IN ('r', 'p', 'v') AND c.relname <> 'secrets' ORDER BY 1));
cmp_ok(scalar @readable, '>', 25, 'there is something to read');

# Nobody.
my @open = grep { (as_role('stranger', "SELECT * FROM $_"))[0] !~ /permission denied/ } @readable;
is_deeply(\@open, [], 'a role without access reads nothing');
may_not('stranger', 'SELECT public.get_system_health()');
may_not('stranger', q(SELECT monitoring.record_metric('x', 1)));

# A reader reads everything, and gets the numbers that the owner gets.
foreach my $level (qw(reader operator))
{
	my @closed = grep { (as_role($level, "SELECT * FROM $_"))[0] ne '' } @readable;
	is_deeply(\@closed, [], "$level reads every table and view");
	foreach my $view (qw(queue_metrics api_metrics))
	{
		is(may($level, "SELECT * FROM monitoring.$view ORDER BY 1, 2"),
			sql("SELECT * FROM monitoring.$view ORDER BY 1, 2"), "and of $view what the owner sees");
	}
}
is(may('reader', 'SELECT sum(total_messages_processed) FROM monitoring.queue_metrics'),
	sql('SELECT sum(total_messages_processed) FROM monitoring.queue_metrics'), 'the sums, too');
cmp_ok(sql('SELECT count(*) FROM monitoring.queue_metrics'), '>=', 2, 'which are of raw and rolled-up hours');
like(may('reader', 'SELECT public.get_system_health()'), qr/"overall_status"/, 'with an answer');
may('reader', "SELECT monitoring.$_()") for qw(health_check liveness readiness);
may_not('reader', $_)
  for ('SELECT * FROM monitoring.secrets', q(SELECT monitoring.record_metric('x', 1)),
	'DELETE FROM monitoring.pipeline_metrics', 'SELECT monitoring.check_queues()',
	'SELECT monitoring.pause_worker()', 'SELECT monitoring.apply_retention()',
	q(SELECT monitoring.log_event('x')), q(SELECT monitoring.grant_access('stranger', 'reader')),
	q(SELECT monitoring.create_receiver('x', 'log')), q(SELECT monitoring.set_secret('x', 'y')),
	'SELECT public.purge_old_monitoring_events()', q(SELECT monitoring.create_alert('A', 'SELECT 1 AS value')),
	'SELECT monitoring.evaluate_alerts()', q(SELECT monitoring.silence(ARRAY['a="b"'], '1 hour', 'c')),
	q(SELECT monitoring.acknowledge('x', 'y')));

# A writer adds.
may('writer', $_)
  for (q(SELECT monitoring.record_metric('w', 1, '{"a": "b"}')), 'SELECT monitoring.flush_records()',
	q(INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags) VALUES ('w', 2, '{}')),
	q(INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, "timestamp") VALUES ('w', 3, '2001-01-01')),
	q(INSERT INTO public.system_metrics (metric_name, metric_value, status) VALUES ('w', 4, 'ok')),
	q(INSERT INTO public.monitoring_events (event_type) VALUES ('w')),
	q(SELECT monitoring.log_event('w')), q(SELECT monitoring.heartbeat('w')),
	q(SELECT monitoring.resolve_worker_issue(monitoring.log_worker_issue('w', 't', 'm'), 'done')));
is(sql(q(SELECT string_agg(metric_value::text, ' ' ORDER BY metric_value) FROM monitoring.pipeline_metrics
	WHERE metric_name = 'w')), '1 2 3 4', 'and all of it has arrived');
may_not('writer', $_)
  for ('SELECT * FROM monitoring.pipeline_metrics', 'SELECT * FROM monitoring.queue_metrics',
	'SELECT * FROM public.monitoring_events', 'UPDATE monitoring.pipeline_metrics SET metric_value = 0',
	'SELECT monitoring.pause_worker()', 'SELECT public.get_system_health()',
	q(SELECT monitoring.set_secret('x', 'y')), 'SELECT monitoring.aggregate_hourly_metrics()');

# An operator runs and configures it.
may('operator', $_)
  for ('SELECT monitoring.pause_worker()', 'SELECT monitoring.resume_worker()', 'SELECT monitoring.activate()',
	'SELECT monitoring.aggregate_hourly_metrics()', 'SELECT monitoring.aggregate_daily_metrics()',
	'SELECT monitoring.aggregate_weekly_metrics()',
	q(SELECT monitoring.refresh_rollups(now() - interval '4 hours', now())),
	'SELECT public.purge_old_monitoring_events(30)',
	'SELECT monitoring.flush_records()', 'SELECT monitoring.check_queues()',
	q(SELECT monitoring.set_secret('token', 'first')), q(SELECT monitoring.set_secret('token', 'hidden')),
	q(SELECT monitoring.set_secret('gone', 'x')), q(SELECT monitoring.set_secret('gone', NULL)),
	q(SELECT monitoring.create_receiver('ops', 'log', '{}')), q(SELECT monitoring.send_test_alert('ops')),
	q(INSERT INTO monitoring.retention (kind, keep) VALUES ('raw', '30 days')),
	q(INSERT INTO monitoring.health_thresholds (check_name, warning) VALUES ('p95_ms', 1)),
	q(INSERT INTO monitoring.metric_definitions (metric_name, unit, dimension_keys) VALUES ('r', 'ms', '{p}')),
	q(SELECT monitoring.create_threshold('r', 1, 2)), q(SELECT monitoring.create_alert('A', 'SELECT 1 AS value')),
	q(SELECT monitoring.create_route('ops', parent => NULL)),
	q(SELECT * FROM monitoring.explain_route('{"alertname": "A"}')),
	q(SELECT monitoring.pause_worker()),
	q(SELECT monitoring.evaluate_alerts()), q(SELECT monitoring.acknowledge(fingerprint, 'mine') FROM monitoring.alerts),
	q(SELECT monitoring.expire_silence(monitoring.silence(ARRAY['alertname="A"'], '1 hour', 'c'))),
	q(SELECT monitoring.resume_worker()), 'DELETE FROM monitoring.routes',
	q(UPDATE monitoring.receivers SET enabled = false), q(DELETE FROM monitoring.receivers));
may_not('operator', $_)
  for ('SELECT secret_value FROM monitoring.secrets', q(SELECT monitoring.set_secret_from_file('x', '/etc/passwd')),
	q(SELECT monitoring.grant_access('stranger', 'reader')), q(SELECT * FROM monitoring.adopt('old')),
	'SELECT monitoring.setup_supabase()', 'SELECT * FROM monitoring.apply_retention()', 'DROP TABLE monitoring.pipeline_metrics',
	'CREATE TABLE monitoring.mine (x integer)');
is(sql(q(SELECT state || ' ' || acknowledged_by FROM monitoring.alerts WHERE rule_name = 'A')), 'firing operator',
	'alerts are evaluated and acknowledged');
is(sql(q(SELECT string_agg(secret_name || '=' || secret_value, ' ') FROM monitoring.secrets)), 'token=hidden',
	'secrets are set, replaced and removed');
is(sql(q(SELECT state FROM monitoring.worker_status WHERE role = 'worker' AND database = 'postgres')),
	'running', 'and the worker still runs');

$node->stop;
done_testing();
