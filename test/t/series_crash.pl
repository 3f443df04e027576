# Samples written by two sessions and compacted by a third, while one of the three is killed in the middle,
# so that the server recovers: every acknowledged sample is there, none twice, none with another value.
# SERIES_CRASH_ROUNDS=30 goes on for longer.
use strict;
use warnings;

use IPC::Run;
use MonitoringTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();

my $rounds = $ENV{SERIES_CRASH_ROUNDS} // 6;
my $per_round = 300;
my $node = new_node(preload => 1, conf => "restart_after_crash = on\nlog_statement = none\n");

# A session that runs statements until one fails; what it prints grows in the string behind `out`.
sub session
{
	my ($name, @statements) = @_;
	my ($in, $out, $err) = (join(";\n", @statements) . ";\n", '', '');
	my %session = (out => \$out, err => \$err);
	local $ENV{PGAPPNAME} = $name;
	$session{run} = IPC::Run::start(
		[ 'psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres') ],
		'<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return \%session;
}

# Each sample's value is its number, and so is its time in seconds.
sub writer
{
	my ($name, $first) = @_;
	return session($name, map {
		"SELECT monitoring.ingest_samples('crash', '{\"writer\": \"$name\"}', "
		. "ARRAY[to_timestamp(1700000000 + $_)], '{$_}') * $_"
	} $first .. $first + $per_round - 1);
}

my %acknowledged = (one => 0, two => 0);
my ($kills, $moved) = (0, 0);
for my $round (1 .. $rounds)
{
	my %next = map { $_ => patient_sql($node, "SELECT coalesce(max(value), 0) + 1
		FROM monitoring.samples('crash{writer=\"$_\"}')") } keys %acknowledged;
	my %session = map { $_ => writer($_, $next{$_}) } keys %acknowledged;
	$session{mover} = session('mover',
		('SELECT monitoring_internal.compact_samples(at_once => true)') x (20 * $per_round));

	# In the middle: each of them has done something, and is still at it.
	my $wanted = 20 * $round % 100 + 5;
	my $deadline = Time::HiRes::time() + $PostgreSQL::Test::Utils::timeout_default;
	while (Time::HiRes::time() < $deadline)
	{
		$_->{run}->pump_nb foreach values %session;
		last if !grep { ($_->{out}->$* =~ tr/\n//) < $wanted } values %session;
		Time::HiRes::sleep(0.005);
	}
	my $victim = (qw(mover one two))[ $round % 3 ];
	my $pid = patient_sql($node, "SELECT pid FROM pg_stat_activity WHERE application_name = '$victim'");
	$kills += kill 9, $pid if $pid =~ /^\d+$/;
	foreach my $session (values %session)
	{
		eval { $session->{run}->finish; };
	}
	$moved += $_ foreach grep { /^\d+$/ } split /\n/, $session{mover}{out}->$*;
	foreach my $name (keys %acknowledged)
	{
		my @numbers = $session{$name}{out}->$* =~ /^(\d+)\n/mg;
		$acknowledged{$name} = $numbers[-1] if @numbers;
		my $found = patient_sql($node, "SELECT count(*) = count(DISTINCT \"timestamp\")
			AND count(*) = max(value) AND sum(value) = max(value) * (max(value) + 1) / 2
			AND max(value) BETWEEN $acknowledged{$name} AND $acknowledged{$name} + 1
			AND bool_and(\"timestamp\" = to_timestamp(1700000000 + value))
			FROM monitoring.samples('crash{writer=\"$name\"}')");
		is($found, 't', "round $round, $victim was killed: what $name wrote is there once");
	}
}
cmp_ok($kills, '>=', $rounds - 1, 'sessions were killed in the middle');
cmp_ok($moved, '>', 0, "samples were compacted meanwhile ($moved)");
is( $node->safe_psql('postgres', q(SELECT sum(samples) FROM monitoring.series WHERE metric_name = 'crash')),
	$node->safe_psql('postgres', q(SELECT count(*) FROM monitoring.samples('crash'))),
	'the series know how many samples they have');

done_testing();
