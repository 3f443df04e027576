# The record ring: what survives, what is lost and counted, and who never waits for whom.
use strict;
use warnings;

use MonitoringTest;
use Test::More;
use Time::HiRes ();

my $node = new_node(
	preload => 1,
	init => [ allows_streaming => 1 ],
	conf => "monitoring.record_ring_size = '2MB'\nmonitoring.collect_interval = '1d'\n");

sub rows_of { return $node->safe_psql('postgres', "SELECT count(*) FROM monitoring.pipeline_metrics WHERE metric_name = '$_[0]'"); }
sub status_of { return $node->safe_psql($_[1] // 'postgres', "SELECT $_[0] FROM monitoring.record_status"); }

# The worker writes by itself.
$node->safe_psql('postgres', "SELECT monitoring.record_metric('by_itself', 1)");
wait_until($node, "SELECT count(*) FROM monitoring.pipeline_metrics WHERE metric_name = 'by_itself'",
	expect => '1', what => 'the worker drains by itself');

# Several backends at once, half of them rolling back: every row, once, in each backend's order.
my $script = $node->basedir . '/record.sql';
PostgreSQL::Test::Utils::append_to_file($script, <<'SQL');
BEGIN;
SELECT monitoring.record_metric('many_backends', nextval('public.calls'), jsonb_build_object('client', :client_id));
ROLLBACK;
SELECT monitoring.record_metric('many_backends', nextval('public.calls'), jsonb_build_object('client', :client_id));
SQL
$node->safe_psql('postgres', 'CREATE SEQUENCE public.calls');
$node->command_ok(
	[ 'pgbench', '-n', '-c4', '-j2', '-t', '2000', '-f', $script, '-h', $node->host, '-p', $node->port, 'postgres' ],
	'four backends record at once');
$node->safe_psql('postgres', 'SELECT monitoring.flush_records()');
is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT metric_value), count(DISTINCT tags) FROM monitoring.pipeline_metrics WHERE metric_name = 'many_backends'"),
	'16000|16000|4', 'every call is one row, those of rolled back transactions too');
is($node->safe_psql('postgres', <<'SQL'), '0', 'and each backend finds its rows in the order of its calls');
SELECT count(*) FROM (
  SELECT metric_value, lag(metric_value) OVER (PARTITION BY tags, tableoid ORDER BY ctid) AS previous
  FROM monitoring.pipeline_metrics WHERE metric_name = 'many_backends') AS pairs
WHERE metric_value < previous
SQL
is(status_of('dropped + rejected + lost'), '0', 'none dropped');

# Flushing in a transaction that rolls back loses nothing, also by savepoints. The worker is paused,
# so that the caller drains by itself.
$node->safe_psql('postgres', 'SELECT monitoring.pause_worker()');
$node->safe_psql('postgres', <<'SQL');
SELECT monitoring.record_metric('flushed', 1);
BEGIN;
SELECT monitoring.flush_records();
SELECT 1 / count(*) FROM monitoring.pipeline_metrics WHERE metric_name = 'flushed';
ROLLBACK;
BEGIN;
SAVEPOINT a;
SELECT monitoring.flush_records();
ROLLBACK TO a;
SELECT monitoring.record_metric('flushed', 2);
COMMIT;
SQL
is(rows_of('flushed'), '0', 'a rollback takes the flushed rows out of the table');
$node->safe_psql('postgres', <<'SQL');
BEGIN;
SAVEPOINT a;
SELECT monitoring.flush_records();
RELEASE a;
SELECT monitoring.record_metric('flushed', 3);
SELECT monitoring.flush_records();
SAVEPOINT b;
SELECT monitoring.record_metric('flushed', 4);
SELECT monitoring.flush_records();
ROLLBACK TO b;
COMMIT;
SQL
is(rows_of('flushed'), '3', 'what is released and committed is written once');
$node->safe_psql('postgres', 'SELECT monitoring.flush_records()');
is($node->safe_psql('postgres', "SELECT string_agg(metric_value::text, ' ' ORDER BY metric_value) FROM monitoring.pipeline_metrics WHERE metric_name = 'flushed'"),
	'1 2 3 4', 'and what a savepoint took back is written by the next flush');
my ($code, $out, $err) = $node->psql('postgres', "SELECT monitoring.record_metric('prepared', 1); BEGIN; SELECT monitoring.flush_records(); PREPARE TRANSACTION 'p'");
like($err, qr/cannot PREPARE a transaction that has flushed/, 'no PREPARE with flushed rows');

# A full ring: dropped and counted, or inserted; another database records on.
$node->safe_psql('postgres', 'SELECT monitoring.flush_records()');
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION monitoring');
my $tags = "jsonb_build_object('text', repeat('x', 1000))";
$node->safe_psql('postgres', "SELECT count(monitoring.record_metric('full', n, $tags)) FROM generate_series(1, 5000) AS n");
my $dropped = status_of('dropped');
cmp_ok($dropped, '>', 2000, 'a full ring drops and counts');
$node->safe_psql('postgres', "SET monitoring.on_full = 'insert'; SELECT monitoring.record_metric('full_inserted', 1, $tags)");
is(rows_of('full_inserted'), '1', 'or inserts at once');
$node->safe_psql('other', "SELECT count(monitoring.record_metric('other', n)) FROM generate_series(1, 100) AS n");
$node->safe_psql('other', 'SELECT monitoring.flush_records()');
is($node->safe_psql('other', "SELECT count(*) FROM monitoring.pipeline_metrics WHERE metric_name = 'other'"),
	'100', 'a database that does not drain leaves room for the next');
is(status_of('dropped', 'other'), '0', 'which drops nothing');

