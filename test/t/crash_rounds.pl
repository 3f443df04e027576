# Rounds of kill -9, each of one victim taken at random among backends, worker, courier, launcher,
# checkpointer and the postmaster, under load of all kinds; after each round nothing that was committed
# is lost, and check_invariants() finds nothing.
#   CRASH_ROUNDS=100    how many (default 6)      CRASH_SEED=1    the same victims again
#   CRASH_FULL_DISK=2   so many more rounds in which the disk is full before the kill
use strict;
use warnings;

use DiskFault;
use HttpReceiver;
use JSON::PP qw(encode_json);
use MonitoringTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();

my $rounds = $ENV{CRASH_ROUNDS} // 6;
my $full_rounds = $ENV{CRASH_FULL_DISK} // 1;
my $seed = $ENV{CRASH_SEED} // int(rand(1_000_000));
srand($seed);
diag("CRASH_SEED=$seed: $rounds rounds, $full_rounds with a full disk");

my $receiver = HttpReceiver->start(script => { '/hook' => [ { delay_ms => 5 } ] });
my $disk = DiskFault->new;
my $node = new_node(preload => 1, start => 0, conf => <<~'CONF');
	restart_after_crash = on
	log_statement = none
	fsync = off
	max_wal_size = 64MB
	min_wal_size = 32MB
	monitoring.allow_superuser_rules = on
	monitoring.rollup_interval = '1s'
	monitoring.collect_interval = '1s'
	monitoring.snapshot_interval = '1s'
	monitoring.health_check_interval = '1s'
	CONF
$disk->start($node);
my $settings = encode_json({ url => $receiver->url('/hook') });
$node->safe_psql('postgres', qq(
	CREATE EXTENSION monitoring;
	CREATE TABLE public.committed (round integer, client integer, n integer);
	CREATE TABLE public.hosts (host text PRIMARY KEY, is_down boolean);
	INSERT INTO public.hosts SELECT 'h' || n, false FROM generate_series(1, 10) AS n;
	SELECT monitoring.create_receiver('hook', 'webhook', '$settings');
	SELECT monitoring.create_route('hook', group_by => '{host}', group_wait => '0', group_interval => '1 second');
	SELECT monitoring.create_alert('Down', 'SELECT host, 1 AS value FROM public.hosts WHERE is_down', 'critical', evaluate_every => '1 second');
	SELECT monitoring.define_metric('crash_total', 'counter', 'x', snapshot => true);
	SELECT monitoring.define_metric('crash_seconds', 'histogram', 'x', snapshot => true)));

# What a client does over and over: measurements and their receipt in one transaction, in hours that are
# open, closed and of other days; updates, purges, counts, alerts, retention and passes in between.
my $load = $node->basedir . '/load.sql';
append_to_file($load, <<~'SQL');
	\set hours random(0, 60)
	\set n random(1, 5)
	\set what random(0, 19)
	BEGIN;
	INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, timestamp)
		SELECT 'crash', i, jsonb_build_object('client', :client_id, 'round', :round), now() - :hours * interval '1 hour' FROM generate_series(1, :n) AS i;
	INSERT INTO public.committed VALUES (:round, :client_id, :n);
	COMMIT;
	\if :what < 3
	UPDATE monitoring.pipeline_metrics SET metric_value = metric_value + 1 WHERE id IN (SELECT id FROM monitoring.pipeline_metrics WHERE metric_name = 'crash' LIMIT 1);
	\elif :what < 5
	INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, timestamp) VALUES ('purged', 1, now() - :hours * interval '1 hour');
	DELETE FROM monitoring.pipeline_metrics WHERE id IN (SELECT id FROM monitoring.pipeline_metrics WHERE metric_name = 'purged' LIMIT 1);
	\elif :what < 8
	SELECT monitoring.counter_inc('crash_total'), monitoring.histogram_observe('crash_seconds', 0.3), monitoring.record_metric('recorded', 1);
	\elif :what < 11
	UPDATE public.hosts SET is_down = NOT is_down WHERE host = 'h' || (1 + :hours % 10);
	\elif :what < 12
	SELECT monitoring.aggregate_hourly_metrics(), monitoring.aggregate_daily_metrics();
	\elif :what < 13
	SELECT monitoring.send_test_alert('hook');
	\endif
	SQL

sub start_load
{
	my ($round) = @_;
	my @command = ('pgbench', '-n', '-c', 4, '-T', 60, '-D', "round=$round", '-f', $load, '-h', $node->host, '-p', $node->port, 'postgres');
	my $log = $node->basedir . '/pgbench.log';
	my $pid = fork() // die "fork: $!";
	return $pid if $pid;
	open(STDOUT, '>>', $log) or die "$log: $!";
	open(STDERR, '>&', \*STDOUT) or die "$log: $!";
	exec(@command) or die "pgbench: $!";
}

