# What an installation lacks is said where somebody looks: no preload, too few processes, settings of
# the server that would end what the worker does.
use strict;
use warnings;

use MonitoringTest;
use Test::More;

# Without shared_preload_libraries nothing is done by itself. Each way to configure something says so.
my $bare = new_node(preload => 0);
my $findings = q(SELECT string_agg(check_name || ' ' || severity || ': ' || reason || ' | ' || what_to_do, E'\n')
	FROM monitoring.health_findings);
like($bare->safe_psql('postgres', $findings),
	qr/^not_preloaded warning: monitoring is not in shared_preload_libraries \| Add monitoring to shared_preload_libraries and restart/,
	'health says it, and what to do');
is($bare->safe_psql('postgres', q(SELECT public.get_system_health() ->> 'overall_status')), 'warning', 'is no longer healthy');
is($bare->safe_psql('postgres', q(SELECT monitoring.health_check() ->> 'status')), 'warning', 'nor for a load balancer');
is($bare->safe_psql('postgres', q(SELECT r ->> 'status' || ' ' || (r ->> 'reasons') FROM monitoring.readiness() AS r)),
	'not_ready ["not_preloaded"]', 'it is not ready, and says why');
$bare->safe_psql('postgres', 'CREATE ROLE plain');
my $said = 'WARNING:  nothing is done by itself here: monitoring is not in shared_preload_libraries';
for my $made (
	q(SELECT monitoring.create_receiver('ops', 'log')),
	q(SELECT monitoring.create_route('ops', parent => NULL)),
	q(SELECT monitoring.create_alert('one', 'SELECT 1 AS value', owner => 'plain')),
	q(SELECT monitoring.create_threshold('nothing', 1, 2)),
	q(SELECT monitoring.enable_pack('postgres')),
	q(SELECT monitoring.create_watchdog('ops')),
	q(SELECT monitoring.send_test_alert('ops')),
	q(INSERT INTO monitoring.collectors (collector_name, query, owner) VALUES ('c', 'SELECT 1 AS value', 'plain')),
	q(INSERT INTO monitoring.queues (queue_name, source, owner) VALUES ('q', 'public.none', 'plain')),
	q(INSERT INTO monitoring.probes (probe_name, url) VALUES ('p', 'http://127.0.0.1:1/')))
{
	my ($out, $err) = ('', '');
	$bare->psql('postgres', $made, stdout => \$out, stderr => \$err);
	unlike($err, qr/ERROR/, "accepted: $made");
	like($err, qr/\Q$said\E/, 'and whoever says it is told');
}
$bare->stop;

# 20 databases with the settings that a server comes with: health says which of them wait, and how
# many processes are needed.
my $crowded = new_node(preload => 1, extension => 0, conf => "monitoring.naptime = '1s'\n");
is($crowded->safe_psql('postgres', 'SHOW max_worker_processes'), '8', 'as a server comes');
my @databases = map { sprintf 'd%02d', $_ } 1 .. 20;
for my $database (@databases)
{
	$crowded->safe_psql('postgres', "CREATE DATABASE $database");
	$crowded->safe_psql($database, 'CREATE EXTENSION monitoring');
}
my $shortage = q(SELECT coalesce(max(reason), '') FROM monitoring.health_findings WHERE check_name = 'too_few_processes');
for my $database ($databases[0], $databases[-1])
{
	wait_until($crowded, "SELECT ($shortage) ~ '^1[0-9] databases wait for a worker process, and all take turns: (\"d[0-9]{2}\"(, )?)+: no free background worker process: set max_worker_processes to at least 2[0-9]\$'",
		dbname => $database, what => "$database: health says who waits, and for how many processes");
}
my ($need) = $crowded->safe_psql('d01', $shortage) =~ /at least (\d+)/;
$crowded->append_conf('postgresql.conf', "max_worker_processes = $need");
$crowded->restart;
wait_until($crowded, q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'monitoring worker'), expect => '20',
	what => "with $need each has one");
wait_until($crowded, $shortage, dbname => 'd20', expect => '', what => 'and health says nothing more');

# Settings that are people's are not the worker's.
my @limits = ("statement_timeout = '1ms'", "lock_timeout = '1ms'", "idle_in_transaction_session_timeout = '1ms'",
	'default_transaction_read_only = on', "default_transaction_isolation = 'serializable'");
# A session's start is a transaction, too, and takes longer than 1 ms.
push @limits, "transaction_timeout = '200ms'"
	if $crowded->safe_psql('postgres', q(SELECT count(*) FROM pg_settings WHERE name = 'transaction_timeout'));
$crowded->append_conf('postgresql.conf', "$_") for grep { !/^default/ } @limits;
$crowded->restart;
# The test's own sessions take no part in it, from their first statement on.
local $ENV{PGOPTIONS} = join ' ', map { "-c " . (/^(\w+)/)[0]
	  . (/^default_transaction_iso/ ? '=read\\ committed' : /^default/ ? '=off' : '=0') } @limits;
$crowded->safe_psql('d01', join '; ', map { "ALTER DATABASE d01 SET $_" } @limits);
$crowded->safe_psql('d01',
	q(SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'd01' AND backend_type = 'monitoring worker'));
$crowded->safe_psql('d01', q(UPDATE monitoring.health_state SET checked_at = '2000-01-01'));
wait_until($crowded, q(SELECT checked_at > now() - interval '1 hour' FROM monitoring.health_state), dbname => 'd01',
	what => 'the worker works on, whatever people are limited to');
is($crowded->safe_psql('d01', 'SELECT count(*) FROM monitoring.worker_issues WHERE NOT resolved'), '0',
	'and none of its duties fails');
$crowded->stop;
done_testing();
