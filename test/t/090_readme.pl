# The README's SQL blocks run, in their order, and do what the text around them says.
use strict;
use warnings;

use HttpReceiver;
use MonitoringTest;
use Test::More;
use Time::HiRes ();

open(my $file, '<', 'README.md') or die "README.md: $!";
my $readme = do { local $/; <$file> };
my @blocks = $readme =~ /^```sql\n(.*?)^```$/msg;
cmp_ok(scalar @blocks, '>=', 6, 'the README has its SQL blocks');

my $receiver = HttpReceiver->start;
my $node = new_node(preload => 1, extension => 0, conf => "monitoring.health_check_interval = '1s'\n");

# What came to "ops"; waits until there is a critical page.
sub told
{
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	while (1)
	{
		my $bodies = join "\n", map { $_->{body} } $receiver->requests(path => '/alerts');
		return $bodies if $bodies =~ /"severity":\s*"critical"/ || time > $deadline;
		Time::HiRes::sleep(0.05);
	}
}

foreach my $number (1 .. @blocks)
{
	my $sql = $blocks[ $number - 1 ];
	$sql =~ s{http://127\.0\.0\.1:9095/}{$receiver->url('/')}e;
	my ($code, $stdout, $stderr) = $node->psql('postgres', $sql, on_error_stop => 1);
	is($code, 0, "block $number runs") or diag("$sql\n$stderr");
	next unless $sql =~ /12 stuck/;
	like($stdout, qr/^critical$/m, 'twelve stuck jobs are critical');
	# Before later blocks make routes, which lead what is critical to somebody else.
	my $bodies = told();
	like($bodies, qr/"alertname":"MonitoringTestAlert"/, 'the test alert arrives');
	like($bodies, qr/"severity":\s*"critical"/, 'ops is told that health is critical');
}

is( $node->safe_psql('postgres',
		q{SELECT string_agg(name, ', ' ORDER BY name) FROM pg_settings WHERE name LIKE 'monitoring.%'}),
	join(', ', sort($readme =~ /^\| `(monitoring\.\w+)` \|/mg)),
	'the table of settings names all of them');
is( $node->safe_psql('postgres', "SELECT string_agg(name, ' ') FROM pg_settings WHERE name LIKE 'monitoring.%'"
		  . " AND position(format('| `%s` |%s | %s | %s |', name, ' ' || unit, coalesce(nullif(boot_val, ''), '(empty)'),"
		  . " CASE context WHEN 'sighup' THEN 'reload' WHEN 'postmaster' THEN 'restart' ELSE 'session' END)"
		  . " IN regexp_replace(\$readme\$$readme\$readme\$, ' +\\|', ' |', 'g')) = 0"),
	'', 'with unit, default and when it takes effect');

# The index that it recommends serves the check of a queue: done jobs are not read.
$node->safe_psql('postgres', q(INSERT INTO ingest_jobs (status) SELECT 'completed' FROM generate_series(1, 20000);
	ANALYZE ingest_jobs));
my $scans = q(SELECT coalesce(sum(idx_scan), 0) FROM pg_stat_user_indexes WHERE relname = 'ingest_jobs');
my $before = $node->safe_psql('postgres', $scans);
$node->safe_psql('postgres', 'SELECT monitoring.pause_worker()');
$node->safe_psql('postgres', 'SELECT monitoring.check_queues()');
wait_until($node, "SELECT sum(idx_scan) > $before FROM pg_stat_user_indexes WHERE relname = 'ingest_jobs'",
	what => 'the index on unfinished jobs is used by check_queues()');

done_testing();
