# No worker on a standby; one after promotion, without activate(). The HTTP server answers on both.
use strict;
use warnings;

use JSON::PP qw(decode_json);
use Metrics;
use MonitoringTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $primary = new_node(preload => 1, init => [ allows_streaming => 1 ]);
my $workers = q(SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ '^monitoring (launcher|worker)');
wait_until($primary, $workers, expect => '2', what => 'launcher and worker on the primary');

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
my $port = http_port();
$standby->append_conf('postgresql.conf', "monitoring.http_port = $port\n");
$standby->start;
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
is($standby->safe_psql('postgres', $workers), '0', 'none of them on the standby');
is($standby->safe_psql('postgres', 'SELECT string_agg(role, chr(32)) FROM monitoring.worker_status'), 'server',
	'worker_status works there, and has the HTTP server only');
my ($status, $out, $err) = $standby->psql('postgres', 'SELECT monitoring.pause_worker()');
like($err, qr/cannot execute pause_worker\(\) during recovery/, 'pause_worker says why it cannot');

# What the standby counts is its own; nobody looks after its health, and it says that it is a standby.
$standby->safe_psql('postgres', q(SELECT monitoring.counter_inc('page_views_total')));
wait_until($standby, q(SELECT state FROM monitoring.worker_status WHERE role = 'server'), expect => 'running',
	what => 'the HTTP server runs on the standby');
is(samples($port)->{'page_views_total{datname="postgres"}'}, 1, '/metrics has what was counted there');
is(http_get($port, '/live')->{status}, 200, 'it lives');
my $ready = http_get($port, '/ready');
is($ready->{status}, 503, 'but is not ready');
is_deeply(decode_json($ready->{content})->{reasons}, ['in_recovery'], 'because it is a standby');
is(decode_json(http_get($port, '/health')->{content})->{services}{worker}{status}, 'standby', 'which /health says, too');

$standby->promote;
wait_until($standby, $workers, expect => '2', what => 'both after promotion');
wait_until($standby, q(SELECT state FROM monitoring.worker_status WHERE role = 'worker'),
	expect => 'running', what => 'and the worker works at once');
is(http_get($port, '/ready')->{status}, 200, 'and /ready says so');
is(samples($port)->{'page_views_total{datname="postgres"}'}, 1, 'without a reset of what was counted before');

done_testing();
