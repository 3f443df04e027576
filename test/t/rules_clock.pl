# A pass at a wrong time, or a clock that was ahead: the worker goes on from the clock as it is, and
# alerts keep their state.
use strict;
use warnings;
use MonitoringTest;
use Test::More;

my $node = new_node(preload => 1,
    conf => "monitoring.allow_superuser_rules = on\nmonitoring.naptime = '1s'\n");
$node->safe_psql('postgres', q(
    SELECT monitoring.create_receiver('ops', 'log', '{}');
    SELECT monitoring.create_route('ops', parent => NULL, group_wait => '0', repeat_interval => '1 day');
    SELECT monitoring.create_alert('Fires', 'SELECT 1 AS value', evaluate_every => '1 second');
    SELECT monitoring.create_alert('Waits', 'SELECT 1 AS value', evaluate_every => '1 second',
        for_duration => '10 years');));
my $states = q(SELECT string_agg(rule_name || ' ' || state || ' ' || generation, ', ' ORDER BY rule_name)
    FROM monitoring.alerts);
my $settled = 'Fires firing 1, Waits pending 0';
wait_until($node, "SELECT ($states) = '$settled'", what => 'alerts are there');
my $since = $node->safe_psql('postgres', 'SELECT max(active_at), max(fired_at) FROM monitoring.alerts');

$node->safe_psql('postgres', q(SELECT monitoring.evaluate_alerts(now() + '1 year')));
wait_until($node, q(SELECT last_evaluated_at <= now() FROM monitoring_internal.alert_progress),
    what => 'the worker has taken up the time');
is($node->safe_psql('postgres', $states), $settled, 'alerts keep their state');
is($node->safe_psql('postgres', 'SELECT max(active_at), max(fired_at) FROM monitoring.alerts'), $since,
    'and since when they have it');
is($node->safe_psql('postgres', q(
    SELECT count(*) FROM (
        SELECT next_flush_at > now() + '1 hour' FROM monitoring.alert_groups
        UNION ALL SELECT sent_at > now() FROM monitoring.notification_log
        UNION ALL SELECT written_at > now() FROM monitoring.alerts
        UNION ALL SELECT next_attempt_at > now() + '1 hour' FROM monitoring.notifications) AS f(is_late)
    WHERE is_late)), 0, 'nothing waits for the year to pass');
is($node->safe_psql('postgres', q(
    SELECT count(*) FROM public.monitoring_events WHERE event_type = 'alerting_rebased')), 1,
    'the step is an event');

$node->safe_psql('postgres',
    q(SELECT monitoring.create_alert('New', 'SELECT 1 AS value', evaluate_every => '1 second')));
wait_until($node, q(SELECT EXISTS (SELECT FROM monitoring.alerts WHERE rule_name = 'New' AND state = 'firing')),
    what => 'rules are evaluated');
is($node->safe_psql('postgres', q(
    SELECT count(*) FROM monitoring.worker_issues WHERE resolved IS NOT TRUE)), 0, 'no duty has failed');

# A user's pass is still refused before the last one.
my ($code, $out, $error) = $node->psql('postgres', q(SELECT monitoring.evaluate_alerts('2020-01-01')));
like($error, qr/evaluated at a later time already/, 'a call cannot go back');
done_testing();
