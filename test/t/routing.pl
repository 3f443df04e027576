# From a rule to its receivers through worker and courier: grouped, escalated, acknowledged,
# resolved, across a crash; and what the trail says of it.
use strict;
use warnings;

use HttpReceiver;
use JSON::PP qw(decode_json);
use MonitoringTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $receiver = HttpReceiver->start(script => { '/ops' => [ { status => 503 }, {} ] });
my $node = new_node(preload => 1,
	conf => "monitoring.health_check_interval = '1h'\nmonitoring.allow_superuser_rules = on\n");

sub sql { return $node->safe_psql('postgres', $_[0]); }

# "firing a, resolved b" for each notification that a receiver has got.
sub heard
{
	my ($path) = @_;
	my @lines;
	foreach my $request ($receiver->requests(path => $path))
	{
		my $body = decode_json($request->{body});
		push @lines, join ', ',
		  map { "$_->{status} $_->{labels}{host}" }
		  sort { $a->{labels}{host} cmp $b->{labels}{host} } @{ $body->{alerts} };
	}
	return @lines;
}

sub create
{
	my ($name, $send_resolved) = @_;
	my $url = $receiver->url("/$name");
	sql("SELECT monitoring.create_receiver('$name', 'webhook', jsonb_build_object('url', '$url'), $send_resolved)");
	return;
}

create('ops', 'true');
create('cto', 'false');
sql(q{CREATE TABLE hosts (host text PRIMARY KEY, load float8);
	INSERT INTO hosts VALUES ('a', 9), ('b', 8), ('c', 1);
	SELECT monitoring.create_route('ops', parent => NULL, group_by => '{alertname}',
		group_wait => '1 second', group_interval => '2 seconds');
	SELECT monitoring.create_escalation('unheard', '[{"after": "3 seconds", "receiver": "cto"}]');});

# Without a rule nothing is told.
is(sql('SELECT count(*) FROM monitoring.notifications'), '0', 'nothing is queued before a rule is there');
sql(q{SELECT monitoring.create_alert('HighLoad', 'SELECT host, load AS value FROM hosts WHERE load > 5',
	'critical', evaluate_every => '1 second')});

# Both hosts in one notification, sent again after the receiver has failed.
$receiver->wait_for_requests(2, path => '/ops');
is_deeply([ (heard('/ops'))[ 0, 1 ] ], [ ('firing a, firing b') x 2 ],
	'the alerts of a group are told together, and again after an answer of 503');

# Nobody acknowledges: each alert goes to the CTO.
$receiver->wait_for_requests(2, path => '/cto');
is_deeply([ sort(heard('/cto')) ], [ 'firing a', 'firing b' ], 'each alert escalates on its own');

# The server crashes; what was told is not told again, and the resolution arrives.
wait_until($node, q(SELECT count(*) FROM monitoring.notifications WHERE status <> 'sent'),
	expect => '0', what => 'all of that is recorded');
$node->stop('immediate');
$node->start;
sql(q{UPDATE hosts SET load = 0 WHERE host = 'b'});
$receiver->wait_for_requests(3, path => '/cto');
is((heard('/cto'))[2], 'resolved b',
	'who was reached by escalation learns of the end, whatever send_resolved says');
wait_until($node, q(SELECT count(*) FROM monitoring.notification_decisions WHERE reason = 'new_resolved'),
	expect => '1', what => 'the group tells of it, too');
sql(q{DELETE FROM hosts WHERE host = 'a'});
wait_until($node, 'SELECT count(*) FROM monitoring.alert_groups', expect => '0', what => 'the group is gone');
wait_until($node, q(SELECT count(*) FROM monitoring.notifications WHERE status <> 'sent'),
	expect => '0', what => 'everything has been sent');
is((heard('/ops'))[-1], 'resolved a', 'the last notification says that all is over');
is(sql(q{SELECT count(*) FROM monitoring.alert_history WHERE to_state = 'firing'}), '2',
	'the crash has fired nothing again');

# Who was told what, with which answer.
is(sql(q{SELECT string_agg(reason || ' ' || coalesce(http_status::text, '-'), ', ' ORDER BY decided_at, attempt)
	FROM monitoring.notification_trail WHERE receiver = 'ops'}),
	'first 503, first 200, new_resolved 200, all_resolved 200',
	'the trail says who was told, why, and how it was taken');

# An acknowledged alert does not escalate; a silenced one is not told of at all.
sql(q{UPDATE monitoring.escalations SET steps = '[{"after": "4 seconds", "receiver": "cto"}]';
	SELECT monitoring.silence('{host=d}', '1 hour', 'being repaired');
	INSERT INTO hosts VALUES ('c1', 9), ('d', 9);});
wait_until($node, q(SELECT count(*) FROM monitoring.alerts WHERE state = 'firing'),
	expect => '2', what => 'two new alerts fire');
sql(q{SELECT monitoring.acknowledge(fingerprint, 'mine') FROM monitoring.alerts WHERE labels ->> 'host' = 'c1'});
wait_until($node, q(SELECT count(*) FROM monitoring.notifications WHERE payload #>> '{alerts,0,labels,host}' = 'c1' AND status = 'sent'),
	expect => '1', what => 'the receiver is told of the one');
wait_until($node, q(SELECT bool_and(fired_at < clock_timestamp() - interval '16 seconds') FROM monitoring.alerts
	WHERE state = 'firing'), expect => 't', what => 'the time of escalation is well over');
is(scalar(heard('/cto')), 4, 'nothing escalates that is acknowledged or silenced');
is(sql(q{SELECT string_agg(silenced::text, ',' ORDER BY labels ->> 'host') FROM monitoring.alerts WHERE state = 'firing'}),
	'false,true', 'the alert says that it is silenced');

$receiver->stop;
$node->stop;
done_testing();
