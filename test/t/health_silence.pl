# Each fault injected: what health said, after how many seconds, and who was told. The table that
# comes of it is printed at the end.
use strict;
use warnings;

use Faults;
use HTTP::Tiny;
use MonitoringTest;
use PostgreSQL::Test::Cluster;
use Test::More;
use Time::HiRes ();

my $port = PostgreSQL::Test::Cluster::get_free_port();
my $faults = Faults->new;
my $node = new_node(preload => 1, start => 0, conf => <<"EOC");
monitoring.health_check_interval = '1s'
monitoring.collect_interval = '1s'
monitoring.queue_check_interval = '1s'
monitoring.naptime = '1s'
monitoring.record_ring_size = '1MB'
max_wal_senders = 2
wal_level = replica
monitoring.http_port = $port
EOC
$faults->start($node);
sub sql { my ($statement) = @_; return $node->safe_psql('postgres', $statement); }
sql(q(CREATE EXTENSION monitoring;
	SELECT monitoring.create_receiver('ops', 'log');
	SELECT monitoring.create_receiver('switch', 'log');
	SELECT monitoring.create_watchdog('switch', '1 hour');
	INSERT INTO monitoring.health_thresholds (check_name, warning) VALUES
		('receiver_failing_seconds', 1), ('replication_wait_seconds', 1), ('paused_seconds', 1),
		('dropped_records_seconds', 3)));

my @table;

# In words of health: by SQL, or, where the database cannot be asked, over HTTP.
my $by_sql = q(SELECT coalesce(string_agg(check_name || ': ' || reason, E'\n'), '') FROM monitoring.health_findings);
sub findings
{
	my ($by_http) = @_;
	if (!$by_http)
	{
		my $out = '';
		$node->psql('postgres', $by_sql, stdout => \$out);
		return $out;
	}
	my $health = HTTP::Tiny->new->get("http://127.0.0.1:$port/health")->{content};
	return join "\n", $health =~ /"((?:[a-z_]+): (?:[^"\\]|\\.)+)"/g;
}

sub wait_for_finding
{
	my ($pattern, $by_http, $absent) = @_;
	my $deadline = Time::HiRes::time() + $PostgreSQL::Test::Utils::timeout_default;
	while (Time::HiRes::time() < $deadline)
	{
		my ($line) = grep { /$pattern/ } split /\n/, findings($by_http);
		return $line // '' if $absent ? !defined $line : defined $line;
		Time::HiRes::sleep(0.1);
	}
	diag('health says instead: ' . findings($by_http));
	return;
}

