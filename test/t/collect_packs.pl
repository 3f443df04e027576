# Packs in two databases of one server: what is of the whole cluster is collected once, what is of a
# database by each; and who goes on when the first no longer does.
use strict;
use warnings;

use IPC::Run ();
use Metrics;
use MonitoringTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $port = http_port();
# Its database postgres is without a pack, and has the lowest oid of all.
my $node = new_node(preload => 1, init => [ allows_streaming => 1 ], conf => "monitoring.http_port = $port\n");

sub make_database
{
	my ($name) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, 'CREATE EXTENSION monitoring; CREATE TABLE orders (id int)');
	return;
}

sub enable
{
	my ($database, $pack) = @_;
	$node->safe_psql($database, "SELECT monitoring.enable_pack('$pack');
		UPDATE monitoring.collectors SET every = '1 second'");
	return;
}

sub runs
{
	my ($database, $collector) = @_;
	wait_until($node, qq(SELECT last_run_at IS NOT NULL AND last_error IS NULL FROM monitoring.collectors
		WHERE collector_name = '$collector'), dbname => $database, what => "$database runs $collector");
	return;
}

# Collectors of the whole cluster that a database has run.
sub of_cluster
{
	my ($database) = @_;
	return $node->safe_psql($database, q(SELECT coalesce(string_agg(collector_name, ' '), '')
		FROM monitoring.collectors WHERE scope = 'cluster' AND last_run_at IS NOT NULL));
}

# Samples of a metric, without their values.
sub exposed
{
	my ($metric) = @_;
	return grep { /^\Q$metric\E(?:\{|$)/ } sort keys %{ samples($port) };
}

make_database($_) foreach qw(alpha beta);
enable('alpha', 'postgres');
runs('alpha', $_) foreach qw(postgres/up postgres/database_size postgres/stat_user_tables);
enable('beta', 'postgres');
enable('beta', 'host');
runs('beta', 'postgres/stat_user_tables');
runs('beta', 'host/gauges');
unlike(of_cluster('beta'), qr/postgres/, 'the cluster is collected in the first database that has the pack, and not again');
like(of_cluster('beta'), qr/host/, 'which does not have this one');

my ($duplicate) = http_get($port, '/metrics')->{content} =~ /^(pg_up .*)^pg_up /ms;
is($duplicate, undef, 'one sample for the server');
is_deeply([ exposed('pg_up') ], ['pg_up'], 'without the name of a database');
is(scalar(grep { /"beta"/ } exposed('pg_database_size_bytes')), 1, 'one for each database');
is_deeply([ grep { /"orders"/ } exposed('pg_stat_user_tables_seq_scan') ],
	[ map { qq(pg_stat_user_tables_seq_scan{datname="$_",relname="orders",schemaname="public"}) } qw(alpha beta) ],
	'tables of both');

$node->safe_psql('alpha', q(SELECT monitoring.disable_pack('postgres')));
runs('beta', 'postgres/up');
wait_until($node, q(SELECT count(*) = 0 FROM monitoring_internal.collector_metrics), dbname => 'alpha',
	what => 'alpha takes its metrics away');
my $ran_at = $node->safe_psql('beta', 'SELECT clock_timestamp()');
wait_until($node, qq(SELECT last_run_at > '$ran_at' FROM monitoring.collectors WHERE collector_name = 'postgres/up'),
	dbname => 'beta', what => 'beta goes on');
is_deeply([ exposed('pg_up') ], ['pg_up'], 'the server is still there');
is(scalar(grep { /"alpha"/ } exposed('pg_stat_user_tables_seq_scan')), 0, 'the tables of the other are not');

# Somebody who reads WAL, with the slot's name.
my $folder = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('postgres', q(SELECT pg_create_physical_replication_slot('archive', true)));
my $receiver = IPC::Run::start(
	[ 'pg_receivewal', '-D', $folder, '--slot=archive', '-d', $node->connstr('postgres') ], '>', \my $out, '2>', \my $err);
wait_until($node, q(SELECT count(*) FROM monitoring.preview_collector('postgres/stat_replication')
	WHERE metric_name = 'pg_stat_replication_replay_lag_seconds' AND value >= 0
	AND labels @> '{"slot_name": "archive", "state": "streaming"}'),
	dbname => 'beta', expect => '1', what => 'a receiver of WAL');
is($node->safe_psql('beta', q(SELECT value FROM monitoring.preview_collector('postgres/replication_slots')
	WHERE metric_name = 'pg_replication_slots_active' AND labels = '{"slot_name": "archive"}')), '1', 'its slot is active');
$receiver->kill_kill;

done_testing();
