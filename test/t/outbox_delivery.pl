# Delivery by the real courier: rate limits, receivers that fail and recover, watchdogs.
use strict;
use warnings;

use HttpReceiver;
use JSON::PP qw(decode_json);
use MonitoringTest;
use Test::More;
use Time::HiRes ();

my %script = ('/pager' => [ { status => 404 }, {} ]);
my $receiver = HttpReceiver->start(script => \%script);
my $node = new_node(preload => 1, conf => "monitoring.health_check_interval = '1h'\n");

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub create
{
	my ($name, $settings) = @_;
	my $url = $receiver->url("/$name");
	sql("SELECT monitoring.create_receiver('$name', 'webhook',
		jsonb_build_object('url', '$url') || '$settings')");
	return;
}

# The names of the alerts that a receiver was told of, as "status name".
sub told
{
	my ($path) = @_;
	return map { my $alert = decode_json($_->{body})->{alerts}[0];
		"$alert->{status} $alert->{labels}{alertname}" } grep { $_->{path} eq $path } $receiver->requests;
}

# A limited receiver gets its burst and then its rate, each group in order; another one does not wait for it.
create('limited', '{"rate_limit": {"per_second": 1, "burst": 2}}');
create('free', '{}');
my $started = Time::HiRes::time();
sql(q(SELECT monitoring_internal.queue_notification('limited', 'group', jsonb_build_object('alerts',
	jsonb_build_array(jsonb_build_object('labels', jsonb_build_object('alertname', i::text)))))
	FROM generate_series(1, 6) AS i; SELECT monitoring.send_test_alert('free') FROM generate_series(1, 6)));
my @limited = $receiver->wait_for_requests(6, path => '/limited');
cmp_ok($limited[5]{time} - $started, '>=', 4, 'six at one a second after a burst of two take four seconds');
is_deeply([ told('/limited') ], [ map { "firing $_" } 1 .. 6 ], 'in the order in which they were queued');
my @free = $receiver->wait_for_requests(6, path => '/free');
cmp_ok($free[5]{time}, '<', $limited[5]{time}, 'another receiver is not held up');

# Why something waits shows, and a limit that is lifted lets it go.
create('slow', '{"rate_limit": {"per_hour": 1}}');
sql(q(SELECT monitoring.send_test_alert('slow') FROM generate_series(1, 2)));
$receiver->wait_for_requests(1, path => '/slow');
my $waits = q(SELECT waits_for, not_before > now() + interval '30 minutes'
	FROM monitoring.waiting_notifications WHERE receiver = 'slow');
wait_until($node, $waits, expect => 'rate_limit|t', what => 'the other one waits for its rate limit');
sql(q(UPDATE monitoring.receivers SET settings = settings || '{"rate_limit": false}' WHERE receiver_name = 'slow'));
$receiver->wait_for_requests(2, path => '/slow');
wait_until($node, q(SELECT count(*) FROM monitoring.waiting_notifications), expect => '0',
	what => 'without the limit it goes, and nothing waits');

# One that asks to be left alone is, also by what was leased for it already: it had been quick.
$node->append_conf('postgresql.conf', "monitoring.courier_destination_concurrency = 1\n");
$node->reload;
create('quick', '{}');
my $tests = q(SELECT count(monitoring_internal.queue_notification('quick', i::text, '{"alerts": [{"labels": {"alertname": "A"}}]}'))
	FROM generate_series(1, 60) AS i);
sql($tests);
$receiver->wait_for_requests(60, path => '/quick');
$receiver->script({ %script, '/quick' => [ ({}) x 10, { status => 429, headers => { 'Retry-After' => '2' } }, {} ] });
sql($tests);
my @quick = $receiver->wait_for_requests(121, path => '/quick');
cmp_ok($quick[71]{time} - $quick[70]{time}, '>=', 1.9, 'nothing more is sent after a Retry-After');
wait_until($node, q(SELECT count(*) FROM monitoring.notifications WHERE receiver = 'quick' AND status = 'sent'),
	expect => '120', what => 'and all of it later');
is(sql(q(SELECT count(*), max(attempts) FROM monitoring.notifications WHERE receiver = 'quick')), '120|2',
	'with one attempt more than there are notifications');
$node->append_conf('postgresql.conf', "monitoring.courier_destination_concurrency = 8\n");
$node->reload;

# A dead notification is an alert to another receiver, until the failed one takes something again.
create('pager', '{}');
create('ops', '{}');
sql(q(SELECT monitoring.create_route('ops', parent => NULL, group_wait => '0', group_interval => '1 second');
	SELECT monitoring.create_route('pager', '{severity=critical}');
	SELECT monitoring.send_test_alert('pager')));
my $pass = 'DO $$ BEGIN PERFORM monitoring.evaluate_alerts(); END $$;';
my $failed = $pass . q(SELECT state, labels ->> 'receiver', labels ->> 'kind',
	labels ->> 'reason' FROM monitoring.alerts WHERE rule_name = 'NotificationFailed');
wait_until($node, $failed, expect => 'firing|pager|webhook|clientError', what => 'a receiver failed');
$receiver->wait_for_requests(1, path => '/ops');
is_deeply([ told('/ops') ], ['firing NotificationFailed'], 'which another one is told');
sql(q(SELECT monitoring.send_test_alert('pager')));
wait_until($node, $failed, expect => 'resolved|pager|webhook|clientError', what => 'it has taken something again');
wait_until($node, $pass . q(SELECT count(*) FROM monitoring.notifications WHERE receiver = 'ops' AND status = 'sent'),
	expect => '2', what => 'and that is told');
is_deeply([ told('/ops') ], [ 'firing NotificationFailed', 'resolved NotificationFailed' ], 'to the other one');
is_deeply([ told('/pager') ], [ ('firing MonitoringTestAlert') x 2 ], 'and never to itself');

# A watchdog is pinged through rules, outbox and courier.
create('snitch', '{}');
sql(q(SELECT monitoring.create_watchdog('snitch', '1 second')));
$receiver->wait_for_requests(2, path => '/snitch');
is((told('/snitch'))[0], 'firing Watchdog', 'a watchdog is pinged');

$node->stop;
done_testing();