my @victims = ('backend', 'worker', 'courier', 'launcher', 'checkpointer', 'postmaster');
my %pid_of = (
	backend => q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1),
	worker => q(SELECT pid FROM monitoring.worker_status WHERE role = 'worker' LIMIT 1),
	courier => q(SELECT pid FROM monitoring.worker_status WHERE role = 'courier' LIMIT 1),
	launcher => q(SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'monitoring launcher%' LIMIT 1),
	checkpointer => q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'));

sub kill_victim
{
	my ($victim) = @_;
	if ($victim eq 'postmaster')
	{
		$node->kill9;
		return 1;
	}
	my $pid = patient_sql($node, $pid_of{$victim});
	return $pid ? kill('KILL', $pid) : 0;
}

# A zombie that nobody has waited for is not.
sub postmaster_is_alive
{
	my $file = $node->data_dir . '/postmaster.pid';
	return 0 unless -e $file;
	my ($pid) = slurp_file($file) =~ /^(\d+)/;
	return $pid && -e "/proc/$pid/stat" && slurp_file("/proc/$pid/stat") !~ /\) Z /;
}

# Processes that the postmaster left behind hold its shared memory until they notice.
sub start_again
{
	my $deadline = Time::HiRes::time() + $PostgreSQL::Test::Utils::timeout_default;
	while (1)
	{
		$node->{_pid} = undef;
		return if $disk->start($node, fail_ok => 1);
		die 'the server does not start' if Time::HiRes::time() > $deadline;
		Time::HiRes::sleep(0.1);
	}
}

# The answer, from a server that may be coming up, or have gone for good by now.
sub ask
{
	my ($sql) = @_;
	my $deadline = Time::HiRes::time() + $PostgreSQL::Test::Utils::timeout_default;
	while (Time::HiRes::time() < $deadline)
	{
		start_again() unless postmaster_is_alive();
		my ($out, $err) = ('', '');
		my $status = eval { $node->psql('postgres', $sql, stdout => \$out, stderr => \$err) };
		return $out if defined $status && $status == 0;
		Time::HiRes::sleep(0.02);
	}
	return;
}

my (%killed, @bad);
for my $round (1 .. $rounds + $full_rounds)
{
	my $is_full = $round > $rounds;
	my $victim = $victims[ int(rand(@victims)) ];
	note("round $round: $victim, " . localtime);
	my $clients = start_load($round);
	Time::HiRes::sleep(0.3 + rand(0.7));
	if ($is_full)
	{
		$disk->fill;
		Time::HiRes::sleep(1);
	}
	$killed{$victim} += kill_victim($victim);
	# Without room the server may have given up by itself, and does not come back before there is some.
	$disk->empty if $is_full;
	kill('KILL', $clients);
	waitpid($clients, 0);
	my $lost = ask(q(SELECT coalesce(sum(c.n), 0) - (SELECT count(*) FROM monitoring.pipeline_metrics WHERE metric_name = 'crash') FROM public.committed AS c));
	my $broken = ask(q(SELECT string_agg(check_name || ': ' || detail, E'\n') FROM monitoring.check_invariants() WHERE NOT ok));
	push @bad, "round $round, $victim" . ($is_full ? ', full disk' : '') . ": lost $lost; " . ($broken // 'no answer')
	  if !defined $lost || $lost != 0 || !defined $broken || $broken ne '';
	last if @bad > 5;
}
is(join("\n", @bad), '', 'after each round: no committed row lost, all invariants hold')
  or diag("CRASH_SEED=$seed");
diag('killed: ' . join(', ', map { "$_ $killed{$_}" } sort keys %killed));

# Once more all of it is counted, and everything that was to be told is told.
$node->safe_psql('postgres', 'UPDATE public.hosts SET is_down = false');
wait_until($node, q(SELECT count(*) FROM monitoring.notifications WHERE status IN ('queued', 'sending', 'retrying')), expect => '0',
	what => 'nothing is left to send');
$node->safe_psql('postgres', 'SELECT monitoring.aggregate_hourly_metrics()');
is($node->safe_psql('postgres', q(SELECT (SELECT sum(count_value) FROM monitoring_internal.rollup_state WHERE period = 'hourly' AND metric_name = 'crash')
	= (SELECT sum(n) FROM public.committed))), 't', 'every committed measurement is rolled up once');
is($node->safe_psql('postgres', 'SELECT * FROM monitoring.check_invariants() WHERE NOT ok'), '', 'all invariants hold');

$node->stop;
done_testing();
