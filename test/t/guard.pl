# C++ in a backend can be cancelled and ended, wherever it is, and nothing stays behind.
use strict;
use warnings;

use MonitoringTest;
use PostgreSQL::Test::Utils;
use Test::More;

# The library of test/modules is there for make test only, and then it has to be.
plan skip_all => 'test/modules are not installed' unless $ENV{TEST_MODULES};

my $node = new_node(extension => 0);
my %arguments = (
	guard_loop => '()', guard_loop_spi => '()', guard_loop_attempt => '(sql text)',
	guard_attempt => '(sql text)');
my %results = (guard_attempt => 'text');
for my $name (sort keys %arguments)
{
	my $result = $results{$name} // 'void';
	$node->safe_psql('postgres', "CREATE FUNCTION $name$arguments{$name} RETURNS $result
		AS '\$libdir/guard_test' LANGUAGE C");
}
$node->safe_psql('postgres', q(
	CREATE FUNCTION guard_alive() RETURNS int AS '$libdir/guard_test' LANGUAGE C;
	CREATE FUNCTION guard_held_off() RETURNS bigint AS '$libdir/guard_test' LANGUAGE C;
	CREATE FUNCTION guard_fail_held_off(failure text) RETURNS void
		AS '$libdir/guard_test' LANGUAGE C;
	CREATE FUNCTION guard_surroundings(failure text, depth int) RETURNS text
		AS '$libdir/guard_test' LANGUAGE C;
	CREATE TABLE done (what text);));

# Statements that would never end by themselves.
my %endless = (
	'a C++ loop' => q(SELECT guard_loop()),
	'a loop over SPI' => q(SELECT guard_loop_spi()),
	'a statement inside of SPI' => q(SELECT guard_attempt('SELECT pg_sleep(1000)')),
	'a loop over attempts' => q(SELECT guard_loop_attempt('SELECT 1 / 0')),
	'attempts in attempts' =>
	  q(SELECT guard_loop_attempt($$SELECT guard_attempt('SELECT pg_sleep(1000)')$$)));

# A session of which every statement is waited for; its errors are in $session->{stderr}.
sub new_session
{
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query('SELECT pg_backend_pid()');
	return ($session, $pid);
}

# One message of two statements: the error of the second takes the setting back, so that no other
# statement can be hit by it.
sub with_timeout { return "SET statement_timeout = '100ms' \\; $_[0]"; }

# The session is as good as new: nothing alive, nothing held off, and it takes statements.
sub is_usable
{
	my ($session, $what) = @_;
	is($session->query('SELECT guard_alive(), guard_held_off()'), '0|0',
		"$what: all destructors ran, no counter is off");
	is($session->query(q(SELECT guard_attempt('INSERT INTO done VALUES (1)'))), 'ok',
		"$what: the session works");
}

for my $what (sort keys %endless)
{
	my ($session, $pid) = new_session();

	$session->query(with_timeout($endless{$what}));
	like($session->{stderr}, qr/ERROR:  canceling statement due to statement timeout/,
		"$what: statement_timeout ends it");
	$session->{stderr} = '';
	is_usable($session, "$what, after a timeout");

	for my $round (1 .. 3)
	{
		$session->query_until(qr/started/, "\\echo started\n$endless{$what};\n");
		wait_until($node, "SELECT state = 'active' AND query LIKE 'SELECT guard%'
			FROM pg_stat_activity WHERE pid = $pid", what => "$what: runs, round $round");
		is($node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)"), 't', 'cancel');
		# Its output comes only when the statement before it has ended.
		$session->query('SELECT 1');
		like($session->{stderr}, qr/ERROR:  canceling statement due to user request/,
			"$what: pg_cancel_backend ends it");
		$session->{stderr} = '';
	}
	is_usable($session, "$what, after cancels");

	# In a transaction the cancel fails the transaction, as for any statement.
	$session->query('BEGIN');
	$session->query("SET LOCAL statement_timeout = '50ms'");
	$session->query($endless{$what});
	$session->{stderr} = '';
	$session->query('SELECT 1');
	like($session->{stderr}, qr/current transaction is aborted/, "$what: fails its transaction");
	$session->{stderr} = '';
	$session->query('ROLLBACK');

	$session->query_until(qr/started/, "\\echo started\n$endless{$what};\n");
	wait_until($node, "SELECT state = 'active' AND query LIKE 'SELECT guard%'
		FROM pg_stat_activity WHERE pid = $pid", what => "$what: runs, to be terminated");
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
	backend_gone($pid, what => "$what: pg_terminate_backend ends it");
	$session->{run}->finish;
}

# An error while interrupts were held off does not leave a session that nobody can cancel, whether it
# is passed on or caught. (The sleep ends, so that a failure of this test is not a server that hangs.)
my ($session, $pid) = new_session();
for my $failing (
	"guard_fail_held_off('server')", "guard_fail_held_off('report')",
	"guard_fail_held_off('bad_alloc')", "guard_surroundings('server', 0)",
	"guard_surroundings('palloc of a wrong size', 2)")
{
	$session->query("SELECT $failing");
	$session->{stderr} = '';
	$session->query(with_timeout('SELECT pg_sleep(5)'));
	like($session->{stderr}, qr/statement timeout/, "can be cancelled after $failing");
}
$session->quit;

is($node->safe_psql('postgres', 'SELECT count(*) > 0 FROM done'), 't', 'the server was up all along');
$node->stop;
unlike(slurp_file($node->logfile), qr/was terminated by signal|PANIC|TRAP/, 'and nothing crashed');

done_testing();
