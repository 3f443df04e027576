# The courier's comings and goings, secrets, the order within a group, and what is given up.
use strict;
use warnings;

use HttpReceiver;
use MonitoringTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();

my $receiver = HttpReceiver->start(
	script => {
		'/later' => [ { status => 429, headers => { 'Retry-After' => '4' } }, {} ],
		'/down' => [ { status => 500 } ],
		'/ordered' => [ { status => 503 }, {} ],
		'/hang' => [ { hang => 1 } ],
	});
my $node = new_node(preload => 1, conf => "monitoring.courier_idle_timeout = '1s'\nmonitoring.health_check_interval = '1h'\n");

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub create
{
	my ($name, $more) = @_;
	my $url = $receiver->url("/$name");
	sql("SELECT monitoring.create_receiver('$name', 'webhook', jsonb_build_object('url', '$url') || '"
		  . ($more // '{}') . "')");
	return;
}

sub ends_as
{
	my ($id, $status, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($node, "SELECT status FROM monitoring.notifications WHERE id = $id",
		expect => $status, what => $what);
}

my $couriers = q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'monitoring courier');
create($_) for qw(ops later down ordered);
# No time-out of its own ends its request.
create('hang', '{"timeout_ms": 600000}');

# It leaves when there is nothing to do and comes back when something is due.
my $id = sql(q(SELECT monitoring.send_test_alert('ops')));
ends_as($id, 'sent', 'sent');
wait_until($node, $couriers, expect => '0', what => 'an idle courier leaves');
$id = sql(q(SELECT monitoring.send_test_alert('later')));
ends_as($id, 'retrying', 'the receiver wants to be left alone for a while');
wait_until($node, $couriers, expect => '0', what => 'the courier does not wait for that');
ends_as($id, 'sent', 'another one comes when the time is over');
my @later = $receiver->wait_for_requests(2, path => '/later');
cmp_ok($later[1]{time} - $later[0]{time}, '>=', 3.9, 'not earlier');
cmp_ok($later[1]{time} - $later[0]{time}, '<', 30, 'and not with the next safety timer');

# Order: the second notification of a group waits for the first, that of another group does not.
my ($first, $second, $other) = split /\n/, sql(q(
	SELECT monitoring_internal.queue_notification('ordered', g, '{"alerts": [{"labels": {"a": "b"}}]}')
	FROM unnest(ARRAY['one', 'one', 'two']) g));
ends_as($second, 'sent', 'the second of a group is sent');
is(sql("SELECT status FROM monitoring.notifications WHERE id = $first"), 'sent', 'after the first');
is(sql("SELECT a.attempted_at < b.attempted_at
	FROM monitoring.notification_attempts a, monitoring.notification_attempts b
	WHERE a.notification_id = $first AND a.outcome = 'sent' AND b.notification_id = $second
	AND b.outcome = 'sent'"), 't', 'which had to be tried twice')
  or diag(sql('TABLE monitoring.notification_attempts'));
ends_as($other, 'sent', 'another group goes its own way');

# A disabled receiver's notifications wait; a removed one's are dead.
sql(q(UPDATE monitoring.receivers SET enabled = false WHERE receiver_name = 'ops'));
sql(q(INSERT INTO monitoring.notifications (receiver, kind, group_key, payload, created_at)
	VALUES ('ops', 'webhook', 'g', '{}', now())));
$id = sql(q(SELECT max(id) FROM monitoring.notifications));
my $marker = sql(q(SELECT monitoring.send_test_alert('ordered')));
ends_as($marker, 'sent', 'a courier has been there');
is(sql("SELECT status FROM monitoring.notifications WHERE id = $id"), 'queued', 'and has left it alone');
sql(q(UPDATE monitoring.receivers SET enabled = true WHERE receiver_name = 'ops'));
ends_as($id, 'sent', 'once it is enabled again, they go');
sql(q(UPDATE monitoring.receivers SET enabled = false WHERE receiver_name = 'ops'));
sql(q(INSERT INTO monitoring.notifications (receiver, kind, group_key, payload, created_at)
	VALUES ('ops', 'webhook', 'g', '{}', now())));
$id = sql(q(SELECT max(id) FROM monitoring.notifications));
sql(q(DELETE FROM monitoring.receivers WHERE receiver_name = 'ops'));
wait_until($node, $couriers, expect => '0', what => 'it leaves');
sql(q(SELECT monitoring.send_test_alert('ordered')));
ends_as($id, 'dead', "a removed receiver's notification is dead");
like(sql("SELECT last_error FROM monitoring.notifications WHERE id = $id"),
	qr/receiver does not exist/, 'and says why');
my $lost = q(SELECT count(*) FROM monitoring.worker_issues WHERE NOT resolved
	AND issue_type = 'notification_dead' AND details ->> 'receiver' = );
is(sql("$lost 'ops'"), 1, 'which is an issue');
is(sql(q(SELECT public.get_system_health() #>> '{worker_health,status}')), 'warning', 'that health warns of');
like(sql(q(SELECT public.get_system_health() #>> '{worker_health,reasons}')), qr/open_issues/, 'and says why');
sql(q(SELECT monitoring.resolve_worker_issue(id, 'removed on purpose') FROM monitoring.worker_issues
	WHERE issue_type = 'notification_dead'));
is(sql(q(SELECT public.get_system_health() #>> '{worker_health,status}')), 'healthy', 'until it is resolved');

# A row that a user has locked holds up neither the courier nor the others, and is sent once.
my $echo = { status => 400, body => 'you sent Bearer s3cr3t-t0ken-value, did you?' };
create('locked', '{"timeout_ms": 600000}');
$receiver->script({ '/locked' => [ { hold => 1 } ] });
$id = sql(q(SELECT monitoring.send_test_alert('locked')));
$receiver->wait_for_requests(1, path => '/locked', what => 'a request is in flight');
my $locker = $node->background_psql('postgres');
$locker->query_safe("BEGIN; SELECT FROM monitoring.notifications WHERE id = $id FOR UPDATE");
$receiver->script({ '/down' => [ { status => 500 } ] });
$other = sql(q(SELECT monitoring.send_test_alert('ordered')));
ends_as($other, 'sent', 'others are sent and recorded');
is(sql("SELECT status FROM monitoring.notifications WHERE id = $id"), 'sending', 'while the locked one waits');
$locker->query_safe('COMMIT');
$locker->quit;
ends_as($id, 'sent', 'it is recorded when the lock is gone');
is(scalar(grep { $_->{path} eq '/locked' } $receiver->requests), 1, 'and was sent once');

# Too old.
$id = sql(q(SELECT monitoring.send_test_alert('down')));
wait_until($node, "SELECT attempts > 1 FROM monitoring.notifications WHERE id = $id", what => 'it is tried again and again');
$node->append_conf('postgresql.conf', "monitoring.notification_max_age = '1s'\n");
$node->reload;
ends_as($id, 'dead', 'after notification_max_age it is given up');
like(sql("SELECT last_error FROM monitoring.notifications WHERE id = $id"),
	qr/given up.*500/, 'with the last error');
my $issues = q(SELECT count(*) FROM monitoring.worker_issues
	WHERE issue_type = 'notification_dead' AND details ->> 'receiver' = 'down' AND NOT resolved);
is(sql($issues), 1, 'which is an issue');
$node->append_conf('postgresql.conf', "monitoring.notification_max_age = '1d'\n");
$node->reload;
wait_until($node, 'SHOW monitoring.notification_max_age', expect => '1d', what => 'the server has the setting');
$receiver->script({ '/echo' => [$echo] });
$id = sql(q(SELECT monitoring.send_test_alert('down')));
ends_as($id, 'sent', 'the receiver is up again');
is(sql($issues), 0, 'which resolves it');

# Given up while it waits, without another attempt.
create('waiting');
sql(q(UPDATE monitoring.receivers SET enabled = false WHERE receiver_name = 'waiting'));
sql(q(INSERT INTO monitoring.notifications (receiver, kind, group_key, payload, created_at, queued_at)
	VALUES ('waiting', 'webhook', 'g', '{}', now(), now() - interval '2 days')));
wait_until($node, $couriers, expect => '0', what => 'it leaves');
sql(q(SELECT monitoring.send_test_alert('ordered')));
wait_until($node, q(SELECT status || ' ' || last_error FROM monitoring.notifications WHERE receiver = 'waiting'),
	expect => 'dead given up after monitoring.notification_max_age', what => 'what waits too long is given up');
is(sql("$lost 'waiting'"), 1, 'which is an issue, too');

# A time limit of the receiver's own.
create('hasty', '{"timeout_ms": 300}');
$receiver->script({ '/hasty' => [ { hang => 1 }, {} ], '/echo' => [$echo], '/hang' => [ { hang => 1 } ] });
$id = sql(q(SELECT monitoring.send_test_alert('hasty')));
ends_as($id, 'sent', 'an answer that comes too late is asked for again');
is(sql("SELECT reason || ' ' || (duration_ms BETWEEN 290 AND 8000) FROM monitoring.notification_attempts
	WHERE notification_id = $id AND attempt = 1"), 'contextDeadlineExceeded true', 'after timeout_ms');

# Secrets: added at send, and nowhere to be found but in their table.
create('echo', '{"bearer_token": {"secret": "token"}}');
$id = sql(q(SELECT monitoring.send_test_alert('echo')));
ends_as($id, 'retrying', 'a secret that is not set may yet be');
like(sql("SELECT last_error FROM monitoring.notifications WHERE id = $id"), qr/"token"/, 'its name is said');
sql(q(SELECT monitoring.set_secret('token', 's3cr3t-t0ken-value')));
ends_as($id, 'dead', 'once it is set, the request is made');
my ($request) = $receiver->wait_for_requests(1, path => '/echo');
is($request->{headers}{authorization}, 'Bearer s3cr3t-t0ken-value', 'with the secret');
is(sql("SELECT response FROM monitoring.notification_attempts WHERE notification_id = $id
	ORDER BY attempt DESC LIMIT 1"), 'you sent Bearer [secret], did you?', "an echo of it is blacked out");
is(sql(q(SELECT count(*) FROM (SELECT n::text FROM monitoring.notifications n UNION ALL
	SELECT a::text FROM monitoring.notification_attempts a UNION ALL
	SELECT r::text FROM monitoring.receivers r UNION ALL
	SELECT w::text FROM monitoring.worker_status w UNION ALL
	SELECT i::text FROM monitoring.worker_issues i) t (line) WHERE line LIKE '%s3cr3t' || '-t0ken%')),
	0, 'no table has it');
my ($dump, $err) = run_command([ 'pg_dump', $node->connstr('postgres') ]);
like($dump, qr/you sent Bearer/, 'a dump has the attempt');
unlike($dump, qr/s3cr3t-t0ken/, 'and not the secret');

# The server stops at once although a request is in flight.
$id = sql(q(SELECT monitoring.send_test_alert('hang')));
ends_as($id, 'sending', 'a request is in flight');
$receiver->wait_for_requests(1, path => '/hang');
my $started = Time::HiRes::time();
$node->stop('fast');
cmp_ok(Time::HiRes::time() - $started, '<', 60, 'the server does not wait for it');
$receiver->script({ '*' => [ {} ] });
$node->start;
ends_as($id, 'sent', 'its lease is taken over after the restart');

# DROP EXTENSION and DROP DATABASE do not wait for it either.
$receiver->script({ '/hang' => [ { hang => 1 } ] });
$node->safe_psql('postgres', 'CREATE DATABASE other');
my $url = $receiver->url('/hang');
for my $database (qw(postgres other))
{
	$node->safe_psql($database, q(CREATE EXTENSION IF NOT EXISTS monitoring));
	$node->safe_psql($database, "SELECT monitoring.create_receiver('hang2', 'webhook',
		jsonb_build_object('url', '$url', 'timeout_ms', 600000))");
	$node->safe_psql($database, q(SELECT monitoring.send_test_alert('hang2')));
	wait_until($node, q(SELECT status FROM monitoring.notifications WHERE receiver = 'hang2'),
		expect => 'sending', dbname => $database, what => "a request from $database is in flight");
}
for my $command ('DROP DATABASE other', 'DROP EXTENSION monitoring')
{
	$started = Time::HiRes::time();
	sql($command);
	# It would go on without the courier's leave after 10 s.
	cmp_ok(Time::HiRes::time() - $started, '<', 10, "$command makes it leave");
}
wait_until($node, $couriers, expect => '0', what => 'no courier is left');

my $log = slurp_file($node->logfile);
unlike($log, qr/^.*(courier).*(ERROR|FATAL|PANIC)/m, 'nothing went wrong in a courier')
  or diag(join "\n", grep { /courier/ } split /\n/, $log);
my @leaks = grep { /s3cr3t-t0ken/ && !/set_secret/ } split /\n/, $log;
is_deeply(\@leaks, [], "the log has the secret in set_secret's own statement only");
$node->stop;
done_testing();
