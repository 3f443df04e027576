# Counted metrics over the life of a server: a load of several sessions, a clean restart, a crash, a
# full registry, a dropped database, and what promtool says of the text.
use strict;
use warnings;
use IPC::Run;
use Metrics;
use MonitoringTest;
use Test::More;

my $node = new_node(
	preload => 1,
	conf    => "monitoring.registry_size = '256kB'\nrestart_after_crash = on\n");

sub exposition
{
	my ($openmetrics) = @_;
	return $node->safe_psql('postgres', "SELECT monitoring.prometheus_metrics($openmetrics)");
}

sub value_of
{
	my ($name) = @_;
	return $node->safe_psql('postgres',
		"SELECT coalesce(sum(coalesce(value, count)), -1) FROM monitoring.metrics WHERE metric_name = '$name'");
}

# A load: what it has counted is exact, and while it lasts +Inf and _count agree in every text.
my $load = $node->basedir . '/load.sql';
PostgreSQL::Test::Utils::append_to_file($load, <<'SQL');
SELECT monitoring.counter_inc('load_total'), monitoring.histogram_observe('load_seconds', random() * 12),
       monitoring.counter_inc('load_by_client_total', 1, '{"client": ":client_id"}'), monitoring.gauge_add('load_waiting', 1) FROM generate_series(1, 50);
SQL
my $running = IPC::Run::start(
	[ 'pgbench', '-n', '-c', 4, '-t', 200, '-f', $load, '-h', $node->host, '-p', $node->port, 'postgres' ],
	'>', \my $out, '2>', \my $err);
my ($texts, $torn) = (0, 0);
while ($running->pumpable)
{
	my $text = exposition('false');
	my ($infinite) = $text =~ /^load_seconds_bucket\{le="\+Inf"\} (\d+)$/m;
	my ($count) = $text =~ /^load_seconds_count (\d+)$/m;
	$texts++;
	$torn++ if defined $infinite && $infinite != $count;
	$running->pump_nb;
}
ok($running->finish, 'the load ran') or diag $err;
cmp_ok($texts, '>', 0, 'it was looked at meanwhile');
is($torn, 0, '+Inf is always _count');
is(value_of('load_total'), 40000, 'every increment of four sessions on one counter is there');
is(value_of('load_seconds'), 40000, 'and every observation');
is(value_of('load_by_client_total'), 40000, 'and every increment by client');
is(value_of('load_waiting'), 40000, 'and what was added to a gauge');
$node->safe_psql('postgres', q(SELECT monitoring.gauge_set('load_waiting', 7)));
is(value_of('load_waiting'), 7, 'which is then set');

# The text: of the load, of what users make up, and of the extension itself.
$node->safe_psql('postgres', <<'SQL');
SELECT monitoring.define_metric('load_total', 'counter', 'Increments.');
SELECT monitoring.define_metric('load_seconds', 'histogram', 'Waiting.', 'seconds');
SELECT monitoring.counter_inc('odd_total', 0.1, jsonb_build_object('text', E'a"b\\c\nd\te'));
SELECT monitoring.gauge_set('odd_value', v, jsonb_build_object('v', v::text)) FROM unnest(ARRAY['NaN', 'Infinity', '-Infinity', '-0.5', '1e300']::float8[]) AS v;
SQL
wait_until($node, q(SELECT count(*) = 1 FROM monitoring.metrics WHERE metric_name = 'monitoring_outbox_pending'),
	what => 'the worker counts its own');
