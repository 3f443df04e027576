# A standby that is promoted goes on where the primary was: what fires does not fire anew, what waits
# goes on waiting, silences, groups' timers and what was told hold. On a clock that is years ahead: the
# new primary's own worker would go back to its own, so a prepared transaction keeps it from looking.
use strict;
use warnings;

use MonitoringTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $primary = new_node(preload => 1, init => [ allows_streaming => 1 ],
	conf => "max_prepared_transactions = 1\nmonitoring.allow_superuser_rules = on\nmonitoring.health_check_interval = '1h'\n");
my $node = $primary;

sub sql { return $node->safe_psql('postgres', $_[0]); }

# A pass so many minutes after the beginning. What was queued counts as delivered.
sub evaluate_at
{
	my ($minutes) = @_;
	return sql("SELECT monitoring.evaluate_alerts('2051-01-01 00:00Z'::timestamptz + $minutes * interval '1 minute')");
}

# What was told so far, as "minute status alertname".
sub told
{
	return sql(q(SELECT string_agg(concat_ws(' ', extract(epoch FROM created_at - '2051-01-01 00:00Z') / 60.0,
		payload ->> 'status', payload #>> '{commonLabels,alertname}'), ', ' ORDER BY created_at, payload #>> '{commonLabels,alertname}')
		FROM (SELECT created_at, payload FROM monitoring.notifications WHERE created_at > '2050-01-01') AS n)) =~ s/\.0+(?= )//gr;
}

sql('SELECT monitoring.pause_worker()');
sql(q{CREATE TABLE public.switch (alertname text PRIMARY KEY, is_on boolean DEFAULT true);
	INSERT INTO public.switch VALUES ('Firing'), ('Waiting'), ('Silenced');
	SELECT monitoring.create_receiver('ops', 'webhook', '{"url": "http://127.0.0.1:9/"}');
	SELECT monitoring.create_route('ops', parent => NULL, group_by => '{alertname}', group_wait => '1 minute',
		group_interval => '5 minutes', repeat_interval => '1 hour');
	SELECT monitoring.create_alert(alertname, format('SELECT 1 AS value FROM public.switch WHERE is_on AND alertname = %L', alertname),
		for_duration => CASE alertname WHEN 'Waiting' THEN interval '30 minutes' ELSE '0' END, evaluate_every => '1 minute')
	FROM public.switch;
	INSERT INTO monitoring.silences (matchers, starts_at, ends_at, comment)
	VALUES ('{alertname=Silenced}', '2051-01-01 00:00Z', '2051-01-01 02:00Z', 'being repaired')});
# The outbox is looked at here, not sent.
sql(q{CREATE FUNCTION public.sent() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.status := ''sent''; RETURN NEW; END';
	CREATE TRIGGER sent BEFORE INSERT ON monitoring.notifications FOR EACH ROW EXECUTE FUNCTION public.sent()});
evaluate_at(0);
evaluate_at(1);
is(told(), '1 firing Firing', 'the primary has told of what fires');
evaluate_at(3);

my $state = q(SELECT jsonb_pretty(jsonb_build_object(
	'alerts', (SELECT jsonb_agg(to_jsonb(a) ORDER BY id) FROM monitoring.alerts AS a),
	'history', (SELECT jsonb_agg(to_jsonb(h) ORDER BY id) FROM monitoring.alert_history AS h),
	'groups', (SELECT jsonb_agg(to_jsonb(g) ORDER BY id) FROM monitoring.alert_groups AS g),
	'log', (SELECT jsonb_agg(to_jsonb(l) ORDER BY group_key) FROM monitoring.notification_log AS l),
	'silences', (SELECT jsonb_agg(to_jsonb(s)) FROM monitoring.silences AS s),
	'progress', (SELECT jsonb_agg(to_jsonb(p)) FROM monitoring_internal.alert_progress AS p))));
my $before = sql($state);
sql(q(BEGIN; LOCK TABLE monitoring_internal.alert_progress IN EXCLUSIVE MODE; PREPARE TRANSACTION 'no pass'));
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));

$node = $standby;
is(sql($state), $before, 'the standby has all of it');
my ($status, $out, $err) = $standby->psql('postgres', 'SELECT monitoring.evaluate_alerts()');
like($err, qr/during recovery/, 'and evaluates nothing');
$primary->stop('immediate');
$standby->promote;
wait_until($standby, q(SELECT state FROM monitoring.worker_status WHERE role = 'worker'),
	expect => 'running', what => 'the worker comes with the promotion');
sql('SELECT monitoring.pause_worker()');
sql(q(ROLLBACK PREPARED 'no pass'));
is(sql($state), $before, 'the promotion has changed nothing');

is(evaluate_at(4), '0', 'nothing fires anew');
evaluate_at($_) for 6, 11;
is(told(), '1 firing Firing', 'nor is it told anew when the group is looked at');
evaluate_at($_) for 29, 30, 31;
is(told(), '1 firing Firing, 31 firing Waiting', 'what waits fires after its 30 minutes, not after 30 more, and is told a minute later');
is(sql(q(SELECT active_at = '2051-01-01 00:00Z' AND fired_at = '2051-01-01 00:30Z' FROM monitoring.alerts WHERE rule_name = 'Waiting')),
	't', 'counted from when it began');
evaluate_at(56);
is(told(), '1 firing Firing, 31 firing Waiting', 'a repeat is not due before 60 minutes');
evaluate_at($_) for 61, 66;
is(told(), '1 firing Firing, 31 firing Waiting, 61 firing Firing', 'but after them, once');
sql(q(UPDATE public.switch SET is_on = false WHERE alertname = 'Firing'));
evaluate_at(71);
like(told(), qr/, 71 resolved Firing$/, 'its end is told');
evaluate_at($_) for 116, 119;
unlike(told(), qr/Silenced/, 'the silence holds for as long as it was to');
evaluate_at(121);
like(told(), qr/, 121 firing Silenced$/, 'and no longer');

$standby->stop;
done_testing();
