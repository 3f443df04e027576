# What the TAP tests share: a server with the extension's settings, and waiting with a reason.
#
#   use MonitoringTest;
#   my $node = new_node(preload => 1, conf => "monitoring.tick_interval = '1s'\n");
#   wait_until($node, q(SELECT count(*) = 1 FROM monitoring.worker_status), what => 'a worker is there');
package MonitoringTest;

use strict;
use warnings;

use Exporter qw(import);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();

our @EXPORT = qw(new_node patient_sql wait_until wait_for_log backend_gone);

# END blocks, which stop the servers, run after a die and not after a plain signal.
$SIG{TERM} = $SIG{INT} = $SIG{HUP} = sub { die "interrupted by a signal\n" };

my $nodes = 0;

# A new server, started, with the extension in database postgres. Arguments:
#   name         of the node (default: main, then node2, ...)
#   preload      1: monitoring is in shared_preload_libraries; or a list such as 'monitoring,pg_cron'
#   conf         more lines for postgresql.conf
#   init         array of arguments for PostgreSQL::Test::Cluster's init()
#   start        0: leave it stopped (implies no extension)
#   extension    0: no CREATE EXTENSION
sub new_node
{
	my (%args) = @_;
	$nodes++;
	my $node = PostgreSQL::Test::Cluster->new($args{name} // ($nodes == 1 ? 'main' : "node$nodes"));
	$node->init(@{ $args{init} // [] });
	my $preload = $args{preload} // 0;
	$preload = 'monitoring' if $preload eq '1';
	$node->append_conf('postgresql.conf', "shared_preload_libraries = '$preload'\n") if $preload;
	$node->append_conf('postgresql.conf', $args{conf}) if defined $args{conf};
	return $node unless $args{start} // 1;
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION monitoring') if $args{extension} // 1;
	return $node;
}

# A test in itself: runs $sql every 50 ms until its output is what is expected. Arguments:
#   expect    output to wait for (default 't')
#   what      the test's name (default: the SQL)
#   dbname    default postgres
#   timeout   seconds (default: PG_TEST_TIMEOUT_DEFAULT)
# On time-out the test fails with the last output and error. Returns whether it came.
sub wait_until
{
	my ($node, $sql, %args) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $expect = $args{expect} // 't';
	my $timeout = $args{timeout} // $PostgreSQL::Test::Utils::timeout_default;
	my $deadline = Time::HiRes::time() + $timeout;
	my ($out, $err) = ('', '');
	while (1)
	{
		# A server that is coming up refuses psql, which then may not read the statement: that dies.
		eval { $node->psql($args{dbname} // 'postgres', $sql, stdout => \$out, stderr => \$err); 1 }
		  or $err = $@;
		last if $out eq $expect || Time::HiRes::time() > $deadline;
		Time::HiRes::sleep(0.05);
	}
	return 1 if ok($out eq $expect, $args{what} // $sql);
	diag("after $timeout s still not what was waited for");
	diag("  query:    $sql");
	diag("  expected: $expect");
	diag("  last:     $out" . ($err eq '' ? '' : "\n  error:    $err"));
	return 0;
}

# The result of a query, tried again while the server is down or coming up; undef after the time.
sub patient_sql
{
	my ($node, $sql) = @_;
	my $deadline = Time::HiRes::time() + $PostgreSQL::Test::Utils::timeout_default;
	while (Time::HiRes::time() < $deadline)
	{
		my ($out, $err) = ('', '');
		# psql may be gone before it has read the statement; writing to it dies then.
		my $status = eval { $node->psql('postgres', $sql, stdout => \$out, stderr => \$err) };
		return $out if defined $status && $status == 0;
		Time::HiRes::sleep(0.02);
	}
	return;
}

# A test in itself: waits until the server's log matches after $offset (default: from its start).
# Returns the log's length, which is the offset for the next wait.
sub wait_for_log
{
	my ($node, $pattern, %args) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $timeout = $args{timeout} // $PostgreSQL::Test::Utils::timeout_default;
	my $deadline = Time::HiRes::time() + $timeout;
	my $log = '';
	while (1)
	{
		$log = slurp_file($node->logfile, $args{offset} // 0);
		last if $log =~ $pattern || Time::HiRes::time() > $deadline;
		Time::HiRes::sleep(0.05);
	}
	ok($log =~ $pattern, $args{what} // "the log has $pattern")
	  or diag("not in the log after $timeout s; its end:\n" . substr($log, -2000));
	return -s $node->logfile;
}

# A test in itself: waits until the process is gone.
sub backend_gone
{
	my ($pid, %args) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $timeout = $args{timeout} // $PostgreSQL::Test::Utils::timeout_default;
	my $deadline = Time::HiRes::time() + $timeout;
	Time::HiRes::sleep(0.02) while kill(0, $pid) && Time::HiRes::time() < $deadline;
	return ok(!kill(0, $pid), $args{what} // "process $pid is gone");
}

1;
