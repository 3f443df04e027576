# A dump of a database with everything in it restores without an error, plain and custom; the copy
# has the same contents, takes inserts, and does and sends nothing until activate().
use strict;
use warnings;

use HttpReceiver;
use MonitoringTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $receiver = HttpReceiver->start;
my $node = new_node(preload => 1, extension => 0);
my $folder = PostgreSQL::Test::Utils::tempdir();

# The original is not active itself, so that nothing is sent or changes while it is dumped.
$node->safe_psql('postgres', 'CREATE DATABASE original');
$node->safe_psql('original', q{
	BEGIN;
	CREATE EXTENSION monitoring;
	DELETE FROM monitoring.instance;
	COMMIT});
wait_until($node, q(SELECT state FROM monitoring.worker_status
	WHERE database = 'original' AND role = 'worker'),
	dbname => 'original', expect => 'holding', what => 'the original holds');

my $url = $receiver->url('/hook');
$node->safe_psql('original', qq{
	SELECT monitoring_internal.maintain_partitions(3);
	-- Several days, the default partition, and what has no day.
	INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, "timestamp")
	SELECT 'api_call', i, jsonb_build_object('api', 'a' || i % 3, 'success', 'true'),
		date_trunc('hour', now()) - i * interval '1 hour'
	FROM generate_series(1, 100) AS i;
	INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, "timestamp")
	VALUES ('old', 1, NULL, '2001-01-01'), ('ever', 'NaN', '[1]', 'infinity'),
		('never', 1, '7', '-infinity'), ('soon', 1, '{}', now() + interval '100 days');
	SELECT monitoring.aggregate_hourly_metrics();
	SELECT monitoring.aggregate_daily_metrics();
	SELECT monitoring.aggregate_weekly_metrics();
	-- In the dump, and in no roll-up yet.
	INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, "timestamp")
	VALUES ('late', 1, date_trunc('hour', now()) - interval '30 hours');
	SELECT monitoring.log_worker_issue('w', 't', 'm'), monitoring.log_event('e');
	SELECT monitoring.heartbeat('w');
	-- Edited defaults of every kind.
	INSERT INTO monitoring.retention VALUES ('raw', '30 days'), ('weekly', '10 years');
	INSERT INTO monitoring.metric_definitions (metric_name, unit, dimension_keys)
	VALUES ('queue_processing', 's', '{queue,region}');
	INSERT INTO monitoring.health_thresholds VALUES ('error_rate', 0.5, 0.9, true);
	CREATE TABLE public.jobs (status text, created_at timestamptz);
	INSERT INTO monitoring.queues (queue_name, source) VALUES ('jobs', 'public.jobs');
	SELECT monitoring.create_receiver('ops', 'webhook', '{"url": "$url"}');
	SELECT monitoring.send_test_alert('ops'), monitoring.send_test_alert('ops');
	-- An alert that fires, acknowledged, and one that waits.
	INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, "timestamp")
	VALUES ('cpu', 85, now());
	SELECT monitoring.create_threshold('cpu', 80, 90),
		monitoring.create_threshold('cpu', 70, NULL, for_duration => '1 day', rule_name => 'warm');
	SELECT monitoring.evaluate_alerts();
	SELECT monitoring.acknowledge(fingerprint, 'known') FROM monitoring.alerts WHERE rule_name = 'cpu';
	INSERT INTO monitoring.response_limits VALUES ('warning', '1 hour');
	-- Samples in chunks, and samples in batches.
	SELECT monitoring.ingest_samples('stored', jsonb_build_object('n', n),
		ARRAY[now() - interval '2 days'], ARRAY[n]) FROM generate_series(1, 20) AS n;
	SELECT monitoring_internal.compact_samples(at_once => true);
	SELECT monitoring.ingest_samples('stored', '{"n": 1}', ARRAY[now() - interval '1 day'], '{NaN}');
	CREATE ROLE reader;
	SELECT monitoring.grant_access('reader', 'reader')});

# Every relation whose rows a dump contains, partitions included, with a fingerprint of its rows.
sub contents
{
	my ($database) = @_;
	my @relations = split /\n/, $node->safe_psql($database, q{
		SELECT CASE c.relkind WHEN 'S' THEN 'SELECT last_value, is_called' ELSE 'SELECT *' END
			|| ' FROM ' || c.oid::regclass FROM pg_extension AS e, unnest(e.extconfig) AS t(oid)
		JOIN pg_class AS c USING (oid) WHERE e.extname = 'monitoring' ORDER BY c.oid::regclass::text});
	return join "\n", map {
		"$_ " . $node->safe_psql($database, "SELECT md5(coalesce(string_agg(t::text, ','
			ORDER BY t::text), '')) FROM ($_) AS t")
	} @relations;
}
my $partitions = q{
	SELECT c.relname, pg_get_expr(c.relpartbound, c.oid),
		(SELECT string_agg(i.indexrelid::regclass::text, ' ' ORDER BY i.indexrelid::regclass::text)
		FROM pg_index AS i WHERE i.indrelid = c.oid)
	FROM pg_inherits AS h JOIN pg_class AS c ON c.oid = h.inhrelid
	WHERE h.inhparent = 'monitoring.pipeline_metrics'::regclass ORDER BY 1};

my $original = contents('original');
cmp_ok(scalar(my @relations = split /\n/, $original), '>', 15, 'many relations are dumped');
unlike($original, qr/monitoring\.(?:instance|rollup_progress|secrets)\b/,
	'what is bound to this database, and secrets, are not');

