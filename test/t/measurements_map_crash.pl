# The map of changed blocks after a crash at each write that the first row of a day makes, and with
# pages of zeros or missing pages at each of its places: rows are taken as not seen, nothing is an
# error, and every row is rolled up once.
use strict;
use warnings;

use DiskFault;
use MonitoringTest;
use Test::More;

my $disk = DiskFault->new;
my $node = new_node(start => 0, conf => "fsync = off\nautovacuum = off\nrestart_after_crash = on\n"
	  . "checkpoint_timeout = '1h'\nwal_writer_delay = '10s'\nclient_min_messages = warning\n");
$disk->start($node);
$node->safe_psql('postgres', 'CREATE EXTENSION monitoring');

my $writes = 8;
my @days = map { sprintf '2024-02-%02d', $_ } 1 .. $writes + 2;
$node->safe_psql('postgres', join('', map {
		(my $name = $_) =~ tr/-//d;
		"CREATE TABLE monitoring_internal.pipeline_metrics_$name (LIKE monitoring.pipeline_metrics INCLUDING DEFAULTS);
		 SELECT monitoring_internal.index_partition('monitoring_internal.pipeline_metrics_$name');
		 ALTER TABLE monitoring.pipeline_metrics ATTACH PARTITION monitoring_internal.pipeline_metrics_$name
		   FOR VALUES FROM ('$_ 00:00+00') TO ('$_ 24:00+00');"
	} @days) . 'CHECKPOINT;');

sub insert { return "INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, timestamp) VALUES ('m', 1, '$_[0] 10:00+00');\n"; }

sub not_ok_checks { return $node->safe_psql('postgres', 'SELECT * FROM monitoring.check_invariants() WHERE NOT ok'); }

sub rolled_up
{
	my ($day) = @_;
	$node->safe_psql('postgres', 'SELECT monitoring.aggregate_hourly_metrics()');
	return $node->safe_psql('postgres', "SELECT (SELECT coalesce(sum(count_value), 0) FROM monitoring.aggregated_metrics
		WHERE period = 'hourly' AND period_start = '$day 10:00+00') || ' of ' ||
		(SELECT count(*) FROM monitoring.pipeline_metrics WHERE timestamp = '$day 10:00+00')");
}

# The statement is in the heap, the map or the log when its process goes; then before its commit, and
# in the middle of a transaction.
my $killed = 0;
for my $n (0 .. $#days)
{
	my $day = $days[$n];
	my $script = $n < $writes ? $disk->kill_at_write($n) . insert($day)
	  : "BEGIN;\n" . insert($day) . "SELECT pg_terminate_backend(0), pg_backend_pid() AS pid \\gset\n\\setenv VICTIM :pid\n"
	  . "\\! kill -9 \$VICTIM\nSELECT 1;\n";
	my $status = $node->psql('postgres', $script);
	$killed++ if $status != 0;
	$disk->empty;
	wait_until($node, 'SELECT true', what => "$day: the server is back");
	$node->safe_psql('postgres', 'CHECKPOINT');
	$node->stop('immediate');
	$disk->start($node);
	is($node->psql('postgres', insert($day)), 0, "$day: a row goes in");
	like(rolled_up($day), qr/^([12]) of \1$/, "$day: and every row is rolled up once");
	is($node->safe_psql('postgres', insert($day) . insert($day)), '', "$day: more rows");
	like(rolled_up($day), qr/^([34]) of \1$/, "$day: and these");
}
cmp_ok($killed, '>=', 4, "$killed of " . @days . ' statements were killed at a write or after it');
is(not_ok_checks(), '', 'all invariants hold');

# Pages that are zero, or not there, on disk.
my $day = $days[0];
(my $table = "monitoring_internal.pipeline_metrics_$day") =~ s/(\d+)-(\d+)-/$1$2/;
my $map = $node->data_dir . '/' . $node->safe_psql('postgres', "SELECT pg_relation_filepath('${table}_changes_idx')");
my %damage = (
	'the meta page is zero' => sub { zero(0); },
	'the map page is zero' => sub { zero(1); },
	'both are zero' => sub { zero(0); zero(1); },
	'the map page is missing' => sub { truncate($map, 8192) or die $!; },
	'the map is empty' => sub { truncate($map, 0) or die $!; });

sub zero
{
	my ($page) = @_;
	open(my $file, '+<', $map) or die $!;
	seek($file, 8192 * $page, 0);
	print $file "\0" x 8192;
	close($file) or die $!;
	return;
}

my $rows = (split / /, rolled_up($day))[0];
for my $what (sort keys %damage)
{
	# One that no pass has seen is in the heap.
	$node->safe_psql('postgres', insert($day));
	$node->stop;
	$damage{$what}->();
	$disk->start($node);
	is($node->safe_psql('postgres', 'SELECT count(*) FROM monitoring_internal.new_measurements($$m$$, NULL)'), 1, "$what: a view finds the row");
	is($node->psql('postgres', insert($day)), 0, "$what: a row goes in");
	$rows += 2;
	is(rolled_up($day), "$rows of $rows", "$what: nothing is lost, nothing counted twice");
	$node->safe_psql('postgres', insert($day));
	$rows++;
	is(rolled_up($day), "$rows of $rows", "$what: and it goes on");
}
is(not_ok_checks(), '', 'all invariants hold');

# An unlogged partition: a crash empties it, map and all.
$node->safe_psql('postgres', "ALTER TABLE $table SET UNLOGGED");
$node->safe_psql('postgres', insert($day));
$node->stop('immediate');
$disk->start($node);
is($node->safe_psql('postgres', "SELECT count(*) FROM $table"), 0, 'a crash empties an unlogged day');
is($node->psql('postgres', insert($day)), 0, 'and a row goes in');
like($node->safe_psql('postgres', 'SELECT monitoring.aggregate_hourly_metrics();
	SELECT detail FROM monitoring.check_invariants() WHERE NOT ok'), qr/is unlogged: a crash empties it/,
	'which check_invariants() warns of');

done_testing();
