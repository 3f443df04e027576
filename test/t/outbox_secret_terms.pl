# Where a secret goes is looked at once more when it is sent: what was said of it since, what settings
# made of another secret say, and rows that no trigger has seen.
use strict;
use warnings;

use HttpReceiver;
use JSON::PP qw(encode_json);
use MonitoringTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $receiver = HttpReceiver->start;
my $node = new_node(preload => 1, conf => "monitoring.notification_timeout = '5s'\n");
my $here = '127.0.0.1:' . $receiver->port;

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub sql_as { return sql("SET ROLE $_[0]; $_[1]"); }

# SQL that makes a receiver of settings.
sub receiver
{
	my ($name, $kind, %settings) = @_;
	return "SELECT monitoring.create_receiver('$name', '$kind', '" . encode_json(\%settings) . "')";
}

sub outcome
{
	my ($name, $status) = @_;
	my $id = sql("SELECT monitoring.send_test_alert('$name')");
	wait_until($node, "SELECT status FROM monitoring.notifications WHERE id = $id", expect => $status,
		what => "$name is $status");
	my $error = sql("SELECT last_error FROM monitoring.notifications WHERE id = $id");
	sql('DELETE FROM monitoring.notifications');
	return $error;
}

sql(q(CREATE ROLE setter LOGIN; CREATE ROLE thief LOGIN;
	SELECT monitoring.grant_access('setter', 'operator'), monitoring.grant_access('thief', 'operator')));
sql_as('setter', q(SELECT monitoring.set_secret('victim', 'v1ctim-token')));
sql_as('thief', 'SELECT monitoring.set_secret(\'my-url\', \'' . $receiver->url('/stolen') . '\')');

# The thief's own secret says where to: his own goes there, the other one does not.
sql_as('thief', q(SELECT monitoring.create_receiver('own', 'webhook', '{"url": {"secret": "my-url"}}'),
	monitoring.create_receiver('steal', 'webhook',
		'{"url": {"secret": "my-url"}, "headers": {"X-A": {"secret": "victim"}}}')));
outcome('own', 'sent');
like(outcome('steal', 'retrying'), qr/secret "victim" may not be sent to host "127\.0\.0\.1"/, 'a URL that is a secret');

# A receiver from before the secret was stored.
sql_as('thief', receiver('early', 'webhook', url => $receiver->url('/stolen'), bearer_token => { secret => 'late' }));
sql_as('setter', q(SELECT monitoring.set_secret('late', 'l4te-token')));
like(outcome('early', 'retrying'), qr/secret "late" may not be sent/, 'a receiver that waited for the secret');

# Rows that the trigger has not seen.
my $stolen = $receiver->url('/stolen');
sql(qq{ALTER TABLE monitoring.receivers DISABLE TRIGGER check_settings; ALTER TABLE monitoring.probes DISABLE TRIGGER check_probe;
	INSERT INTO monitoring.receivers (receiver_name, kind, settings, send_resolved, set_by)
	VALUES ('gone', 'pagerduty', '{"url": "$stolen", "routing_key": {"secret": "victim"}}', true, 'was_never_a_role');
	INSERT INTO monitoring.probes (probe_name, url, headers, set_by)
	VALUES ('gone', '$stolen', '{"Authorization": {"secret": "victim"}}', 'was_never_a_role');
	ALTER TABLE monitoring.receivers ENABLE TRIGGER check_settings; ALTER TABLE monitoring.probes ENABLE TRIGGER check_probe});
like(outcome('gone', 'retrying'), qr/secret "victim" may not be sent/, 'a role that is not there is trusted with nothing');
sql(q(UPDATE monitoring.probes SET every = '1 hour'));
wait_until($node, q(SELECT error FROM monitoring.probe_state WHERE probe_name = 'gone'),
	expect => qq(secret "victim" may not be sent to host "127.0.0.1", port @{[ $receiver->port ]}), what => 'nor is a probe of it');

# By whoever has stored it, and by who may read it; then with a list.
for my $maker ('setter', sql('SELECT current_user'))
{
	sql_as($maker, receiver("of $maker", 'webhook', url => $receiver->url("/of-$maker"), bearer_token => { secret => 'victim' }));
	outcome("of $maker", 'sent');
	my ($request) = $receiver->wait_for_requests(1, path => "/of-$maker");
	is($request->{headers}{authorization}, 'Bearer v1ctim-token', "$maker sends it");
}
sql_as('setter', q(SELECT monitoring.set_secret('victim', 'v1ctim-token', '{webhook}', '{hooks.example.com}')));
like(outcome('of setter', 'retrying'), qr/may not be sent to host/, 'a list holds for whoever wrote it');
sql_as('setter', qq(SELECT monitoring.set_secret('victim', 'v1ctim-token', '{slack}', '{$here}')));
like(outcome('of setter', 'retrying'), qr/may not be sent by kind "webhook"/, 'so does one of kinds');
is(scalar(grep { "@{[ %{ $_->{headers} } ]}" =~ /v1ctim|l4te/ } $receiver->requests(path => '/stolen')), 0, 'none was stolen');
sql_as('setter', qq(SELECT monitoring.set_secret('victim', 'v1ctim-token', NULL, '{$here}')));
outcome('steal', 'sent');
pass('and one that allows it lets everybody send it there');

$node->stop;
done_testing();
