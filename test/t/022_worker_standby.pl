# No worker on a standby; one after promotion, without activate().
use strict;
use warnings;

use MonitoringTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $primary = new_node(preload => 1, init => [ allows_streaming => 1 ]);
my $workers = q(SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ '^monitoring');
wait_until($primary, $workers, expect => '2', what => 'launcher and worker on the primary');

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
is($standby->safe_psql('postgres', $workers), '0', 'none of them on the standby');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM monitoring.worker_status'), '0',
	'worker_status works there');
my ($status, $out, $err) = $standby->psql('postgres', 'SELECT monitoring.pause_worker()');
like($err, qr/cannot execute pause_worker\(\) during recovery/, 'pause_worker says why it cannot');

$standby->promote;
wait_until($standby, $workers, expect => '2', what => 'both after promotion');
wait_until($standby, q(SELECT state FROM monitoring.worker_status WHERE role = 'worker'),
	expect => 'running', what => 'and the worker works at once');

done_testing();
