# Alert rules in the worker: a slow rule delays nobody, a hostile one reaches nothing, a crash loses
# nothing, and what does not change is not written.
use strict;
use warnings;

use List::Util qw(min);
use MonitoringTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node(preload => 1, extension => 1, conf => "restart_after_crash = on\n");
my $worker_pid = q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'monitoring worker');

sub state_of
{
	my ($rule) = @_;
	return "SELECT state FROM monitoring.alerts WHERE rule_name = '$rule' AND origin = 'element'";
}

$node->safe_psql('postgres', q{
	CREATE ROLE app LOGIN;
	SELECT monitoring.grant_access('app', 'operator');
	CREATE SCHEMA app AUTHORIZATION app;
	SET ROLE app;
	SET search_path = app;
	CREATE TABLE switch (is_on boolean);
	INSERT INTO switch VALUES (true);
	CREATE FUNCTION harm() RETURNS int LANGUAGE sql AS 'SELECT 1';
	SELECT monitoring.create_alert('fast', 'SELECT 1 AS value FROM switch WHERE is_on',
		evaluate_every => '1 second');
	SELECT monitoring.create_alert('waiting', 'SELECT 1 AS value FROM switch',
		evaluate_every => '1 second', for_duration => '1 day');
	SELECT monitoring.create_alert('harmful', 'SELECT harm() AS value', group_name => 'a',
		evaluate_every => '1 second', timeout => '1 second')});
wait_until($node, state_of('fast'), expect => 'firing', what => 'a rule fires');
wait_until($node, state_of('waiting'), expect => 'pending', what => 'another one waits');

# A rule that sleeps ends after its timeout; the rule after it is not late by more than that.
$node->safe_psql('postgres', q{SET ROLE app; CREATE OR REPLACE FUNCTION app.harm() RETURNS int
	LANGUAGE sql AS 'SELECT 1 FROM pg_sleep(60)'});
wait_until($node, q{SELECT message FROM monitoring.alert_rule_errors WHERE rule_name = 'harmful'},
	expect => 'timed out after 1000 ms', what => 'a rule that sleeps times out');
is($node->safe_psql('postgres', q{SELECT state, severity FROM monitoring.alerts
	WHERE labels @> '{"alertname": "RuleEvaluationFailed", "rule_name": "harmful"}'}),
	'firing|warning', 'which is an alert');
my @late;
for my $state (qw(resolved firing resolved firing))
{
	my $at = $node->safe_psql('postgres', 'SELECT clock_timestamp();
		UPDATE app.switch SET is_on = NOT is_on');
	wait_until($node, state_of('fast'), expect => $state, what => "the other rule: $state");
	push @late, $node->safe_psql('postgres', "SELECT extract(epoch FROM at - '$at')
		FROM monitoring.alert_history WHERE rule_name = 'fast' ORDER BY id DESC LIMIT 1");
}
# Its own second, the second that the other one takes, and as much for a machine that is busy all the
# time; one that is busier now and then shows in some of them only.
cmp_ok(min(@late), '<', 6, 'after ' . join(', ', @late) . ' s');
is($node->safe_psql('postgres', q{SELECT count(*) FROM monitoring.worker_issues
	WHERE worker_name = 'alert rule/harmful'}), '1', 'the error is recorded once');

# Session locks do not stay behind, nor does the worker die of its rules.
my $pid = $node->safe_psql('postgres', $worker_pid);
$node->safe_psql('postgres', q{SET ROLE app; CREATE OR REPLACE FUNCTION app.harm() RETURNS int
	LANGUAGE sql AS 'SELECT 1 FROM pg_advisory_lock(4711)'});
wait_until($node, q{SELECT count(*) FROM monitoring.alert_rule_errors}, expect => '0',
	what => 'a rule that takes a session lock succeeds');
wait_until($node, q{SELECT pg_try_advisory_lock(4711)}, expect => 't',
	what => 'and the lock is free afterwards');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
	AND pid IN (} . $worker_pid . ')'), '0', 'the worker holds none');