$node->command_ok([ 'pg_dump', '-f', "$folder/plain.sql", 'original' ], 'a plain dump');
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$folder/custom.dump", 'original' ], 'a custom dump');

$node->safe_psql('postgres', 'CREATE DATABASE plain');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$folder/plain.sql", 'plain' ],
	'the plain one is restored');
$node->safe_psql('postgres', 'CREATE DATABASE custom');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-j2', '-d', 'custom', "$folder/custom.dump" ],
	'the custom one is restored, by two jobs');

for my $copy ('plain', 'custom')
{
	is(contents($copy), $original, "$copy: equal contents");
	is($node->safe_psql($copy, $partitions), $node->safe_psql('original', $partitions),
		"$copy: the same partitions and indexes");
	is($node->safe_psql($copy, q{SELECT keep FROM monitoring.effective_retention WHERE kind = 'raw'}),
		'30 days', "$copy: an edited default");
	is($node->safe_psql($copy, q{SELECT keep FROM monitoring.effective_retention WHERE kind = 'daily'}),
		'365 days', "$copy: an unedited default");
	is($node->safe_psql($copy, q{SET ROLE reader; SELECT count(*) > 0 FROM monitoring.pipeline_metrics}),
		't', "$copy: granted access");

	# Inserts into every table.
	$node->safe_psql($copy, q{
		INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, "timestamp")
		SELECT 'after', 1, now() - i * interval '1 day' FROM generate_series(-20, 20) AS i;
		INSERT INTO monitoring.worker_issues (worker_name, issue_type, severity) VALUES ('a', 'b', 'info');
		INSERT INTO public.monitoring_events (event_type) VALUES ('a');
		SELECT monitoring.heartbeat('a');
		INSERT INTO monitoring.retention VALUES ('daily', '1 year');
		INSERT INTO monitoring.metric_definitions (metric_name) VALUES ('a');
		INSERT INTO monitoring.health_thresholds VALUES ('a', 1, 2);
		INSERT INTO monitoring.queues (queue_name, source) VALUES ('a', 'public.jobs');
		INSERT INTO monitoring.aggregated_metrics (metric_name, period, period_start)
		VALUES ('a', 'hourly', '2020-01-01');
		SELECT monitoring.create_receiver('a', 'log')});
	is( $node->safe_psql($copy, q{SET ROLE reader;
			SELECT count(*), sum(value) FILTER (WHERE value < 'NaN') FROM monitoring.samples('stored')}),
		'21|210', "$copy: samples");
	is($node->safe_psql($copy, q{SELECT monitoring.ingest_samples('stored', '{"n": 1}', ARRAY[now()], '{1}'),
			monitoring.ingest_samples('stored', '{"n": 21}', ARRAY[now()], '{1}'),
			monitoring_internal.compact_samples(at_once => true),
			monitoring.ingest_samples('stored', '{"n": 21}', ARRAY[now()], '{1}')}),
		'1|1|3|0', "$copy: more samples of old and new series");
	is($node->safe_psql($copy, q{SELECT count(*) FROM monitoring.series}), '21', "$copy: one new series");
	is($node->safe_psql($copy, q{SELECT string_agg(rule_name || ' ' || state, ', ' ORDER BY rule_name)
		FROM monitoring.alerts}), 'cpu firing, warm pending', "$copy: the alerts");
	is($node->safe_psql($copy, q{SELECT monitoring.create_threshold('a', 1, 2)}), '3',
		"$copy: the sequence of rules goes on");
	is($node->safe_psql($copy, q{SELECT monitoring.send_test_alert('ops')}), '3',
		"$copy: the sequence of notifications goes on");

	# Nothing happens here yet, and health says so.
	wait_until($node, "SELECT state FROM monitoring.worker_status
		WHERE database = '$copy' AND role = 'worker'",
		dbname => $copy, expect => 'holding', what => "$copy: the worker holds");
	is($node->safe_psql($copy, q{SELECT get_system_health() #> '{worker_health,reasons}' ? 'inactive'}),
		't', "$copy: health says that it is inactive");
	is($node->safe_psql($copy, q{SELECT count(*) FROM monitoring.notification_attempts}), '0',
		"$copy: nothing was tried");
}
is(scalar(my @requests = $receiver->requests), 0, 'no copy has sent anything');

is($node->safe_psql('plain', 'SELECT monitoring.activate()'), 't', 'activated');
is($node->safe_psql('plain', 'SELECT monitoring.activate()'), 'f', 'once');
wait_until($node, q{SELECT count(*) FROM monitoring.notifications WHERE id <= 3 AND status = 'sent'},
	dbname => 'plain', expect => '3', what => 'what was queued is sent');
is($node->safe_psql('custom', q{SELECT count(*) FROM monitoring.notification_attempts}), '0',
	'by the activated copy alone');
is($node->safe_psql('plain', q{SELECT get_system_health() #> '{worker_health,reasons}' ? 'inactive'}),
	'f', 'health says so no longer');

# Roll-ups go on where they were: the row that came late is taken once, all others not again.
wait_until($node, q{SELECT count(*) FROM monitoring.aggregated_metrics
	WHERE metric_name = 'late' AND period = 'hourly' AND count_value = 1},
	dbname => 'plain', expect => '1', what => 'the late row is rolled up');
is($node->safe_psql('plain', q{SELECT sum(count_value) FROM monitoring.aggregated_metrics
	WHERE metric_name = 'api_call' AND period = 'hourly'}), '100', 'and nothing twice');

done_testing();
