# Roll-ups and the life of a server: crashes, a killed pass, logical replication, a standby that is
# promoted, partition maintenance beside readers and writers. ROLLUP_SLOW=1 adds the hour with a
# million sets of tags, which takes a minute.
use strict;
use warnings;

use IPC::Run ();
use MonitoringTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = new_node(init => [ allows_streaming => 1 ],
	conf => "restart_after_crash = on\nautovacuum = off\nwal_level = logical\nclient_min_messages = warning\n");

sub sql { return $node->safe_psql('postgres', $_[0]); }

my $taken = q(SELECT COALESCE(sum(count_value), 0) || ' ' || COALESCE(sum(sum_value), 0)
	FROM monitoring.aggregated_metrics WHERE period = 'hourly' AND metric_name = 'm');

sub insert
{
	my ($rows) = @_;
	return "INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, timestamp)
		SELECT 'm', 1, jsonb_build_object('k', i % 100), '2024-03-05 10:00+00'::timestamptz + i % 7000 * interval '1 second'
		FROM generate_series(1, $rows) AS i";
}
my $pass = 'SELECT monitoring.aggregate_hourly_metrics()';

# A session of its own that runs one script. Returns its handle.
sub session
{
	my ($script) = @_;
	my %session = (out => '', err => '');
	$session{run} = IPC::Run::start(
		[ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-c', $script ],
		'<', \undef, '>', \$session{out}, '2>', \$session{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return \%session;
}

# Crashes between passes: nothing is lost, nothing is counted twice.
sql(insert(1000));
sql($pass);
sql(insert(500));
$node->stop('immediate');
$node->start;
sql(insert(50));
sql($pass);
is(sql($taken), '1550 1550', 'a crash after rows were written');
$node->stop('immediate');
$node->start;
is(sql($pass), '0', 'a crash after a pass: it is done');
is(sql($taken), '1550 1550', 'and stays so');

# A pass that is cancelled or killed when it has read the rows and is about to write: it waits there
# for a lock.
my $lock = 'BEGIN; LOCK TABLE monitoring_internal.rollup_state IN SHARE MODE; SELECT pg_sleep(600)';
my $locked = q(SELECT count(*) FROM pg_locks WHERE relation = 'monitoring_internal.rollup_state'::regclass AND mode = 'ShareLock' AND granted);
sql(insert(20_000));
my $locker = session($lock);
wait_until($node, $locked, expect => '1', what => 'a table is locked');
my ($status, $out, $err) = $node->psql('postgres', "SET statement_timeout = '300ms'; $pass");
like($err, qr/canceling statement due to statement timeout/, 'a pass can be cancelled');
is(sql($taken), '1550 1550', 'it left no trace');
my $killed = session($pass);
my $waiting = q(SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%aggregate_hourly_metrics%');
wait_until($node, "SELECT count(*) FROM ($waiting) AS w", expect => '1', what => 'another one waits');
kill 'KILL', sql($waiting);
eval { $killed->{run}->finish };
eval { $locker->{run}->finish };
like($killed->{err}, qr/server closed the connection/, 'kill -9 of it');
$node->poll_query_until('postgres', 'SELECT true') or die 'the server did not come back';
is(sql($taken), '1550 1550', 'it left no trace');
cmp_ok(sql($pass), '>', 0, 'the next one completes it');
is(sql($taken), '21550 21550', 'with every row once');
is(sql($pass), '0', 'and then there is nothing to do');

# Parallel workers, as many as there are: two, and none although two were asked for.
for my $workers (2, 0)
{
	my ($before) = split / /, sql($taken);
	sql(insert(3000));
	sql("SET min_parallel_table_scan_size = 0; SET max_parallel_workers = $workers; $pass");
	is(sql($taken), join(' ', ($before + 3000) x 2), "every row once, with $workers parallel workers");
	is(sql($pass), '0', 'and nothing is left');
}

# A sample of the blocks tells whether sharing out the rest pays: with many rows a series, and with few.
for my $series (10, 5000)
{
	my ($before) = split / /, sql($taken);
	sql(insert(20_000) =~ s/% 100\b/% $series/r);
	sql("SET min_parallel_table_scan_size = '8kB'; $pass");
	is(sql($taken), join(' ', ($before + 20_000) x 2), "every row once, $series series");
	is(sql($pass), '0', 'and nothing is left');
}

# An error in the midst of a parallel scan, in the leader or a worker: tags whose values are gone from
# disk, several in each share of blocks.
{
	my ($before) = split / /, sql($taken);
	sql(insert(20_000));
	sql(q(INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, timestamp)
		SELECT 'm', 1, jsonb_build_object('k', wide), '2024-03-05 10:00+00'
		FROM generate_series(1, 100) AS i, LATERAL (SELECT string_agg(md5(i || ' ' || j), '') AS wide FROM generate_series(1, 100) AS j) AS w));
	my $values = $node->data_dir . '/' . sql(q(SELECT pg_relation_filepath(reltoastrelid) FROM pg_class
		WHERE oid = 'monitoring_internal.pipeline_metrics_default'::regclass));
	$node->stop;
	rename $values, "$values.kept" or die "$values: $!";
	append_to_file($values, '');
	$node->start;
	my (undef, undef, $err) = $node->psql('postgres', "SET min_parallel_table_scan_size = 0; $pass");
	like($err, qr/could not read blocks? \d+(\.\.\d+)? in file/, 'an error in a parallel scan');
	unlike($err, qr/server closed the connection/, 'it ends the pass only');
	is((split / /, sql($taken))[0], $before, 'it left no trace');
	$node->stop;
	rename "$values.kept", $values or die "$values: $!";
	$node->start;
	sql("SET min_parallel_table_scan_size = 0; $pass");
	is(sql($taken), join(' ', ($before + 20_100) x 2), 'once the values are back, every row is taken once');
}

# Tables written anew while rows wait.
for my $command ('VACUUM FULL monitoring.pipeline_metrics', 'REINDEX TABLE monitoring.pipeline_metrics',
	'CLUSTER monitoring_internal.pipeline_metrics_default USING pipeline_metrics_default_pkey',
	'REINDEX TABLE CONCURRENTLY monitoring.pipeline_metrics')
{
	my ($before) = split / /, sql($taken);
	sql(insert(10));
	sql($command);
	sql($pass);
	sql($command);
	is(sql($pass), '0', "$command makes nothing new");
	is(sql($taken), join(' ', ($before + 10) x 2), 'and loses nothing');
}

# A standby has the same map; after promotion only new rows are counted.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
my ($before) = split / /, sql($taken);
sql(insert(40));
sql($pass);
sql(insert(2));
sql("INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags)
	SELECT 'api_call', 5, jsonb_build_object('api', 'a', 'success', 'true') FROM generate_series(1, 7)");
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', 'SELECT sum(total_calls) FROM monitoring.api_metrics'), '7',
	'views work on a standby');
($status, $out, $err) = $standby->psql('postgres', $pass);
like($err, qr/cannot execute aggregate_hourly_metrics\(\) during recovery/, 'passes do not');
$standby->promote;
$standby->safe_psql('postgres', insert(3));
$standby->safe_psql('postgres', $pass);
is($standby->safe_psql('postgres', $taken), join(' ', ($before + 45) x 2), 'a pass after promotion counts new rows only');
is($standby->safe_psql('postgres', $pass), '0', 'once');
$standby->stop;

# Rows that come by logical replication, changed and deleted ones too.
my $publisher = new_node(name => 'publisher', extension => 0, init => [ allows_streaming => 'logical' ]);
$publisher->safe_psql('postgres', q(
	CREATE SCHEMA monitoring;
	CREATE TABLE monitoring.pipeline_metrics (id uuid DEFAULT gen_random_uuid(), metric_name text,
		metric_value float8, tags jsonb, "timestamp" timestamptz, created_at timestamptz DEFAULT now());
	ALTER TABLE monitoring.pipeline_metrics REPLICA IDENTITY FULL;
	CREATE PUBLICATION measurements FOR TABLE monitoring.pipeline_metrics));
sub replicated
{
	my ($command) = @_;
	$publisher->safe_psql('postgres', $command);
	$publisher->wait_for_catchup('measurements');
	sql($pass);
	return;
}
sql("CREATE SUBSCRIPTION measurements CONNECTION '" . $publisher->connstr . " dbname=postgres' PUBLICATION measurements");
$node->wait_for_subscription_sync($publisher, 'measurements');
sql($pass);
($before) = split / /, sql($taken);
replicated(insert(20));
is(sql($taken), join(' ', ($before + 20) x 2), 'rows that logical replication applies are new rows');
is(sql($pass), '0', 'once');
replicated(q(UPDATE monitoring.pipeline_metrics SET metric_value = 11 WHERE id = (SELECT id FROM monitoring.pipeline_metrics LIMIT 1)));
is(sql($taken), ($before + 20) . ' ' . ($before + 30), 'an update that it applies is rolled up again');
sql('DROP SUBSCRIPTION measurements');
$publisher->stop;

# Partition maintenance and retention delay no INSERT by more than 200 ms, readers or not.
sql(q(
	TRUNCATE monitoring.pipeline_metrics;
	CREATE TABLE delays (what text, longest interval, inserts integer);
	CREATE TABLE stop ();
	CREATE PROCEDURE write_until_stopped(what text) LANGUAGE plpgsql AS $$
	DECLARE
		started timestamptz;
		longest interval := '0';
		inserts integer := 0;
	BEGIN
		WHILE NOT EXISTS (SELECT FROM stop) LOOP
			started := clock_timestamp();
			-- One of today, one that is late.
			INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, timestamp)
			VALUES ('w', 1, started), ('w', 1, started - interval '500 days');
			COMMIT;
			longest := greatest(longest, clock_timestamp() - started);
			inserts := inserts + 2;
			PERFORM pg_sleep(0.002);
		END LOOP;
		INSERT INTO delays VALUES (what, longest, inserts);
		COMMIT;
	END $$;
	CREATE PROCEDURE make_old_days(since integer) LANGUAGE plpgsql AS $$
	DECLARE
		day timestamptz;
	BEGIN
		FOR i IN since .. since + 2 LOOP
			day := date_trunc('day', now(), 'UTC') - i * interval '24 hours';
			EXECUTE format('CREATE TABLE monitoring_internal.pipeline_metrics_%s (LIKE monitoring.pipeline_metrics INCLUDING DEFAULTS)',
				to_char(day AT TIME ZONE 'UTC', 'YYYYMMDD'));
			EXECUTE format('ALTER TABLE monitoring.pipeline_metrics ATTACH PARTITION monitoring_internal.pipeline_metrics_%s FOR VALUES FROM (%L) TO (%L)',
				to_char(day AT TIME ZONE 'UTC', 'YYYYMMDD'), day, day + interval '24 hours');
			INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, timestamp)
			SELECT 'old', 1, day + s * interval '1 second' FROM generate_series(0, 19999) AS s;
		END LOOP;
	END $$));
my $old = q(SELECT count(*) FROM pg_inherits WHERE inhparent = 'monitoring.pipeline_metrics'::regclass
	AND inhrelid::regclass::text < 'monitoring_internal.pipeline_metrics_' || to_char(now() AT TIME ZONE 'UTC' - interval '16 days', 'YYYYMMDD')
	AND inhrelid::regclass::text ~ '[0-9]{8}$');

# Runs the code beside a writer, which notes its longest INSERT as that of $what.
sub beside_writer
{
	my ($what, $code) = @_;
	sql('TRUNCATE stop');
	my $writer = session("CALL write_until_stopped('$what')");
	$code->();
	sql('INSERT INTO stop DEFAULT VALUES');
	$writer->{run}->finish;
	is($writer->{err}, '', "$what: no INSERT failed");
	return;
}

my $ahead = 8;
sub maintain
{
	$ahead++ if $ahead < 30;
	sql("SELECT monitoring_internal.maintain_partitions($ahead)");
	sql('SELECT * FROM monitoring.apply_retention()');
	return;
}

my $reader_s = $ENV{ROLLUP_SLOW} ? 60 : 2;
sub maintain_beside_reader
{
	my $reader = $node->background_psql('postgres');
	$reader->query_safe('BEGIN; SELECT count(*) FROM monitoring.pipeline_metrics');
	my $deadline = time + $reader_s;
	maintain() while time < $deadline;
	is(sql($old), '3', 'a partition that is being read stays');
	$reader->query_safe('COMMIT');
	$reader->quit;
	$deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	maintain() while sql($old) ne '0' && time < $deadline;
	is(sql($old), '0', 'until the reader is gone');
	return;
}

# What a busy machine adds shows in the quiet seconds, or in another round; what maintenance adds shows
# in every one.
my ($rounds, $in_time) = (0, 'f');
while ($in_time ne 't' && $rounds++ < 5)
{
	sql('CALL make_old_days(' . (20 + 3 * $rounds) . ')');
	is(sql($old), '3', 'three old days are there');
	beside_writer("quiet $rounds", sub { sleep 2 });
	beside_writer("maintenance $rounds", \&maintain_beside_reader);
	$in_time = sql("SELECT m.longest < '200 ms' + q.longest FROM delays AS m, delays AS q
		WHERE m.what = 'maintenance $rounds' AND q.what = 'quiet $rounds'");
}
is($in_time, 't', 'no INSERT was delayed by more than 200 ms');
note(sql('SELECT string_agg(delays::text, E\'\n\') FROM delays'));
cmp_ok(sql(q(SELECT max(to_date(right(inhrelid::regclass::text, 8), 'YYYYMMDD')) - current_date
	FROM pg_inherits WHERE inhparent = 'monitoring.pipeline_metrics'::regclass AND inhrelid::regclass::text ~ '[0-9]{8}$')),
	'>=', 8, 'days to come have partitions');
sql($pass);
is(sql(q(SELECT sum(count_value) FROM monitoring_internal.rollup_state WHERE period = 'hourly' AND metric_name = 'w')),
	sql('SELECT sum(inserts) FROM delays'), 'and every row was counted once');
is(sql(q(SELECT sum(count_value) FROM monitoring_internal.rollup_state WHERE period = 'hourly' AND metric_name = 'old')),
	60_000 * $rounds, 'those of the dropped days too');

# Many sets of tags: a worker issue names the metric and the tags that vary.
my $sets = $ENV{ROLLUP_SLOW} ? 1_000_000 : 120_000;
sql("INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, timestamp)
	SELECT 'wide', i, jsonb_build_object('request', i, 'region', i % 3, 'fixed', 'x'), '2024-05-01 10:00+00'
	FROM generate_series(1, $sets) AS i");
my $session = session("$pass;\nSELECT pg_read_file('/proc/' || pg_backend_pid() || '/status')");
$session->{run}->finish;
my ($peak) = $session->{out} =~ /VmHWM:\s+(\d+) kB/;
my ($shared) = $session->{out} =~ /RssShmem:\s+(\d+) kB/;
note("$sets sets of tags: peak $peak kB resident, of it at the end $shared kB shared");
cmp_ok(($peak - $shared) / 1024, '<', 512, "an hour of $sets sets of tags in less than 512 MB");
is(sql(q(SELECT count(*) || ' ' || sum(count_value) FROM monitoring.aggregated_metrics WHERE metric_name = 'wide' AND period = 'hourly')),
	"$sets $sets", 'all of them rolled up');
like(sql(q(SELECT string_agg(message || ' ' || details, ' ') FROM monitoring.worker_issues WHERE issue_type = 'high_cardinality')),
	qr/wide.*request/s, 'and an issue names the metric and the tag');
unlike(sql(q(SELECT string_agg(message || ' ' || details, ' ') FROM monitoring.worker_issues WHERE issue_type = 'high_cardinality')),
	qr/fixed/, 'not those that do not vary');

$node->stop;
done_testing();