$node->safe_psql('postgres', "SET ROLE app; CREATE OR REPLACE FUNCTION app.harm() RETURNS int
	LANGUAGE sql AS \$\$ SELECT 1 FROM pg_terminate_backend($pid) \$\$");
# Version 16 found other words for it.
my $refused = '^(must be a superuser to terminate superuser process|permission denied to terminate process)$';
wait_until($node, "SELECT message ~ '$refused' FROM monitoring.alert_rule_errors", expect => 't',
	what => 'a rule cannot end the worker');
is($node->safe_psql('postgres', $worker_pid), $pid, 'it is still the same');
my ($status, $out, $err) = $node->psql('postgres', "SET ROLE app; SELECT pg_terminate_backend($pid)");
like($err, qr/must be a superuser|permission denied to terminate process/, 'nor can its owner');

# More slow rules than fit into one transaction of the worker: their pass goes on in the next ones, and
# whoever comes after them has his turn. In one transaction it would be cancelled again and again.
$node->append_conf('postgresql.conf', "monitoring.duty_timeout = '8s'\n");
$node->reload;
$node->safe_psql('postgres', q{SET ROLE app;
	CREATE OR REPLACE FUNCTION app.harm() RETURNS int LANGUAGE sql AS 'SELECT 1';
	SELECT monitoring.create_alert('slow' || i, 'SELECT harm() AS value', group_name => 'b',
		evaluate_every => '1 second', timeout => '2 seconds') FROM generate_series(1, 5) AS i;
	SELECT monitoring.create_alert('after all', 'SELECT 1 AS value FROM app.switch', group_name => 'c',
		evaluate_every => '1 second');
	CREATE OR REPLACE FUNCTION app.harm() RETURNS int LANGUAGE sql AS 'SELECT 1 FROM pg_sleep(60)'});
wait_until($node, state_of('after all'), expect => 'firing', what => 'a rule behind five that sleep fires');
wait_until($node, q{SELECT count(*) FROM monitoring.alert_rule_errors WHERE message = 'timed out after 2000 ms'},
	expect => '5', what => 'each of which has timed out');
is($node->safe_psql('postgres', q{SELECT count(*) FROM monitoring.worker_issues
	WHERE worker_name = 'monitoring worker' AND issue_type = 'alerts' AND message LIKE '%duty_timeout%'}), '0',
	'and no pass was cancelled');
$node->safe_psql('postgres', q{DELETE FROM monitoring.alert_rules WHERE rule_name ~ '^(slow|after)';
	CREATE OR REPLACE FUNCTION app.harm() RETURNS int LANGUAGE sql AS 'SELECT 1'});

# The state is in rows: a crash neither loses an alert, nor fires one again, nor restarts a `for`.
my $alerts = q{SELECT id, rule_name, state, active_at, fired_at, generation FROM monitoring.alerts
	WHERE rule_name IN ('fast', 'waiting') ORDER BY id};
my $before = $node->safe_psql('postgres', $alerts);
$node->stop('immediate');
$node->start;
wait_until($node, "SELECT count(*) FROM ($worker_pid) AS w", expect => '1', what => 'the worker is back');
wait_until($node, 'SELECT last_evaluated_at > pg_postmaster_start_time() FROM monitoring_internal.alert_progress',
	expect => 't', what => 'and evaluates', timeout => 180);
is($node->safe_psql('postgres', $alerts), $before, 'the alerts are as they were');
is($node->safe_psql('postgres', q{SELECT count(*) FROM monitoring.alert_history
	WHERE rule_name = 'waiting'}), '1', 'and nothing has happened to them');

# What 1,000 rules write: nothing while nothing changes, the value once a minute.
$node->safe_psql('postgres', q{SELECT monitoring.pause_worker(); DELETE FROM monitoring.alert_rules;
	SET ROLE app;
	SELECT monitoring.create_alert('r' || i, CASE WHEN i % 2 = 0 THEN 'SELECT 1 AS value'
		ELSE 'SELECT extract(epoch FROM $1) AS value' END) FROM generate_series(1, 1000) AS i});
sub wal_of_pass
{
	my ($at) = @_;
	my $wal = $node->safe_psql('postgres', "CREATE TEMP TABLE before AS SELECT
			pg_current_wal_insert_lsn() AS lsn;
		UPDATE before SET lsn = pg_current_wal_insert_lsn();
		SELECT monitoring.evaluate_alerts('$at');
		SELECT pg_current_wal_insert_lsn() - lsn FROM before");
	my ($transitions, $bytes) = split /\n/, $wal;
	note("a pass at $at: $transitions transitions, $bytes bytes of WAL");
	return ($transitions, $bytes);
}
my ($transitions, $first) = wal_of_pass('2100-01-01 00:00:00');
cmp_ok($transitions, '>=', 1000, '1,000 rules fire');
($transitions, my $unchanged) = wal_of_pass('2100-01-01 00:00:59');
is($transitions, 0, 'and then nothing changes');
cmp_ok($unchanged, '<', 8192, 'which writes next to nothing');
($transitions, my $values) = wal_of_pass('2100-01-01 00:01:00');
cmp_ok($values, '>', 500 * 50, 'changed values are written a minute later');
is($node->safe_psql('postgres', q{SELECT count(*) FROM monitoring.alerts
	WHERE written_at = '2100-01-01 00:01:00'}), '500', 'and only these');

done_testing();
