# The worker of a database: comes, goes, survives, pauses, tells what it does.
use strict;
use warnings;

use List::Util qw(min);
use MonitoringTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_node(preload => 1, extension => 0, conf => "restart_after_crash = on\n");

my $worker = q(SELECT count(*) FROM pg_stat_activity
	WHERE backend_type = 'monitoring worker' AND datname = 'postgres');
my $worker_pid = q(SELECT pid FROM pg_stat_activity
	WHERE backend_type = 'monitoring worker' AND datname = 'postgres');

sub pid_of_worker { return $node->safe_psql('postgres', $worker_pid); }

# Waits for a worker with another process id than the given one.
sub wait_for_other_worker
{
	my ($old, $what) = @_;
	return wait_until($node, "SELECT count(*) FROM ($worker_pid AND pid <> $old) AS other",
		expect => '1', what => $what);
}

wait_until($node, q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'monitoring launcher'),
	expect => '1', what => 'the launcher is there');
is($node->safe_psql('postgres', $worker), '0', 'and no worker without the extension');

# How long workers took to come and to go. One look may be slow on a busy machine.
my (@came, @went);

sub comes_with
{
	my ($command, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$node->safe_psql('postgres', $command);
	my $started = time;
	wait_until($node, $worker, expect => '1', what => $what);
	push @came, time - $started;
	return;
}

sub goes_with
{
	my ($command, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$node->safe_psql('postgres', $command);
	my $started = time;
	wait_until($node, $worker, expect => '0', what => $what);
	push @went, time - $started;
	return;
}

# Comes and goes with the extension.
comes_with('CREATE EXTENSION monitoring', 'a worker comes with CREATE EXTENSION');
wait_until($node, q(SELECT state FROM monitoring.worker_status
	WHERE role = 'worker' AND database = 'postgres' AND ticks > 0), expect => 'running',
	what => 'worker_status shows it running');
is($node->safe_psql('postgres', q(SELECT string_agg(role, ' ' ORDER BY role)
	FROM monitoring.worker_status WHERE pid IS NOT NULL)), 'launcher worker',
	'and the launcher');
is($node->safe_psql('postgres', q(SELECT application_name FROM pg_stat_activity
	WHERE backend_type = 'monitoring worker')), 'monitoring worker', 'pg_stat_activity has its name');

my $pid = pid_of_worker();
$node->safe_psql('postgres', 'BEGIN; DROP EXTENSION monitoring; ROLLBACK');
wait_until($node, $worker, expect => '1', what => 'a rolled back DROP EXTENSION leaves a worker');
$node->psql('postgres', 'CREATE VIEW public.in_the_way AS SELECT * FROM monitoring.worker_issues;
	DROP EXTENSION monitoring');
wait_until($node, $worker, expect => '1', what => 'so does one that fails');
$node->safe_psql('postgres', 'DROP VIEW public.in_the_way');

goes_with('DROP EXTENSION monitoring', 'DROP EXTENSION ends it');
comes_with('CREATE EXTENSION monitoring', 'it comes again');
goes_with('DROP SCHEMA monitoring CASCADE', 'DROP SCHEMA ... CASCADE ends it, too');
$node->safe_psql('postgres', 'CREATE ROLE boss SUPERUSER');
comes_with('SET ROLE boss; CREATE EXTENSION monitoring', 'it comes a third time');
goes_with('DROP OWNED BY boss', 'and so does DROP OWNED');
$node->safe_psql('postgres', 'BEGIN; CREATE EXTENSION monitoring; ROLLBACK');
is($node->safe_psql('postgres', $worker), '0', 'none comes for a rolled back CREATE EXTENSION');
comes_with('CREATE EXTENSION monitoring', 'it comes a fourth time');
for ([ 'comes', @came ], [ 'goes', @went ])
{
	my ($verb, @seconds) = @$_;
	note("it $verb after " . join(', ', map { sprintf '%.3f s', $_ } @seconds));
	cmp_ok(min(@seconds), '<', 1, "a worker $verb within a second");
}

# Pause and resume.
$node->safe_psql('postgres', 'SELECT monitoring.pause_worker()');
is($node->safe_psql('postgres', q(SELECT state FROM monitoring.worker_status
	WHERE role = 'worker' AND database = 'postgres')), 'paused', 'it is paused when pause_worker returns');
my $ticks = q(SELECT ticks FROM monitoring.worker_status WHERE role = 'worker' AND database = 'postgres');
$pid = pid_of_worker();
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
wait_for_other_worker($pid, 'a terminated worker comes back');
wait_until($node, q(SELECT state FROM monitoring.worker_status
	WHERE role = 'worker' AND database = 'postgres'), expect => 'paused', what => 'still paused');
$node->safe_psql('postgres', 'SELECT monitoring.resume_worker()');
wait_until($node, q(SELECT state FROM monitoring.worker_status
	WHERE role = 'worker' AND database = 'postgres'), expect => 'running', what => 'resume_worker ends that');

# The basics, at the interval of the settings, which a reload changes.
$node->append_conf('postgresql.conf', "monitoring.collect_interval = '1s'\n");
$node->reload;
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM ($worker_pid) AS w");
wait_until($node, q(SELECT count(DISTINCT metric_name) FROM monitoring.pipeline_metrics
	WHERE metric_name ~ '^db_' AND tags = '{"database": "postgres"}'), expect => '6',
	what => 'the basics are recorded');
wait_until($node, q(SELECT count(DISTINCT "timestamp") >= 3 FROM monitoring.pipeline_metrics
	WHERE metric_name = 'db_size_bytes'), what => 'again and again, as the new interval says');

# One failing duty is one issue, stops no other, and is resolved when it works again.
$node->safe_psql('postgres', q(
	ALTER FUNCTION monitoring.check_queues() RENAME TO check_queues_gone;
	SELECT pg_reload_conf()));
$node->append_conf('postgresql.conf', "monitoring.queue_check_interval = '1s'\n");
$node->reload;
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM ($worker_pid) AS w");
my $issues = q(FROM monitoring.worker_issues
	WHERE worker_name = 'monitoring worker' AND issue_type = 'queue-check');
wait_until($node, "SELECT count(*) $issues AND NOT resolved", expect => '1',
	what => 'a failing duty becomes a worker issue');
my $errors = $node->safe_psql('postgres', q(SELECT errors FROM monitoring.worker_status
	WHERE role = 'worker' AND database = 'postgres'));
wait_until($node, qq(SELECT errors >= $errors + 2 FROM monitoring.worker_status
	WHERE role = 'worker' AND database = 'postgres'), what => 'it goes on failing');
is($node->safe_psql('postgres', "SELECT count(*) $issues"), '1', 'which is still one issue');
is($node->safe_psql('postgres', q(SELECT last_status || ': ' || last_error FROM monitoring.jobs
	WHERE job_name = 'queue-check')), 'failed: function monitoring.check_queues() does not exist',
	'the view of jobs tells');
my $size = $node->safe_psql('postgres', q(SELECT count(*) FROM monitoring.pipeline_metrics
	WHERE metric_name = 'db_size_bytes'));
wait_until($node, qq(SELECT count(*) > $size FROM monitoring.pipeline_metrics
	WHERE metric_name = 'db_size_bytes'), what => 'other duties go on');
$node->safe_psql('postgres', 'ALTER FUNCTION monitoring.check_queues_gone() RENAME TO check_queues');
wait_until($node, "SELECT count(*) $issues AND NOT resolved", expect => '0',
	what => 'the issue is resolved when it works again');

# In a deadlock the duty gives way, not a user's statement: this session waits for a duty that waits
# for this session, which the server would find after deadlock_timeout and end it.
$node->safe_psql('postgres', q(
	CREATE FUNCTION public.read_events() RETURNS trigger LANGUAGE plpgsql
		AS 'BEGIN PERFORM FROM public.monitoring_events LIMIT 1; RETURN NULL; END';
	CREATE TRIGGER read_events AFTER INSERT ON monitoring.pipeline_metrics EXECUTE FUNCTION public.read_events()));
$pid = pid_of_worker();
$node->safe_psql('postgres', qq(
	BEGIN;
	LOCK TABLE public.monitoring_events IN ACCESS EXCLUSIVE MODE;
	DO \$\$
	BEGIN
		WHILE NOT EXISTS (
			SELECT FROM pg_locks AS waiting JOIN pg_locks AS held USING (pid)
			WHERE pid = $pid
			  AND waiting.relation = 'public.monitoring_events'::regclass AND NOT waiting.granted
			  AND held.relation = 'monitoring.pipeline_metrics'::regclass AND held.granted)
		LOOP
			PERFORM pg_sleep(0.01);
		END LOOP;
		LOCK TABLE monitoring.pipeline_metrics IN ACCESS EXCLUSIVE MODE;
	END \$\$;
	DROP TRIGGER read_events ON monitoring.pipeline_metrics;
	COMMIT));
pass('a session that closes the circle of a deadlock with a duty goes on');

# A duty that waits too long for a lock, or that somebody cancels, is a failure like any other.
$node->append_conf('postgresql.conf', "monitoring.duty_lock_timeout = '100ms'\n");
$node->reload;
my $locker = $node->background_psql('postgres');
$locker->query_safe('BEGIN; LOCK TABLE monitoring.pipeline_metrics IN ACCESS EXCLUSIVE MODE');
wait_until($node, q(SELECT last_error FROM monitoring.worker_status WHERE role = 'worker'
	AND database = 'postgres' AND last_error ~ 'lock timeout'),
	expect => 'collect-basics: canceling statement due to lock timeout', what => 'a lock timeout is told');
$locker->query_safe('ROLLBACK');
$locker->quit;

# Killed: the server restarts, and the worker is back.
$pid = pid_of_worker();
kill 'KILL', $pid;
wait_for_other_worker($pid, 'kill -9: server and worker are back');

# The launcher is restarted, and takes its workers over.
wait_until($node, $worker, expect => '1', what => 'a worker runs');
$pid = pid_of_worker();
my $launcher = $node->safe_psql('postgres', q(SELECT pid FROM pg_stat_activity
	WHERE backend_type = 'monitoring launcher'));
$node->safe_psql('postgres', "SELECT pg_terminate_backend($launcher)");
wait_until($node, qq(SELECT count(*) FROM pg_stat_activity
	WHERE backend_type = 'monitoring launcher' AND pid <> $launcher), expect => '1',
	what => 'a terminated launcher is started again');
is(pid_of_worker(), $pid, 'its worker has not noticed');

# Shutdown within a second: the worker is never what a fast shutdown waits for.
my $log_length = -s $node->logfile;
my $started = time;
$node->stop('fast');
my $took = time - $started;
note(sprintf 'a fast shutdown took %.3f s', $took);
cmp_ok($took, '<', 5, 'a fast shutdown is fast');
my $log = slurp_file($node->logfile, $log_length);
unlike($log, qr/monitoring.*(FATAL|ERROR)/, 'nobody was torn out of work');

# Without preload.
my $plain = new_node(name => 'plain');
is($plain->safe_psql('postgres', 'SELECT count(*) FROM monitoring.worker_status'), '0',
	'without preload worker_status is empty');
my ($status, $out, $err) = $plain->psql('postgres', 'SELECT monitoring.pause_worker()');
like($err, qr/monitoring has no worker.*HINT:.*shared_preload_libraries/s, 'pause_worker says why it cannot');
is($plain->safe_psql('postgres', q(SELECT count(*) FROM monitoring.jobs WHERE runner = 'worker')), '7',
	'the jobs are listed');

done_testing();
