# kill -9 of the courier, kill -9 of the worker, and an immediate shutdown, each twenty times during a
# stream of notifications: every one is delivered at least once, in the order of its group, and a
# receiver that hangs holds up nobody.
use strict;
use warnings;

use HttpReceiver;
use JSON::PP qw(decode_json encode_json);
use MonitoringTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();

my $crashes = 20;
my $per_crash = 20;
my $groups = 10;

my $receiver = HttpReceiver->start(
	script => { '/stream' => [ { delay_ms => 20 } ], '/hangs' => [ { hang => 1 } ] });
my $node = new_node(
	preload => 1,
	conf => "restart_after_crash = on\nlog_statement = none\nmonitoring.health_check_interval = '1h'\n");

my %timeout_ms = (stream => 60_000, hangs => 1000);
for my $name (sort keys %timeout_ms)
{
	my $settings = encode_json({ url => $receiver->url("/$name"), timeout_ms => $timeout_ms{$name} });
	$node->safe_psql('postgres', "SELECT monitoring.create_receiver('$name', 'webhook', '$settings')");
}

# Queues the notifications of these numbers that are not there yet: a crash may come before or after
# the commit. In their order, which is what the order of their delivery is held against: from PostgreSQL
# 16 on an anti-join may be a right one, whose rows come in the order of a hash table.
sub queue_numbers
{
	my ($from, $to) = @_;
	return defined patient_sql($node, <<~"SQL");
		SELECT count(monitoring_internal.queue_notification('stream', 'g' || n % $groups,
		  jsonb_build_object('alerts', jsonb_build_array(jsonb_build_object('labels',
		    jsonb_build_object('alertname', 'N', 'number', n::text, 'group', (n % $groups)::text))))))
		FROM (SELECT n FROM generate_series($from, $to) n
		  WHERE NOT EXISTS (SELECT FROM monitoring.notifications x
		    WHERE x.payload #>> '{alerts,0,labels,number}' = n::text)
		  ORDER BY n) AS missing
		SQL
}

sub kill_process
{
	my ($role) = @_;
	my $query = "SELECT coalesce(max(pid), 0) FROM monitoring.worker_status WHERE role = '$role'";
	my $deadline = Time::HiRes::time() + $PostgreSQL::Test::Utils::timeout_default;
	while (Time::HiRes::time() < $deadline)
	{
		my $pid = patient_sql($node, $query);
		return kill('KILL', $pid) if $pid;
		Time::HiRes::sleep(0.02);
	}
	return 0;
}

my %crash = (
	'1 kill -9 of the courier' => sub { return kill_process('courier'); },
	'2 kill -9 of the worker' => sub { return kill_process('worker'); },
	'3 immediate shutdown' => sub { $node->stop('immediate'); $node->start; return 1; });
my $queued = 0;

$node->safe_psql('postgres', q(SELECT monitoring.send_test_alert('hangs') FROM generate_series(1, 5)));
for my $way (sort keys %crash)
{
	my ($crashed, $missed) = (0, 0);
	for (1 .. $crashes)
	{
		$missed++ unless queue_numbers($queued + 1, $queued + $per_crash);
		$queued += $per_crash;
		$crashed += $crash{$way}->();
	}
	is("$crashed $missed", "$crashes 0", "$way, $crashes times while notifications were queued");
	wait_until($node,
		q(SELECT count(*) FROM monitoring.notifications WHERE receiver = 'stream' AND status = 'sent'),
		expect => $queued, what => "$way: all $queued are sent in the end");

	my (%times, %last, @disorder);
	for my $request (grep { $_->{path} eq '/stream' } $receiver->requests)
	{
		my $labels = decode_json($request->{body})->{commonLabels};
		$times{ $labels->{number} }++;
		my $last = $last{ $labels->{group} } // 0;
		push @disorder, "$labels->{number} after $last" if $labels->{number} < $last;
		$last{ $labels->{group} } = $labels->{number};
	}
	is(scalar keys %times, $queued, "$way: each was delivered at least once");
	is_deeply(\@disorder, [], "$way: in the order of its group");
	my $duplicates = 0;
	$duplicates += $_ - 1 for values %times;
	diag("$way: $duplicates of $queued so far were delivered twice");
}

is($node->safe_psql('postgres',
		q(SELECT count(*) FROM monitoring.notifications WHERE receiver = 'hangs' AND status = 'sent')),
	0, 'the receiver that hangs has held up nobody');
wait_until($node, q(SELECT count(*) > 0 FROM monitoring.notification_attempts a
	JOIN monitoring.notifications n ON n.id = a.notification_id WHERE n.receiver = 'hangs'),
	what => 'and has its attempts on record');

is(patient_sql($node, 'SELECT * FROM monitoring.check_invariants() WHERE NOT ok'), '', 'all invariants hold');

$node->stop;
done_testing();
