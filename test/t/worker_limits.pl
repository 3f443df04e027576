# The worker's own limits: a duty that takes too long, and partition maintenance under writers.
use strict;
use warnings;

use IPC::Run ();
use MonitoringTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node(preload => 1, conf => <<'EOC');
monitoring.collect_interval = '1s'
monitoring.duty_timeout = '1s'
monitoring.duty_lock_timeout = '60s'
log_lock_waits = on
deadlock_timeout = 2s
EOC

# A duty that waits for ever is cancelled by the worker's own timer, and is told apart from a
# user's cancel; the other duties have their turn, and so has this one when it can run again.
my $issues = q(SELECT count(*) FROM monitoring.worker_issues WHERE issue_type = 'collect-basics'
	AND message = 'canceled because it took longer than monitoring.duty_timeout');
my $locker = $node->background_psql('postgres');
$locker->query_safe('BEGIN; LOCK TABLE monitoring.pipeline_metrics IN EXCLUSIVE MODE');
wait_until($node, "$issues AND NOT resolved", expect => '1', what => 'a duty that takes too long is an issue');
$node->safe_psql('postgres', q(SELECT monitoring.create_receiver('record', 'log');
	SELECT monitoring.send_test_alert('record')));
wait_until($node, 'SELECT status FROM monitoring.notifications', expect => 'sent',
	what => 'other duties have their turn meanwhile');
$locker->query_safe('ROLLBACK');
$locker->quit;
wait_until($node, "$issues AND resolved", expect => '1', what => 'the issue is resolved when the duty works again');
wait_until($node, q(SELECT count(*) > 0 FROM monitoring.pipeline_metrics WHERE metric_name = 'db_size_bytes'),
	what => 'and has done its work');

# Writers of now() and of days in the default partition, while partitions are made, at first beside
# a reader that stays open: none fails, none waits for that reader. The server logs a wait for a lock
# after deadlock_timeout, which is far above what maintenance waits for at a time (100 ms).
my $reader = $node->background_psql('postgres');
$reader->query_safe('BEGIN; SELECT count(*) FROM monitoring.pipeline_metrics');
my $script = PostgreSQL::Test::Utils::tempdir() . '/write.sql';
append_to_file($script, q(
	INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value) VALUES ('now', 1);
	INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, "timestamp") VALUES ('old', 1, '2001-01-01');
));
my $offset = -s $node->logfile;
my $writers = IPC::Run::start(
	[ 'pgbench', '-n', '-c', '4', '-T', '6', '-f', $script, $node->connstr('postgres') ],
	'>', \my $out, '2>', \my $err);
my $made = 0;
sub maintain
{
	my ($days_ahead) = @_;
	$made += $node->safe_psql('postgres', "SELECT monitoring_internal.maintain_partitions($days_ahead)");
	return;
}
maintain(9) for 1 .. 5;
is($made, 0, 'beside an open reader no partition is attached');
$reader->query_safe('COMMIT');
$reader->quit;
maintain($_) for 8 .. 25;
$writers->finish;
cmp_ok($made, '>=', 10, 'afterwards they are');
is($writers->result(0), 0, 'writers go on meanwhile') or diag($err);
like($out, qr/number of failed transactions: 0 /, 'none of them fails') or diag("$out\n$err");
unlike(slurp_file($node->logfile, $offset), qr/still waiting for/, 'and none waits long for a lock');
is($node->safe_psql('postgres', q(SELECT (count(*) FILTER (WHERE metric_name = 'now') > 100)
		AND count(*) FILTER (WHERE metric_name = 'now') = count(*) FILTER (WHERE metric_name = 'old')
		AND count(*) FILTER (WHERE metric_name = 'now' AND tableoid = 'monitoring_internal.pipeline_metrics_default'::regclass) = 0
		FROM monitoring.pipeline_metrics WHERE metric_name IN ('now', 'old'))),
	't', 'and every row is where it belongs');

$node->stop;
done_testing();
