# Workers make way for commands on their database, and come back.
use strict;
use warnings;

use MonitoringTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node(preload => 1, extension => 0, conf => "max_worker_processes = 16\n");

# The databases that have a worker process, as a list.
my $workers = q(SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_stat_activity
	WHERE backend_type = 'monitoring worker');

sub make_database
{
	my ($name) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, 'CREATE EXTENSION monitoring');
	return;
}

sub state_in
{
	my ($database) = @_;
	return qq(SELECT state FROM monitoring.worker_status
		WHERE role = 'worker' AND database = '$database');
}

make_database('alpha');
wait_until($node, $workers, expect => 'alpha', what => 'alpha has a worker');

$node->safe_psql('postgres', 'ALTER DATABASE alpha RENAME TO beta');
wait_until($node, $workers, expect => 'beta', what => 'RENAME succeeds and the worker is back');

my $folder = PostgreSQL::Test::Utils::tempdir_short();
$node->safe_psql('postgres', "CREATE TABLESPACE elsewhere LOCATION '$folder'");
$node->safe_psql('postgres', 'ALTER DATABASE beta SET TABLESPACE elsewhere');
wait_until($node, $workers, expect => 'beta', what => 'SET TABLESPACE succeeds and the worker is back');

# A copy holds until it is activated; its original goes on.
$node->safe_psql('postgres', 'CREATE DATABASE gamma TEMPLATE beta');
wait_until($node, $workers, expect => 'beta gamma', what => 'a copy with TEMPLATE has a worker');
wait_until($node, state_in('gamma'), dbname => 'gamma', expect => 'holding', what => 'which holds');
wait_until($node, state_in('beta'), dbname => 'gamma', expect => 'running', what => 'the original runs');
is($node->safe_psql('gamma', 'SELECT monitoring.activate()'), 't', 'activate() activates');
wait_until($node, state_in('gamma'), dbname => 'gamma', expect => 'running', what => 'the copy runs');
is($node->safe_psql('gamma', 'SELECT monitoring.activate()'), 'f', 'a second time changes nothing');
is($node->safe_psql('gamma', 'SELECT count(*) FROM monitoring.instance'), '1',
	'the original is forgotten');

# Failing commands leave the workers running.
my $guest = $node->background_psql('beta');
$guest->query_safe('SELECT 1');
for my $command (
	'ALTER DATABASE beta RENAME TO delta',
	'ALTER DATABASE beta SET TABLESPACE pg_default',
	'CREATE DATABASE delta TEMPLATE beta')
{
	my ($status, $out, $err) = $node->psql('postgres', $command);
	like($err, qr/being accessed by other users/, "$command fails with a guest");
	wait_until($node, $workers, expect => 'beta gamma', what => 'and leaves the worker');
}
$guest->quit;

# Who may not run the command does not stop the worker with it.
$node->safe_psql('postgres', 'CREATE ROLE stranger LOGIN');
my $pid = $node->safe_psql('postgres', q(SELECT pid FROM pg_stat_activity
	WHERE backend_type = 'monitoring worker' AND datname = 'beta'));
for my $command ('DROP DATABASE beta', 'ALTER DATABASE beta RENAME TO delta')
{
	my ($status, $out, $err) = $node->psql('postgres', $command, extra_params => [ '-U', 'stranger' ]);
	like($err, qr/must be owner/, "a stranger's $command fails");
}
is($node->safe_psql('postgres', q(SELECT pid FROM pg_stat_activity
	WHERE backend_type = 'monitoring worker' AND datname = 'beta')), $pid, 'its worker has not noticed');

# A backend that dies while it keeps the workers away does not do so for ever.
my $session = $node->background_psql('beta', on_error_stop => 0);
my $backend = $session->query_safe('SELECT pg_backend_pid()');
$session->query_safe('BEGIN; DROP EXTENSION monitoring');
is($node->safe_psql('postgres', $workers), 'gamma', 'no worker during an open DROP EXTENSION');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($backend)");
wait_until($node, $workers, expect => 'beta gamma', what => 'but again when its session has died');
eval { $session->quit };

# COMMIT PREPARED tells nobody: the safety timer finds it.
$node->append_conf('postgresql.conf', "max_prepared_transactions = 5\nmonitoring.naptime = '1s'\n");
$node->restart;
wait_until($node, $workers, expect => 'beta gamma', what => 'workers are back after a restart');
$node->safe_psql('postgres', 'CREATE DATABASE epsilon');
$node->safe_psql('epsilon', q(BEGIN; CREATE EXTENSION monitoring; PREPARE TRANSACTION 'later'));
$node->safe_psql('epsilon', q(COMMIT PREPARED 'later'));
wait_until($node, $workers, expect => 'beta epsilon gamma',
	what => 'a prepared CREATE EXTENSION is found');
$node->safe_psql('epsilon', q(BEGIN; DROP EXTENSION monitoring; PREPARE TRANSACTION 'later'));
$node->safe_psql('epsilon', q(COMMIT PREPARED 'later'));
wait_until($node, $workers, expect => 'beta gamma', what => 'and a prepared DROP EXTENSION');

$node->safe_psql('postgres', "DROP DATABASE $_") for qw(gamma beta epsilon);
wait_until($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'monitoring worker'",
	expect => '0', what => 'DROP DATABASE succeeds while a worker is connected');

# More databases than the server has worker processes for.
$node->append_conf('postgresql.conf', "max_worker_processes = 8\nmonitoring.naptime = '60s'\n");
$node->restart;
$node->safe_psql('postgres', 'CREATE DATABASE source');
$node->safe_psql('source', 'CREATE EXTENSION monitoring');
$node->safe_psql('postgres', "CREATE DATABASE copy_$_ TEMPLATE source") for 2 .. 20;
$node->safe_psql('postgres', 'CREATE DATABASE plain_one');
$node->safe_psql('postgres', 'CREATE DATABASE plain_two');
my $offset = -s $node->logfile;
$node->restart;
wait_until($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'monitoring worker'",
	expect => '5', what => '5 of 20 databases have a worker; one process is left for a courier');
wait_for_log($node, qr/WARNING:  monitoring has no worker process for 15 of 20 databases\n.*DETAIL:.*\n.*HINT:  Set max_worker_processes to at least 23\./,
	offset => $offset, what => 'a warning names the number needed');
is($node->safe_psql('source', q(SELECT count(*) FROM monitoring.worker_status
	WHERE role = 'worker' AND pid IS NULL
	AND last_error = 'no free background worker process: set max_worker_processes to at least 23')), '15',
	'so does worker_status');
$node->append_conf('postgresql.conf', "max_worker_processes = 23\n");
$node->restart;
wait_until($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'monitoring worker'",
	expect => '20', what => 'and that number is enough');

done_testing();