my $text = exposition('false');
is(promtool_complaints($text), '', 'promtool has no complaint');
like($text, qr/^monitoring_worker_cpu_seconds_total \d/m, 'the worker says what it costs');
like(exposition('true'), qr/\n# EOF\n?\z/, 'OpenMetrics has an end');

# A clean restart keeps it all; the file is gone afterwards.
my $file = $node->data_dir . '/pg_stat/monitoring_registry';
my $before = $node->safe_psql('postgres',
	"SELECT string_agg(m::text, '|' ORDER BY m::text) FROM monitoring.metrics AS m WHERE metric_name ~ '^(load|odd)'");
$node->stop;
ok(-e $file, 'a clean stop leaves a file');
$node->start;
ok(!-e $file, 'the start has removed it');
is($node->safe_psql('postgres',
	"SELECT string_agg(m::text, '|' ORDER BY m::text) FROM monitoring.metrics AS m WHERE metric_name ~ '^(load|odd)'"),
	$before, 'all values are there');

# A file that is damaged, cut short or of another version is reported, removed, and no reason not to
# start; and a stop that is not clean leaves none.
sub damaged
{
	my ($how, $damage) = @_;
	$node->safe_psql('postgres', q(SELECT monitoring.counter_inc('load_total')));
	$node->stop;
	my $log = -s $node->logfile;
	open(my $handle, '+<', $file) or die $!;
	$damage->($handle);
	close($handle);
	$node->start;
	is(value_of('load_total'), -1, "a file that is $how is not believed");
	like(PostgreSQL::Test::Utils::slurp_file($node->logfile, $log),
		qr/ignoring damaged file "pg_stat\/monitoring_registry"/, 'the log says so');
	ok(!-e $file, 'it is removed');
}
damaged('damaged', sub { seek($_[0], 100, 0); print { $_[0] } 'damaged!' });
damaged('cut short', sub { truncate($_[0], (-s $_[0]) - 8) });
damaged('shorter than its header', sub { truncate($_[0], 10) });
damaged('of another version', sub { print { $_[0] } 'MONMETR0' });
$node->safe_psql('postgres', q(SELECT monitoring.counter_inc('load_total')));
$node->stop('immediate');
$node->start;
is(value_of('load_total'), -1, 'after an immediate stop everything starts from zero');

# A session that is killed within a storm of increments: the server recovers, and counts from zero.
my $storm = IPC::Run::start(
	[ 'psql', '-X', '-q', '-h', $node->host, '-p', $node->port, '-d', 'postgres', '-c',
		q(DO $$ BEGIN FOR i IN 1..2000000000 LOOP PERFORM monitoring.counter_inc('storm_total', 1, jsonb_build_object('n', i % 100)); END LOOP; END $$)
	],
	'>', \$out, '2>', \$err);
wait_until($node, q(SELECT count(*) = 100 FROM monitoring.metrics WHERE metric_name = 'storm_total'), what => 'the storm counts');
kill 'KILL', $node->safe_psql('postgres', q(SELECT pid FROM pg_stat_activity WHERE query LIKE 'DO %storm%'));
wait_until($node, q(SELECT count(*) = 0 FROM monitoring.metrics WHERE metric_name IN ('storm_total', 'odd_total')),
	what => 'everything starts from zero');
$storm->finish;
is(promtool_complaints(exposition('false')), '', 'promtool has no complaint after a crash');
$node->safe_psql('postgres', q(SELECT monitoring.counter_inc('storm_total') FROM generate_series(1, 10)));
is(value_of('storm_total'), 10, 'counting goes on');

# A full registry: no error; what is there goes on, and a dropped database makes room.
$node->safe_psql('postgres', 'CREATE DATABASE crowded');
$node->safe_psql('crowded', <<'SQL');
CREATE EXTENSION monitoring;
SELECT count(monitoring.counter_inc('crowd' || n % 10 || '_total', 1, jsonb_build_object('n', n))) FROM generate_series(1, 8000) AS n;
SQL
like(exposition('false'), qr/^monitoring_registry_refused_total\{reason="memory"\} [1-9]/m, 'refusals are counted');
$node->safe_psql('postgres', q(SELECT monitoring.counter_inc('storm_total'), monitoring.counter_inc('no_room_total', 1, '{"x": "y"}')));
is(value_of('storm_total'), 11, 'what is there goes on');
$node->safe_psql('postgres', 'DROP DATABASE crowded');
$node->restart;
wait_until($node, q(SELECT monitoring.prometheus_metrics() ~ 'monitoring_registry_used_bytes [0-9]{1,5}\n'),
	what => 'the memory of a dropped database is free');
is(value_of('storm_total'), 11, 'nothing else is lost');

# Without preloading: an error that says what to do.
$node->stop;
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
$node->adjust_conf('postgresql.conf', 'monitoring.registry_size', undef);
$node->start;
my ($status, $stdout, $stderr) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT monitoring.counter_inc('a')");
like($stderr, qr/55000.*\nHINT:  Add monitoring to shared_preload_libraries/, 'counting says what is missing');
is($node->safe_psql('postgres', 'SELECT count(*), monitoring.prometheus_metrics() FROM monitoring.metrics'), '0|',
	'reading shows nothing');

done_testing();
