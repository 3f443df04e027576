# The benchmark at a smoke size: the extension and the document's SQL give the same answers. What it
# measures there says nothing and is not looked at.
use strict;
use warnings;

use MonitoringTest;
use Test::More;

my $node = new_node(preload => 1, extension => 0,
	conf => PostgreSQL::Test::Utils::slurp_file('test/bench/bench.conf') . "fsync = off\n");
$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
my $receiver = PostgreSQL::Test::Utils::tempdir() . '/receiver';
PostgreSQL::Test::Utils::system_or_bail('g++', '-std=c++17', '-o', $receiver, 'test/bench/receiver.cpp');
my ($out, $err) = PostgreSQL::Test::Utils::run_command(
	[ 'python3', 'test/bench/bench.py', '--answers-only', '--rows=2000', '--runs=1', '--seconds=1', '--receiver', $receiver,
		'--filter=rollup|drain|retention|views|health|scaling|disk|thresholds|delivery' ]);
like($out, qr/^answers: (?:2[6-9]|[3-9]\d) compared, 0 differ$/m, 'both sides agree in every case')
  or diag("$out\n$err");
done_testing();
