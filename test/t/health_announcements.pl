# LISTEN monitoring_alerts: every change of an alert, of health and every delivery that is given up, small and
# at commit; nothing with the setting off, and nothing that a listener could hold up.
use strict;
use warnings;
use MonitoringTest;
use Test::More;

my $node = new_node(preload => 1, conf => "monitoring.allow_superuser_rules = on\n");
$node->safe_psql('postgres', 'SELECT monitoring.pause_worker()');

# The payloads that a listening session gets of these statements, in their order.
sub heard
{
	my ($sql) = @_;
	my $out = $node->safe_psql('postgres', "LISTEN monitoring_alerts;\n$sql;\nSELECT 1;");
	return $out =~ /notification "monitoring_alerts" with payload "(.*?)" received/g;
}

$node->safe_psql('postgres',
	q(CREATE TABLE sick (host text); SELECT monitoring.create_alert('Sick', 'SELECT host, 1 AS value FROM public.sick',
	  for_duration => '1 minute')));
my @pending = heard(q(INSERT INTO sick VALUES ('a'); SELECT monitoring.evaluate_alerts('2040-01-01 12:00Z')));
is(scalar @pending, 1, 'one change, one message');
like($pending[0], qr/"kind": "alert"/, 'it is of an alert');
like($pending[0], qr/"from": "inactive".*|.*"to": "pending"/, 'from what to what');
like($pending[0], qr/"host": "a"/, 'with its labels');
my @none = heard(q(SELECT monitoring.evaluate_alerts('2040-01-01 12:00:30Z')));
is(scalar @none, 0, 'no change, no message');
like((heard(q(SELECT monitoring.evaluate_alerts('2040-01-01 12:01Z'))))[0], qr/"to": "firing"/, 'it fires');
@none = heard(q(BEGIN; DELETE FROM sick; SELECT monitoring.evaluate_alerts('2040-01-01 12:02Z'); ROLLBACK));
is(scalar @none, 0, 'what is rolled back is not told');

# Labels of any size.
my @large = heard(q(INSERT INTO sick VALUES (repeat('x', 20000)); SELECT monitoring.evaluate_alerts('2040-01-01 12:03Z')));
is(scalar @large, 1, 'large labels are told, too');
like($large[0], qr/"truncated": true/, 'without them');
cmp_ok(length $large[0], '<', 8000, 'in little');
my @huge = heard(q(SELECT monitoring.create_alert(repeat('n', 2000), 'SELECT 1 AS value', severity => repeat('s', 7000));
	SELECT monitoring.evaluate_alerts('2040-01-01 12:04Z')));
my @short = grep { /"truncated": true/ && /"fingerprint"/ && !/"labels"|"severity"/ } @huge;
isnt(scalar @short, 0, 'of names that are too long the fingerprint is told');
is(scalar(grep { length > 8000 } @huge), 0, 'and no message is too large');

# Health, and deliveries.
$node->safe_psql('postgres', q(INSERT INTO monitoring.health_state (status, since) VALUES ('healthy', now())
	ON CONFLICT (only_row) DO UPDATE SET status = 'healthy'));
my @health = heard(q(UPDATE monitoring.health_state SET status = 'healthy', checked_at = now();
	UPDATE monitoring.health_state SET status = 'critical', since = now()));
is(scalar @health, 1, 'a look that finds the same is not told');
like($health[0], qr/"kind": "health"/, 'a change of health');
like($health[0], qr/"to": "critical"/, 'and to what');
my @dead = heard(q(SELECT monitoring.create_receiver('gone', 'webhook', '{"url": "http://127.0.0.1:1/"}');
	SELECT monitoring.send_test_alert('gone');
	UPDATE monitoring.notifications SET status = 'dead', last_error = 'given up' WHERE receiver = 'gone'));
is(scalar(grep { /"delivery_failed"/ && /"receiver": "gone"/ && /given up/ } @dead), 1, 'a delivery that is given up, once');

# Off.
$node->safe_psql('postgres', 'ALTER SYSTEM SET monitoring.announce_changes = off');
$node->reload;
wait_until($node, q(SELECT current_setting('monitoring.announce_changes') = 'off'), what => 'the setting is off');
@none = heard(q(DELETE FROM sick; SELECT monitoring.evaluate_alerts('2040-01-01 12:10Z')));
is(scalar @none, 0, 'nothing is told with the setting off');
is($node->safe_psql('postgres', q(SELECT count(*) > 0 FROM monitoring.alerts WHERE state = 'resolved')), 't', 'and the alerts go on');

done_testing();
