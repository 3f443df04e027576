# SQL of others that does its worst: whatever carries it, it ends, it costs itself alone, and what
# cannot be stopped is named, left alone and in the end switched off.
use strict;
use warnings;

use IO::Socket::INET;
use IPC::Run ();
use MonitoringTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node(preload => 1, conf => <<'EOC');
monitoring.queue_check_interval = '1s'
monitoring.query_timeout = '1d'
monitoring.allow_superuser_rules = on
autovacuum = off
EOC

my @sqlstates = qw(57014 57P01 57P02 57P03 57P04 57000 40P01 40001 25P02 25006 53200 54001 XX000 XX001
  08006 22012 02000 P0001 P0002 F0000 58030 0A000);
my $states = join ', ', map { "'$_'" } @sqlstates;

$node->safe_psql('postgres', <<'EOQ');
DO $$ BEGIN IF to_regrole('postgres') IS NULL THEN CREATE ROLE postgres SUPERUSER; END IF; END $$;
CREATE ROLE bob LOGIN;
SELECT monitoring.grant_access('bob', 'operator');
CREATE SCHEMA bobs AUTHORIZATION bob;
SET ROLE bob;
CREATE FUNCTION bobs.sleeps() RETURNS int LANGUAGE plpgsql AS $$
BEGIN LOOP BEGIN PERFORM pg_catalog.pg_sleep(3600); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$;
CREATE FUNCTION bobs.spins() RETURNS int LANGUAGE plpgsql AS $$
BEGIN LOOP BEGIN LOOP END LOOP;
EXCEPTION WHEN query_canceled OR admin_shutdown OR OTHERS THEN NULL; END; END LOOP; END $$;
CREATE FUNCTION bobs.recovers() RETURNS int LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_catalog.pg_sleep(3600); RETURN 1; EXCEPTION WHEN query_canceled THEN RETURN 2; END $$;
CREATE FUNCTION bobs.raises(state text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION USING ERRCODE = state, MESSAGE = 'raised ' || state; END $$;
CREATE FUNCTION bobs.recurses() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN bobs.recurses(); END $$;
CREATE FUNCTION bobs.commits() RETURNS int LANGUAGE plpgsql AS $$ BEGIN COMMIT; RETURN 1; END $$;
CREATE FUNCTION bobs.sets() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_catalog.set_config('statement_timeout', '1', false), pg_catalog.set_config('lock_timeout', '0', false),
            pg_catalog.set_config('search_path', 'bobs', false);
    RETURN 1;
END $$;
CREATE FUNCTION bobs.writes() RETURNS int LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_catalog.set_config('transaction_read_only', 'off', true); RETURN 1; END $$;
CREATE FUNCTION bobs.becomes() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RESET ROLE; RETURN 1; END $$;
CREATE FUNCTION bobs.opens() RETURNS int LANGUAGE plpgsql AS $$
DECLARE c refcursor := 'left_open'; BEGIN OPEN c FOR SELECT 42; RETURN 1; END $$;
CREATE FUNCTION bobs.fetches() RETURNS int LANGUAGE plpgsql AS $$
DECLARE c refcursor := 'left_open'; n int; BEGIN FETCH c INTO n; RETURN n; END $$;
EOQ

# What a statement of another session raises, whatever it raises, costs the one that raised it.
my @bad = ((map { [ "raises_$_", "bobs.raises('$_')" ] } @sqlstates),
	map { [ $_, "bobs.$_()" ] } qw(recurses commits writes becomes recovers));
for my $bad (@bad)
{
	my ($name, $call) = @$bad;
	$call =~ s/'/''/g;
	$node->safe_psql('postgres', <<EOQ);
SET ROLE bob;
INSERT INTO monitoring.alert_rules (rule_name, expr, timeout, owner)
VALUES ('$name', 'SELECT $call AS value', '500 ms', 'bob');
INSERT INTO monitoring.collectors (collector_name, query, timeout, every, owner)
VALUES ('$name', 'SELECT $call AS value', '500 ms', '1 day', 'bob');
EOQ
	$call =~ s/''/'/g;
	$node->safe_psql('postgres', <<EOQ);
SET ROLE bob;
CREATE VIEW bobs.queue_$name AS SELECT 'pending' AS status, now() AS created_at WHERE $call = 1;
INSERT INTO monitoring.queues (queue_name, source, check_timeout, owner)
VALUES ('$name', 'bobs.queue_$name', '500 ms', 'bob');
EOQ
}
$node->safe_psql('postgres', <<'EOQ');
CREATE TABLE public.fine (status text, created_at timestamptz);
GRANT SELECT ON public.fine TO bob;
SET ROLE bob;
INSERT INTO monitoring.alert_rules (rule_name, expr, owner) VALUES ('zz_fine', 'SELECT 1 AS value', 'bob'),
	('sets', 'SELECT bobs.sets() AS value', 'bob'), ('zz_sets', 'SELECT 1 AS value', 'bob');
INSERT INTO monitoring.collectors (collector_name, query, every, owner)
VALUES ('zz_fine', 'SELECT 1 AS value', '1 second', 'bob');
INSERT INTO monitoring.queues (queue_name, source, owner) VALUES ('zz_fine', 'public.fine', 'bob');
EOQ
my $count = @bad;
wait_until($node, q(SELECT count(*) FROM monitoring.alert_rule_errors), expect => $count, what => 'each rule that raises fails');
is($node->safe_psql('postgres', q(SELECT string_agg(labels ->> 'alertname', ' ' ORDER BY labels ->> 'alertname' COLLATE "C") FROM monitoring.alerts
	WHERE state = 'firing' AND labels ->> 'alertname' <> 'RuleEvaluationFailed')), 'sets zz_fine zz_sets',
	'and the others are evaluated');
wait_until($node, q(SELECT count(*) FROM monitoring.collectors WHERE owner = 'bob' AND last_error IS NOT NULL),
	expect => $count, what => 'each collector that raises fails, in the worker');
wait_until($node, q(SELECT last_error IS NULL AND last_run_at IS NOT NULL FROM monitoring.collectors
	WHERE collector_name = 'zz_fine'), what => 'and the others run');
wait_until($node, q(SELECT count(*) FROM monitoring.queue_state WHERE last_error IS NOT NULL), expect => $count,
	what => 'each queue that raises fails');
wait_until($node, q(SELECT last_error IS NULL AND last_check_time IS NOT NULL FROM monitoring.queue_state
	WHERE queue_name = 'zz_fine'), what => 'and the others are looked at');
is($node->safe_psql('postgres', q(SELECT count(*) FROM monitoring.worker_issues WHERE worker_name = 'monitoring worker'
	AND issue_type IN ('alerts', 'collectors', 'queue-check'))), '0', 'no pass has failed');
is($node->safe_psql('postgres', q(SELECT message FROM monitoring.alert_rule_errors WHERE rule_name = 'recovers')),
	'timed out after 500 ms', 'who catches the cancel and returns has taken too long all the same');
$node->safe_psql('postgres', q(DELETE FROM monitoring.alert_rules; DELETE FROM monitoring.queues;
	DELETE FROM monitoring.collectors WHERE collector_name <> 'zz_fine'));

# Limits nest: the end of the inner one leaves the outer one armed.
$node->safe_psql('postgres', <<'EOQ');
SET ROLE bob;
INSERT INTO monitoring.collectors (collector_name, query, timeout, owner, enabled)
VALUES ('inner', 'SELECT 1 AS value', '1 hour', 'bob', false),
       ('inner_long', 'SELECT 1 AS value FROM pg_catalog.pg_sleep(3600)', '1 hour', 'bob', false),
       ('inner_short', 'SELECT 1 AS value FROM pg_catalog.pg_sleep(3600)', '200 ms', 'bob', false),
       ('outer', 'SELECT p.value FROM monitoring.preview_collector(''inner'') AS p, pg_catalog.pg_sleep(3600)', '1 s', 'bob', false),
       ('outer_long', 'SELECT p.value FROM monitoring.preview_collector(''inner_long'') AS p', '1 s', 'bob', false),
       ('outer_short', 'SELECT p.value FROM monitoring.preview_collector(''inner_short'') AS p', '1 hour', 'bob', false);
EOQ
for ([ outer => '1000' ], [ outer_long => '1000' ], [ outer_short => '200' ])
{
	my ($name, $ms) = @$_;
	my ($out, $err);
	$node->psql('postgres', "SELECT monitoring.run_collector('$name')", stdout => \$out, stderr => \$err);
	like($err, qr/collector "$name" failed: timed out after $ms ms/, "$name: the limit that is over is named");
}

# In the session of somebody who asks for it: limit, statement_timeout and cancel end it, by ending the session.
$node->safe_psql('postgres', <<'EOQ');
SET ROLE bob;
INSERT INTO monitoring.collectors (collector_name, query, timeout, owner, enabled)
VALUES ('sleeps', 'SELECT bobs.sleeps() AS value', '500 ms', 'bob', false),
       ('spins', 'SELECT bobs.spins() AS value', '500 ms', 'bob', false),
       ('sleeps_long', 'SELECT bobs.sleeps() AS value', '1 hour', 'bob', false);
EOQ
for my $name (qw(sleeps spins))
{
	my ($out, $err) = ('', '');
	$node->psql('postgres', "SELECT monitoring.preview_collector('$name')", stdout => \$out, stderr => \$err);
	like($err, qr/terminating connection/, "preview of $name ends at its limit");
	like($err, qr/collector\/$name, which went on although it was canceled/, "and says because of what");
}
{
	my ($out, $err) = ('', '');
	$node->psql('postgres', "SET statement_timeout = '300ms'; SELECT monitoring.preview_collector('sleeps_long')",
		stdout => \$out, stderr => \$err);
	like($err, qr/terminating connection/, "the caller's statement_timeout ends it");
}
sub start_psql
{
	my ($sql, $db) = @_;
	my %run = (out => '', err => '');
	$run{handle} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr($db // 'postgres'), '-c', $sql ],
		'>', \$run{out}, '2>', \$run{err});
	return \%run;
}
my $sleeper = q(SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND );
{
	my $run = start_psql(q(SELECT monitoring.preview_collector('sleeps_long')));
	wait_until($node, "$sleeper backend_type = 'client backend'", what => 'a session hangs');
	$node->safe_psql('postgres', q(SELECT pg_cancel_backend(pid) FROM pg_stat_activity
		WHERE wait_event = 'PgSleep' AND backend_type = 'client backend'));
	IPC::Run::finish($run->{handle});
	like($run->{err}, qr/terminating connection/, "a cancel ends it");
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM monitoring.query_overruns'), '0',
	'who asks for one query switches nothing off');

# In the worker: it is named, left alone, and after three times switched off; the others go on.
$node->safe_psql('postgres', q(UPDATE monitoring.collectors SET enabled = true WHERE collector_name = 'sleeps'));
for my $n (1 .. 3)
{
	wait_until($node, q(SELECT overruns FROM monitoring.query_overruns WHERE worker_name = 'collector/sleeps'),
		expect => $n, what => "the worker ends for it, $n");
	$node->safe_psql('postgres', q(UPDATE monitoring.query_overruns SET retry_at = now() WHERE retry_at IS NOT NULL;
		UPDATE monitoring.collectors SET next_run_at = now() WHERE collector_name = 'sleeps'));
}
wait_until($node, q(SELECT retry_at IS NULL FROM monitoring.query_overruns), what => 'it is switched off');
wait_until($node, q(SELECT last_error ~ 'switched off until its row is updated' FROM monitoring.collectors
	WHERE collector_name = 'sleeps'), what => 'which is its error');
is($node->safe_psql('postgres', q(SELECT message ~ '3 times; it is switched off' FROM monitoring.worker_issues
	WHERE worker_name = 'collector/sleeps' AND issue_type = 'query_overrun' AND NOT resolved)), 't', 'an issue names it');
is($node->safe_psql('postgres', q(SELECT public.get_system_health() -> 'worker_health' -> 'reasons' ? 'open_issues')),
	't', 'health says it');
$node->safe_psql('postgres', q(CREATE TABLE mark AS SELECT clock_timestamp() AS at));
wait_until($node, q(SELECT last_run_at > at FROM monitoring.collectors, mark WHERE collector_name = 'zz_fine'),
	what => 'the others run meanwhile');
$node->safe_psql('postgres', q(CREATE OR REPLACE FUNCTION bobs.sleeps() RETURNS int LANGUAGE sql AS 'SELECT 1';
	UPDATE monitoring.collectors SET enabled = true, next_run_at = now() WHERE collector_name = 'sleeps'));
wait_until($node, q(SELECT last_error IS NULL FROM monitoring.collectors WHERE collector_name = 'sleeps'),
	what => 'mended and updated, it runs again');
is($node->safe_psql('postgres', q(SELECT count(*) FROM monitoring.query_overruns)) . $node->safe_psql('postgres',
	q(SELECT count(*) FROM monitoring.worker_issues WHERE issue_type = 'query_overrun' AND NOT resolved)), '00',
	'and nothing is left of it');

# The same for a rule and a queue.
$node->safe_psql('postgres', <<'EOQ');
SET ROLE bob;
CREATE VIEW bobs.endless AS SELECT 'pending' AS status, now() AS created_at WHERE bobs.spins() = 1;
INSERT INTO monitoring.queues (queue_name, source, check_timeout, owner) VALUES ('endless', 'bobs.endless', '500 ms', 'bob');
INSERT INTO monitoring.alert_rules (rule_name, expr, timeout, owner) VALUES ('endless', 'SELECT bobs.spins() AS value', '500 ms', 'bob');
EOQ
wait_until($node, q(SELECT string_agg(worker_name, ' ' ORDER BY 1) FROM monitoring.query_overruns),
	expect => 'alert rule/endless queue_monitor/endless', what => 'rule and queue are left alone');
wait_until($node, q(SELECT (SELECT count(*) FROM monitoring.alert_rule_errors WHERE message ~ 'not run for a while')
	+ (SELECT count(*) FROM monitoring.queue_state WHERE last_error ~ 'not run for a while')), expect => 2,
	what => 'which they say');
$node->safe_psql('postgres', q(DELETE FROM monitoring.queues; DELETE FROM monitoring.alert_rules));
is($node->safe_psql('postgres', q(SELECT count(*) FROM monitoring.query_overruns)), '0', 'their rows go with them');

# From outside: cancel, terminate, DROP DATABASE of another one and of its own, DROP EXTENSION, fast shutdown.
sub hang
{
	my ($name, $db) = @_;
	$node->safe_psql($db, <<EOQ);
CREATE SCHEMA IF NOT EXISTS hangs;
CREATE OR REPLACE FUNCTION hangs.sleeps() RETURNS int LANGUAGE plpgsql AS \$\$
BEGIN LOOP BEGIN PERFORM pg_catalog.pg_sleep(3600); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END \$\$;
INSERT INTO monitoring.collectors (collector_name, query, timeout, owner)
VALUES ('$name', 'SELECT hangs.sleeps() AS value', '1 hour', 'postgres');
EOQ
	wait_until($node, "$sleeper backend_type = 'monitoring worker' AND datname = '$db'", what => "$name: the worker of $db hangs");
}
my $pid_of_worker = q(SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND backend_type = 'monitoring worker');
hang('canceled', 'postgres');
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('postgres', 'DROP DATABASE other');
pass('another database is dropped meanwhile');
$node->safe_psql('postgres', "SELECT pg_cancel_backend(pid) FROM ($pid_of_worker) AS w");
wait_until($node, q(SELECT overruns FROM monitoring.query_overruns WHERE worker_name = 'collector/canceled'), expect => 1,
	what => 'a cancel ends it');
# Its turn would come again, and it would hang once more, before what follows.
$node->safe_psql('postgres', q(DELETE FROM monitoring.collectors WHERE collector_name = 'canceled'));
hang('terminated', 'postgres');
my $pid = $node->safe_psql('postgres', $pid_of_worker);
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
backend_gone($pid);
$node->safe_psql('postgres', q(DELETE FROM monitoring.collectors WHERE collector_name = 'terminated'));
$node->safe_psql('postgres', 'CREATE DATABASE own');
$node->safe_psql('own', 'CREATE EXTENSION monitoring');
hang('dropped', 'own');
$node->safe_psql('own', 'DROP EXTENSION monitoring CASCADE');
pass('DROP EXTENSION');
$node->safe_psql('own', 'CREATE EXTENSION monitoring');
hang('dropped', 'own');
$node->safe_psql('postgres', 'DROP DATABASE own');
pass('DROP DATABASE');

# One owner's session is not the next one's.
SKIP:
{
	my $has_dblink = $node->safe_psql('postgres', q(SELECT count(*) FROM pg_available_extensions WHERE name = 'dblink'));
	skip 'no dblink', 9 unless $has_dblink;
	$node->safe_psql('postgres', 'CREATE EXTENSION dblink');
	my $connect = sprintf "host=%s port=%s dbname=postgres", $node->host, $node->port;
	$node->safe_psql('postgres', <<EOQ);
INSERT INTO monitoring.collectors (collector_name, query, owner, series_limit) VALUES
('a_connects', 'SELECT 1 AS value FROM public.dblink_connect(''c'', ''$connect'') WHERE pg_catalog.pg_advisory_lock(17) IS NOT NULL', 'postgres', 10),
('b_looks', 'SELECT coalesce(cardinality(public.dblink_get_connections()), 0) AS value', 'bob', 10);
EOQ
	wait_until($node, q(SELECT count(*) FROM monitoring.collectors WHERE collector_name IN ('a_connects', 'b_looks')
		AND last_error IS NULL AND last_run_at IS NOT NULL), expect => 2, what => 'two owners have run');
	$node->safe_psql('postgres', q(UPDATE monitoring.collectors SET next_run_at = now() WHERE collector_name = 'b_looks';
		CREATE TABLE looked AS SELECT last_run_at FROM monitoring.collectors WHERE collector_name = 'b_looks'));
	wait_until($node, q(SELECT c.last_run_at > l.last_run_at FROM monitoring.collectors c, looked l
		WHERE collector_name = 'b_looks'), what => 'one once more');
	is($node->safe_psql('postgres', q(SELECT max(metric_value) FROM monitoring.pipeline_metrics WHERE metric_name = 'b_looks')),
		'0', 'no dblink connection is left');
	is($node->safe_psql('postgres', q(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 17)), '0',
		'no advisory lock is left');
	my ($out, $err) = ('', '');
	$node->psql('postgres', "SELECT public.dblink_connect('mine', '$connect'); SELECT monitoring.preview_collector('zz_fine')",
		stdout => \$out, stderr => \$err);
	like($err, qr/could use the dblink connections of this session/, "nobody's SQL runs beside connections of a caller's own");

	# A library that waits for the network and looks at no interrupt: a server that takes connections and is silent.
	my $silent = IO::Socket::INET->new(Listen => 20, LocalAddr => '127.0.0.1', Proto => 'tcp') or die "no listener: $!";
	my $to_silent = sprintf 'host=127.0.0.1 port=%s dbname=postgres', $silent->sockport;
	$node->safe_psql('postgres', <<EOQ);
CREATE SCHEMA IF NOT EXISTS hangs;
CREATE FUNCTION hangs.connects() RETURNS int LANGUAGE plpgsql AS \$\$
BEGIN LOOP BEGIN
	LOOP BEGIN PERFORM public.dblink_connect('silent', '$to_silent'); EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP;
EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END \$\$;
INSERT INTO monitoring.collectors (collector_name, query, timeout, owner) VALUES
('connects_once', 'SELECT 1 AS value FROM public.dblink_connect(''silent'', ''$to_silent'')', '500 ms', 'postgres');
EOQ
	wait_until($node, q(SELECT last_error FROM monitoring.collectors WHERE collector_name = 'connects_once'),
		expect => 'timed out after 500 ms', what => 'a connection that comes to nothing is given up');
	$node->safe_psql('postgres', q(DELETE FROM monitoring.collectors WHERE collector_name = 'connects_once';
		INSERT INTO monitoring.collectors (collector_name, query, timeout, owner) VALUES
		('connects', 'SELECT hangs.connects() AS value', '500 ms', 'postgres')));
	wait_until($node, q(SELECT overruns FROM monitoring.query_overruns WHERE worker_name = 'collector/connects'), expect => 1,
		what => 'who tries again and again ends with its process');
	$node->safe_psql('postgres', q(UPDATE monitoring.collectors SET enabled = false, timeout = '1 hour'
		WHERE collector_name = 'connects'));
	my $connecting = start_psql(q(SELECT monitoring.preview_collector('connects')));
	wait_until($node, q(SELECT count(*) FROM pg_stat_activity WHERE query ~ 'preview_collector' AND pid <> pg_backend_pid()),
		expect => 1, what => 'a session connects, too');
	$node->safe_psql('postgres', q(SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE query ~ 'preview_collector' AND pid <> pg_backend_pid()));
	IPC::Run::finish($connecting->{handle});
	like($connecting->{err}, qr/terminating connection/, 'and ends when it is told to');
	$node->safe_psql('postgres', q(DELETE FROM monitoring.collectors WHERE collector_name = 'connects'));
	close $silent;
}
$node->safe_psql('postgres', <<'EOQ');
SET ROLE bob;
INSERT INTO monitoring.alert_rules (rule_name, expr, owner) VALUES ('a_opens', 'SELECT bobs.opens() AS value', 'bob'),
	('b_fetches', 'SELECT bobs.fetches() AS value', 'bob');
EOQ
wait_until($node, q(SELECT message FROM monitoring.alert_rule_errors), expect => 'cursor "left_open" does not exist',
	what => 'no cursor is left');

# Owners are roles, not names.
$node->safe_psql('postgres', <<'EOQ');
CREATE ROLE carol;
INSERT INTO monitoring.alert_rules (rule_name, expr, owner) VALUES ('carols', 'SELECT 1 AS value', 'carol');
INSERT INTO monitoring.collectors (collector_name, query, owner) VALUES ('carols', 'SELECT 1 AS value', 'carol');
INSERT INTO monitoring.queues (queue_name, source, owner) VALUES ('carols', 'public.fine', 'carol');
GRANT SELECT ON public.fine TO PUBLIC;
ALTER ROLE carol RENAME TO caroline;
CREATE ROLE carol;
EOQ
wait_until($node, q(SELECT (SELECT count(*) FROM monitoring.alert_rule_errors WHERE message ~ '"carol" is not the one that the rule')
	+ (SELECT count(*) FROM monitoring.collectors WHERE last_error ~ '"carol" is not the one that the collector')
	+ (SELECT count(*) FROM monitoring.queue_state WHERE last_error ~ '"carol" is not the one that the queue')), expect => 3,
	what => 'what was a renamed role\'s does not run as the next of its name');
is($node->safe_psql('postgres', q(SELECT count(DISTINCT worker_name) FROM monitoring.worker_issues WHERE NOT resolved
	AND message ~ '"carol" is not the one')), '3', 'which is an issue of each');
$node->safe_psql('postgres', q(UPDATE monitoring.alert_rules SET severity = 'critical' WHERE rule_name = 'carols'));
is($node->safe_psql('postgres', q(SELECT count(*) FROM monitoring.alert_rules r JOIN pg_roles o ON o.oid = r.owner_oid
	WHERE r.rule_name = 'carols' AND o.rolname = 'caroline')), '1', 'another change leaves the owner as it is');
$node->safe_psql('postgres', q(UPDATE monitoring.alert_rules SET owner = 'carol' WHERE rule_name = 'carols'));
wait_until($node, q(SELECT count(*) FROM monitoring.alert_rule_errors WHERE rule_name = 'carols'), expect => 0,
	what => 'one that is given to the new role runs as that');

# What stands in for a superuser is the owner of what is read, whatever its name leads to meanwhile.
$node->safe_psql('postgres', <<'EOQ');
DELETE FROM monitoring.queues;
CREATE TABLE bobs.jobs (status text, created_at timestamptz);
INSERT INTO monitoring.queues (queue_name, source, owner) VALUES ('jobs', 'bobs.jobs', 'postgres');
SET ROLE bob;
CREATE FUNCTION bobs.tells() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'run as %', current_user; END $$;
CREATE VIEW bobs.view AS SELECT bobs.tells() AS status, now() AS created_at;
EOQ
my $swap = $node->background_psql('postgres');
$swap->query_safe(q(SET ROLE bob; BEGIN; DROP TABLE bobs.jobs; ALTER VIEW bobs.view RENAME TO jobs));
my $checking = start_psql(q(SET lock_timeout = 0; SELECT monitoring.check_queues()));
wait_until($node, q(SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND locktype = 'relation' AND mode = 'AccessShareLock'),
	what => 'a check waits for the table');
$swap->query_safe('COMMIT');
$swap->quit;
IPC::Run::finish($checking->{handle});
wait_until($node, q(SELECT last_error FROM monitoring.queue_state WHERE queue_name = 'jobs'), expect => 'run as bob',
	what => 'a view in place of the table runs as its own owner');
$node->safe_psql('postgres', <<'EOQ');
CREATE TABLE public.of_postgres (n int);
INSERT INTO monitoring.collectors (collector_name, query, source, owner) VALUES
('names_more', 'SELECT 1 AS value FROM public.of_postgres, bobs.jobs', 'public.of_postgres', 'postgres');
EOQ
wait_until($node, q(SELECT last_error FROM monitoring.collectors WHERE collector_name = 'names_more'),
	expect => 'relation "jobs" is not the one that was to be read, and belongs to somebody else',
	what => 'what stands in for the source reads nothing else');

# What a rule's rows become is the rule's time, and its result has a size.
$node->safe_psql('postgres', <<'EOQ');
DELETE FROM monitoring.alert_rules;
SET ROLE bob;
INSERT INTO monitoring.alert_rules (rule_name, language, expr, timeout, row_limit, labels, owner) VALUES
('expands', 'threshold', 'SELECT g::text AS g, 1 AS value FROM pg_catalog.generate_series(1, 60000) AS g', '2 s', 1000000,
 '{"x": "{{ range $i := stringSlice \"a\" \"b\" \"c\" }}{{ reReplaceAll \"((a+)*b)*\" \"$1\" $labels.g }}{{ end }}"}', 'bob');
INSERT INTO monitoring.thresholds (rule_id, comparison, warning) SELECT id, '>', 5 FROM monitoring.alert_rules;
INSERT INTO monitoring.alert_rules (rule_name, expr, row_limit, owner) VALUES
('many', 'SELECT g::text AS g, 1 AS value FROM pg_catalog.generate_series(1, 100000) AS g', 1000000, 'bob'),
('large', 'SELECT g::text AS g, pg_catalog.repeat(''x'', 1000000) AS x, 1 AS value FROM pg_catalog.generate_series(1, 1000) AS g', 1000000, 'bob');
EOQ
wait_until($node, q(SELECT string_agg(rule_name || ': ' || message, '; ' ORDER BY rule_name) FROM monitoring.alert_rule_errors),
	expect => "expands: its rows could not be made alerts: the rule's time was over; "
	  . 'large: the result is larger than 64 MB; many: the rule has 100000 alert instances, more than the limit of 1000',
	what => 'limits of what is made of the rows');

# However long their own timeout is, nobody's query keeps all others from their turn.
$node->append_conf('postgresql.conf', "monitoring.query_timeout = '1s'\n");
$node->reload;
$node->safe_psql('postgres', <<'EOQ');
DELETE FROM monitoring.alert_rules;
DELETE FROM monitoring.queues;
DELETE FROM monitoring.collectors;
SET ROLE bob;
CREATE FUNCTION bobs.waits() RETURNS int LANGUAGE sql AS 'SELECT 1 FROM pg_catalog.pg_sleep(3600)';
CREATE VIEW bobs.waiting AS SELECT 'pending' AS status, now() AS created_at WHERE bobs.waits() = 1;
INSERT INTO monitoring.queues (queue_name, source, check_timeout, owner) VALUES ('waits', 'bobs.waiting', '1 hour', 'bob');
INSERT INTO monitoring.alert_rules (rule_name, expr, timeout, owner) VALUES
	('waits', 'SELECT bobs.waits() AS value', '1 hour', 'bob'), ('zz_fine', 'SELECT 1 AS value', '10 s', 'bob');
INSERT INTO monitoring.collectors (collector_name, query, timeout, owner) VALUES
	('waits', 'SELECT bobs.waits() AS value', '1 hour', 'bob');
EOQ
wait_until($node, q(SELECT string_agg(message, '; ') FROM (
	SELECT message FROM monitoring.alert_rule_errors UNION ALL SELECT last_error FROM monitoring.collectors
	UNION ALL SELECT last_error FROM monitoring.queue_state) AS said WHERE message IS NOT NULL),
	expect => join('; ', ("timed out after 1000 ms, the server's monitoring.query_timeout, though its own timeout is longer") x 3),
	what => 'rule, collector and queue end at the limit of the server');
wait_until($node, q(SELECT count(*) FROM monitoring.alerts AS a JOIN monitoring.alert_rules AS r ON r.id = a.rule_id
	WHERE r.rule_name = 'zz_fine' AND a.state = 'firing'), expect => 1, what => 'and the rule behind is evaluated');

$node->safe_psql('postgres', q(DELETE FROM monitoring.alert_rules));
$node->append_conf('postgresql.conf', "monitoring.query_timeout = '1d'\n");
$node->reload;
hang('shut_down', 'postgres');
$node->stop('fast');
unlike(slurp_file($node->logfile), qr/PANIC|signal \d+:|TRAP/, 'fast shutdown, and no crash');

done_testing();