# Arguments: inject, says (a pattern), by_http, told (whom), mend.
sub fault
{
	my ($name, %args) = @_;
	my $last = sql('SELECT coalesce(max(id), 0) FROM monitoring.notifications');
	my $from = Time::HiRes::time();
	$args{inject}->();
	my $said = wait_for_finding($args{says}, $args{by_http});
	my $seconds = Time::HiRes::time() - $from;
	ok(defined $said, "$name: health says so");
	my $told = 'nobody';
	my $who = qq(SELECT coalesce(string_agg(DISTINCT receiver, ', '), 'nobody')
		FROM monitoring.notifications WHERE id > $last AND group_key ~ 'SystemHealth');
	if (defined $args{told})
	{
		wait_until($node, $who, expect => $args{told}, what => "$name: $args{told} is told");
		$told = sql($who);
	}
	push @table, sprintf('%-24s | %-120s | %4.1f s | %s', $name, substr($said // '', 0, 120), $seconds, $told);
	$args{mend}->();
	ok(defined wait_for_finding($args{says}, $args{by_http}, 1), "$name: and nothing more when it is mended");
	wait_until($node, q(SELECT count(*) FROM monitoring_internal.health_told), expect => '0', what => "$name: and tells its end")
		if defined $args{told};
	return;
}

wait_until($node, q(SELECT status FROM monitoring.health_state), expect => 'healthy', what => 'all is healthy at first');

fault('worker paused', says => qr/^paused: the worker has been paused for/,
	inject => sub { sql('SELECT monitoring.pause_worker()') },
	mend => sub { sql('SELECT monitoring.resume_worker()') });

fault('worker paused, by HTTP', by_http => 1, says => qr/^paused: the worker has been paused for \d s/,
	inject => sub { sql('SELECT monitoring.pause_worker()') },
	mend => sub { sql('SELECT monitoring.resume_worker()') });

fault('collector late', says => qr/^collectors_late: 1 collectors have missed three of their runs: "late"/,
	inject => sub {
		sql(q(SELECT monitoring.pause_worker();
			UPDATE monitoring.instance SET activated_at = now() - interval '1 hour';
			CREATE ROLE lateness;
			INSERT INTO monitoring.collectors (collector_name, query, every, owner, created_at, next_run_at) VALUES
				('late', 'SELECT 1 AS value', '1 minute', 'lateness', now() - interval '1 day', now() - interval '5 minutes'),
				('not_yet_late', 'SELECT 1 AS value', '1 hour', 'lateness', now() - interval '1 day', now() - interval '5 minutes')));
	},
	mend => sub { sql('SELECT monitoring.resume_worker()'); });
sql(q(DELETE FROM monitoring.collectors; DROP ROLE lateness; CREATE TABLE mended AS SELECT clock_timestamp() AS at));
# On its way to its turn the worker may have told of it.
wait_until($node, q(SELECT status = 'healthy' AND checked_at > at AND NOT EXISTS (SELECT FROM monitoring_internal.health_told)
	FROM monitoring.health_state, mended), what => 'collector late: and all is healthy again');

fault('owner gone', says => qr/^owner_gone: .*"alert rule orphan of leaving"/, told => 'ops',
	inject => sub {
		sql(q(CREATE ROLE leaving; SELECT monitoring.create_alert('orphan', 'SELECT 1 AS value', owner => 'leaving');
			DROP ROLE leaving));
	},
	mend => sub { sql('DELETE FROM monitoring.alert_rules') });

fault('no connections allowed', by_http => 1, says => qr/^no_worker: the database does not accept connections/,
	inject => sub {
		$node->safe_psql('template1', q(ALTER DATABASE postgres ALLOW_CONNECTIONS false;
			SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'monitoring worker'));
	},
	mend => sub { $node->safe_psql('template1', 'ALTER DATABASE postgres ALLOW_CONNECTIONS true') });

fault('hanging query', says => qr/^stale: the worker has not looked at health for .* it has been busy with "collectors"/,
	inject => sub {
		sql(q(CREATE FUNCTION slow() RETURNS float8 LANGUAGE sql AS 'SELECT 1 FROM pg_sleep(5)';
			CREATE ROLE collecting;
			INSERT INTO monitoring.collectors (collector_name, query, every, timeout, owner, next_run_at)
			VALUES ('slow', 'SELECT public.slow() AS value', '1 hour', '1 minute', 'collecting', now())));
	},
	mend => sub { sql(q(DELETE FROM monitoring.collectors)) });

# Transactions that keep everybody else from the work, and do not end.
my $holder = $node->background_psql('postgres');
fault('evaluation held', says => qr/^duty_failing: "alerts" has failed for .*: a transaction that has called evaluate_alerts\(\) is still open/,
	told => 'ops',
	inject => sub { $holder->query_safe('BEGIN; SELECT monitoring.evaluate_alerts()') },
	mend => sub { $holder->query_safe('ROLLBACK') });
$holder->quit;

fault('bad row', says => qr/^open_issues: .*division by zero/, told => 'ops',
	inject => sub {
		sql(q(SELECT monitoring.create_alert('bad', 'SELECT 1 AS value', evaluate_every => '1 second', owner => 'collecting');
			UPDATE monitoring.alert_rules SET expr = 'SELECT 1 / (random() * 0)::integer AS value'));
	},
	mend => sub { sql('DELETE FROM monitoring.alert_rules') });

fault('receiver down', says => qr/^receiver_failing: receiver "down" has not taken a notification for \d+ s: /, told => 'down, ops',
	inject => sub {
		sql(q(SELECT monitoring.create_receiver('down', 'webhook', '{"url": "http://127.0.0.1:1/"}');
			SELECT monitoring.send_test_alert('down')));
	},
	mend => sub { sql(q(DELETE FROM monitoring.notifications WHERE receiver = 'down';
		DELETE FROM monitoring.receivers WHERE receiver_name = 'down')) });

fault('secret missing', says => qr/^missing_secret: secret "nowhere" of receiver "chat" is not set/, told => 'chat, ops',
	inject => sub { sql(q(SELECT monitoring.create_receiver('chat', 'slack', '{"url": {"secret": "nowhere"}}'))) },
	mend => sub { sql(q(DELETE FROM monitoring.notifications WHERE receiver = 'chat';
		DELETE FROM monitoring.receivers WHERE receiver_name = 'chat')) });

fault('receiver missing', says => qr/^missing_receiver: .*"gone"/, told => 'ops',
	inject => sub {
		sql(q(SELECT monitoring.create_receiver('gone', 'log'); SELECT monitoring.create_route('gone', '{never=so}');
			ALTER TABLE monitoring.receivers DISABLE TRIGGER keep_used;
			DELETE FROM monitoring.receivers WHERE receiver_name = 'gone'));
	},
	mend => sub { sql('DELETE FROM monitoring.routes; ALTER TABLE monitoring.receivers ENABLE TRIGGER keep_used') });

fault('alert reaches nobody', says => qr/^nobody_told: 1 firing alerts reach no receiver: "lost"/, told => 'ops',
	inject => sub { sql(q(SELECT monitoring.create_alert('lost', 'SELECT 1 AS value', owner => 'collecting', evaluate_every => '1 second'))) },
	mend => sub { sql('DELETE FROM monitoring.alert_rules') });

fault('critical alert', says => qr/^firing_critical: 1 critical alerts fire: "grave"/, told => 'ops',
	inject => sub {
		sql(q(SELECT monitoring.create_route('ops', parent => NULL, group_wait => '1 hour');
			SELECT monitoring.create_alert('grave', 'SELECT 1 AS value', severity => 'critical', owner => 'collecting', evaluate_every => '1 second')));
	},
	mend => sub { sql('DELETE FROM monitoring.alert_rules; DELETE FROM monitoring.routes') });

my $committing;
fault('standby gone', says => qr/^replication_wait: \d+ sessions wait for a synchronous standby/, told => 'ops',
	inject => sub {
		sql('CREATE TABLE work (a integer)');
		sql(q(ALTER SYSTEM SET synchronous_standby_names = 'nobody'));
		sql('SELECT pg_reload_conf()');
		$committing = $node->background_psql('postgres');
		$committing->query_until(qr/begun/, "\\echo begun\nINSERT INTO work VALUES (1);\n");
	},
	mend => sub {
		# Not by a session that would wait itself.
		sql('SET synchronous_commit = local; ALTER SYSTEM RESET synchronous_standby_names');
		sql('SELECT pg_reload_conf()');
		$committing->quit;
	});

fault('ring full', says => qr/^dropped_records: the record ring was full and has dropped measurements/, told => 'ops',
	inject => sub {
		sql('SELECT monitoring.pause_worker()');
		sql(q(SELECT monitoring.record_metric('flood', n) FROM generate_series(1, 30000) AS n));
		sql('SELECT monitoring.resume_worker()');
	},
	mend => sub { });

fault('disk full', by_http => 1, says => qr/^duty_failing: .*(?:extend|write|No space left)/,
	inject => sub {
		$faults->disk_full(1);
		sql(q(SELECT monitoring.record_metric('more', n, jsonb_build_object('n', n)) FROM generate_series(1, 5000) AS n));
	},
	mend => sub { $faults->disk_full(0) });
wait_until($node, q(SELECT count(*) FROM monitoring.pipeline_metrics WHERE metric_name = 'more'), expect => '5000',
	what => 'disk full: nothing recorded meanwhile is lost');

my $count = q(SELECT count(*) FROM monitoring.pipeline_metrics WHERE metric_name = 'db_size_bytes');
my $before;
fault('clock back by an hour', says => qr/^clock_behind: the clock is \d+ s behind/,
	inject => sub {
		sql(q(UPDATE monitoring_internal.alert_progress SET last_evaluated_at = now();
			INSERT INTO monitoring_internal.alert_progress (last_evaluated_at) SELECT now() WHERE NOT EXISTS (SELECT FROM monitoring_internal.alert_progress)));
		$before = sql($count);
		$faults->clock(-3600);
	},
	mend => sub {
		wait_until($node, "SELECT (checked_at < now() + interval '1 minute') FROM monitoring.health_state",
			what => 'clock back: health is looked at by the new clock');
		wait_until($node, "SELECT ($count) > $before + 1", what => 'clock back: the worker goes on collecting');
		my $id = sql(q(SELECT monitoring.send_test_alert('ops')));
		wait_until($node, "SELECT status FROM monitoring.notifications WHERE id = $id", expect => 'sent',
			what => 'clock back: the courier sends');
		my ($age) = HTTP::Tiny->new->get("http://127.0.0.1:$port/health")->{content} =~ /"age_seconds":([0-9.]+)/;
		cmp_ok($age, '<', 60, 'clock back: /health tells a true age');
		$faults->clock(0);
	});

$node->stop;

# More databases than processes: each has its turn.
my $crowded = new_node(preload => 1, conf => <<'EOC');
max_worker_processes = 8
monitoring.health_check_interval = '1s'
monitoring.naptime = '1s'
EOC
my @databases = map { "v$_" } 1 .. 7;
for my $database (@databases)
{
	$crowded->safe_psql('postgres', "CREATE DATABASE $database");
	$crowded->safe_psql($database, q(CREATE EXTENSION monitoring;
		SELECT monitoring.create_receiver('record', 'log')));
}
my $from = Time::HiRes::time();
wait_until($crowded, q(SELECT count(*) FROM monitoring.health_findings WHERE check_name = 'too_few_processes'),
	expect => '1', what => 'too few processes: health says so');
push @table, sprintf('%-24s | %-120s | %4.1f s | %s', 'more databases than processes',
	$crowded->safe_psql('postgres', q(SELECT check_name || ': ' || reason FROM monitoring.health_findings
		WHERE check_name = 'too_few_processes')), Time::HiRes::time() - $from, '-');
for my $database (@databases)
{
	wait_until($crowded, 'SELECT count(*) FROM monitoring.health_state WHERE checked_at IS NOT NULL', expect => '1',
		dbname => $database, what => "$database is looked at");
	$crowded->safe_psql($database, q(SELECT monitoring.send_test_alert('record')));
}
wait_until($crowded, q(SELECT count(*) > 0 AND bool_and(status = 'sent') FROM monitoring.notifications WHERE receiver = 'record'),
	dbname => $_, what => "$_ has a courier in its turn") for @databases;
$crowded->stop;

note(sprintf('%-24s | %-120s | %6s | %s', 'fault', 'what health said', 'after', 'who was told'));
note($_) for @table;
done_testing();
