# Alerts through rules, routes and groups to three receivers, while the courier is killed ten times and
# the server stopped immediately three times, each time with notifications under way: the last state of
# every group has reached every receiver. ALERT_CRASH_GROUPS=334 has 1,000 notifications under way.
use strict;
use warnings;

use HttpReceiver;
use JSON::PP qw(decode_json);
use MonitoringTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();

my $groups = $ENV{ALERT_CRASH_GROUPS} // 40;
my $concurrency = 16;
my @receivers = qw(a b c);
my $receiver = HttpReceiver->start(script => { map { ("/$_" => [ { delay_ms => 20 } ]) } @receivers });
my $node = new_node(preload => 1, conf => <<~"CONF");
	restart_after_crash = on
	log_statement = none
	monitoring.allow_superuser_rules = on
	monitoring.health_check_interval = '1h'
	monitoring.notification_timeout = '30s'
	monitoring.courier_concurrency = $concurrency
	monitoring.courier_destination_concurrency = $concurrency
	CONF

# Each group has a service of two hosts; a route to each receiver.
$node->safe_psql('postgres', qq(
	CREATE TABLE public.hosts (service text, host text, is_down boolean DEFAULT false, PRIMARY KEY (service, host));
	INSERT INTO public.hosts SELECT 's' || s, h FROM generate_series(1, $groups) AS s, unnest('{x,y}'::text[]) AS h;
	SELECT monitoring.create_receiver(name, 'webhook', jsonb_build_object('url', '@{[ $receiver->url('/') ]}' || name))
	FROM unnest('{a,b,c}'::text[]) AS name;
	SELECT monitoring.create_route(NULL, parent => NULL, group_by => '{service}', group_wait => '0',
		group_interval => '1 second', repeat_interval => '1 day');
	SELECT monitoring.create_route(name, continue_matching => true) FROM unnest('{a,b,c}'::text[]) AS name;
	SELECT monitoring.create_alert('HostDown', 'SELECT service, host, 1 AS value FROM public.hosts WHERE is_down',
		'critical', evaluate_every => '1 second')));

# Waits until the courier has requests under way; returns its process id and how much there is to send.
sub under_way
{
	my $deadline = Time::HiRes::time() + $PostgreSQL::Test::Utils::timeout_default;
	while (Time::HiRes::time() < $deadline)
	{
		my $found = patient_sql($node, q(SELECT leased_by || ' ' || (SELECT count(*) FROM monitoring.notifications
				WHERE status IN ('queued', 'sending', 'retrying'))
			FROM monitoring.notifications JOIN monitoring.worker_status ON pid = leased_by
			WHERE status = 'sending' AND role = 'courier' LIMIT 1));
		return split / /, $found if $found;
		Time::HiRes::sleep(0.01);
	}
	return (0, 0);
}

# One change of state after the other, and a crash in the middle of each.
my ($kills, $stops, $least, $most) = (0, 0, 1e9, 0);
for my $round (1 .. 13)
{
	patient_sql($node, "UPDATE public.hosts SET is_down = (hashtext(service || host) + $round) % 3 <> 0");
	my ($pid, $waiting) = under_way();
	$least = $waiting if $waiting < $least;
	$most = $waiting if $waiting > $most;
	if ($round % 4 == 0)
	{
		$node->stop('immediate');
		$node->start;
		$stops++;
		next;
	}
	$kills += kill 'KILL', $pid if $pid;
}
is("$kills $stops", '10 3', 'the courier was killed and the server stopped while it was sending');

# A last change: every second service is well, one host of each other one is down.
patient_sql($node, q(UPDATE public.hosts SET is_down = host = 'x' AND substr(service, 2)::integer % 2 = 0));
wait_until($node, qq(SELECT count(*) || ' ' || (SELECT count(*) FROM monitoring.alert_groups)
	FROM monitoring.alerts WHERE state = 'firing'), expect => int($groups / 2) . ' ' . int($groups / 2) * 3,
	what => 'the last state is known, and its groups');
wait_until($node, q(SELECT count(*) FROM monitoring.notifications WHERE status IN ('queued', 'sending', 'retrying', 'dead')),
	expect => '0', what => 'everything was sent');
wait_until($node, q(SELECT count(*) FROM monitoring.alert_groups AS g JOIN monitoring.alert_group_members AS m ON m.group_id = g.id
	JOIN monitoring.routes AS r ON r.id = g.route_id
	WHERE NOT EXISTS (SELECT FROM monitoring.notification_log AS l WHERE l.group_key = g.group_key
		AND l.receiver = r.receiver AND m.fingerprint = ANY (l.firing))), expect => '0', what => 'nothing is left to tell');
wait_until($node, q(SELECT count(*) FROM monitoring.notifications WHERE status IN ('queued', 'sending', 'retrying', 'dead')),
	expect => '0', what => 'and that was sent');

# What each receiver heard last of each service.
my $requests = 0;
for my $name (@receivers)
{
	my %last;
	for my $request ($receiver->requests(path => "/$name"))
	{
		my $body = decode_json($request->{body});
		my @down = sort map { $_->{labels}{host} } grep { $_->{status} eq 'firing' } @{ $body->{alerts} };
		$last{ $body->{groupLabels}{service} } = "$body->{status} @down";
		$requests++;
	}
	my @wrong = grep { ($last{"s$_"} // 'resolved ') ne ($_ % 2 == 0 ? 'firing x' : 'resolved ') } 1 .. $groups;
	is_deeply(\@wrong, [], "$name: what it heard last of each service is how it is");
	is(scalar(grep { exists $last{"s$_"} } 1 .. $groups), $groups, "$name: and it has heard of every service");
}

# A request that was under way at a crash is made again: no more than may be under way at once.
my $sent = patient_sql($node, q(SELECT count(*) FROM monitoring.notifications WHERE status = 'sent'));
my $attempts = patient_sql($node, 'SELECT count(*) FROM monitoring.notification_attempts');
is($attempts, $sent, 'each notification that was sent has one recorded attempt');
my $duplicates = $requests - $sent;
cmp_ok($duplicates, '>=', 0, 'no notification was lost');
cmp_ok($duplicates, '<=', 13 * 2 * $concurrency, 'the duplicates are what was under way at the crashes');
diag("$sent notifications of $groups groups to 3 receivers; between $least and $most waiting or under way at each of "
	. "13 crashes; $duplicates delivered twice, because a crash came between the answer and its record");
is(patient_sql($node, q(SELECT count(*) FROM (SELECT alert_id, generation FROM monitoring.alert_history WHERE to_state = 'firing'
	GROUP BY 1, 2 HAVING count(*) > 1) AS twice)), '0', 'and no crash has fired an alert twice');

is(patient_sql($node, 'SELECT * FROM monitoring.check_invariants() WHERE NOT ok'), '', 'all invariants hold');

$node->stop;
done_testing();