# A clean restart keeps what waits, and the counters.
$node->restart;
is(status_of('dropped'), $dropped, 'counters survive a restart');
$node->safe_psql('postgres', 'SELECT monitoring.resume_worker()');
$node->safe_psql('postgres', 'SELECT monitoring.flush_records()');
is(rows_of('full') + $dropped, 5000, 'every record is in the table or counted as dropped');
ok(!-e $node->data_dir . '/pg_stat/monitoring_records', 'the file is removed when it is loaded');

# A measurement that the table refuses does not hold up the others.
$node->safe_psql('postgres', "ALTER TABLE monitoring.pipeline_metrics ADD CONSTRAINT no_unlucky CHECK (metric_name <> 'checked' OR metric_value <> 13)");
$node->safe_psql('postgres', "SELECT count(monitoring.record_metric('checked', n)) FROM generate_series(1, 20) AS n");
$node->safe_psql('postgres', 'SELECT monitoring.flush_records()');
is(rows_of('checked'), '19', 'a row that a constraint refuses is skipped');
is(status_of('rejected'), '1', 'and counted');
$node->safe_psql('postgres', 'ALTER TABLE monitoring.pipeline_metrics DROP CONSTRAINT no_unlucky');

# A table that users have changed is filled by SQL.
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE public.seen (metric_name text);
CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO public.seen VALUES (NEW.metric_name); RETURN NULL; END $$;
CREATE TRIGGER see AFTER INSERT ON monitoring.pipeline_metrics FOR EACH ROW EXECUTE FUNCTION public.see();
ALTER TABLE monitoring.pipeline_metrics ADD COLUMN note text DEFAULT 'none';
SELECT count(monitoring.record_metric('changed_table', n, CASE n WHEN 2 THEN NULL ELSE '{}'::jsonb END)) FROM generate_series(1, 3) AS n;
SQL
$node->safe_psql('postgres', 'SELECT monitoring.flush_records()');
is($node->safe_psql('postgres', "SELECT count(*), min(note), count(tags) FROM monitoring.pipeline_metrics WHERE metric_name = 'changed_table'"),
	'3|none|2', 'added columns get their default');
is($node->safe_psql('postgres', "SELECT count(*) FROM public.seen WHERE metric_name = 'changed_table'"),
	'3', 'and insert triggers fire');
$node->safe_psql('postgres', 'DROP TRIGGER see ON monitoring.pipeline_metrics; ALTER TABLE monitoring.pipeline_metrics DROP COLUMN note');

# A crash loses what was not drained, no more, and counts it.
$node->safe_psql('postgres', 'SELECT monitoring.pause_worker()');
$node->safe_psql('postgres', "SELECT monitoring.record_metric('before_crash', 1)");
$node->safe_psql('postgres', 'SELECT monitoring.flush_records()');
$node->safe_psql('postgres', "SELECT count(monitoring.record_metric('crashed', n)) FROM generate_series(1, 7) AS n");
$node->append_conf('postgresql.conf', 'restart_after_crash = on');
$node->reload;
kill 'KILL', $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'");
wait_until($node, 'SELECT lost FROM monitoring.record_status', expect => '7',
	what => 'after a crash, what waited is counted as lost');
is(rows_of('before_crash') . rows_of('crashed'), '10', 'what was flushed is there, once');

# So does an immediate stop.
$node->safe_psql('postgres', 'SELECT monitoring.pause_worker()');
$node->safe_psql('postgres', "SELECT monitoring.record_metric('stopped', 1)");
$node->stop('immediate');
$node->start;
is(status_of('lost'), '8', 'an immediate stop is a crash');

# A damaged file is reported and does not keep the server from starting.
$node->stop;
my $file = $node->data_dir . '/pg_stat/monitoring_records';
ok(-e $file, 'a clean stop leaves the file');
open(my $handle, '+<', $file) or die $!;
seek($handle, -1, 2);
print $handle "\xff";
close $handle;
my $offset = -s $node->logfile;
$node->start;
wait_for_log($node, qr/ignoring damaged file "pg_stat\/monitoring_records"/, offset => $offset);

# Records of a database that is gone are given up.
$node->safe_psql('other', 'SELECT monitoring.pause_worker()');
$node->safe_psql('other', "SELECT monitoring.record_metric('gone', 1)");
$node->safe_psql('postgres', 'DROP DATABASE other');
$node->restart;
wait_until($node, 'SELECT used_bytes FROM monitoring.record_status', expect => '0',
	what => 'records of a database that is gone are removed');

# On a standby the call is refused.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
for my $call ("record_metric('standby', 1)", 'flush_records()')
{
	($code, $out, $err) = $standby->psql('postgres', "\\set VERBOSITY verbose\nSELECT monitoring.$call");
	like($err, qr/25006: cannot execute \w+\(\) during recovery/, "$call on a standby");
}
$standby->stop;
$node->stop;

# Without preload: inserted at once, and said once a session.
my $bare = new_node(name => 'bare');
($code, $out, $err) = $bare->psql('postgres',
	"SELECT monitoring.record_metric('bare', 1); SELECT monitoring.record_metric('bare', 2); SELECT monitoring.flush_records()");
is(() = $err =~ /WARNING:  measurements are inserted directly/g, 1, 'without preload: one warning a session');
is($bare->safe_psql('postgres', "SELECT count(*) FROM monitoring.pipeline_metrics WHERE metric_name = 'bare'"), '2', 'and the rows are there');
is($bare->safe_psql('postgres', 'SELECT count(size_bytes) FROM monitoring.record_status'), '0', 'the status is NULL');
$bare->stop;

done_testing();
