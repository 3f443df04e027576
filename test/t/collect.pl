# Collectors under the worker: those that fail, hang or give too much stop no other; what they cost is
# counted, kept within its budget, and gone from /metrics with them.
use strict;
use warnings;

use MonitoringTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node(preload => 1, conf => "monitoring.max_duty_cycle = 1\n");

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub reload_with
{
	my ($name, $value) = @_;
	sql("ALTER SYSTEM SET $name = $value");
	$node->reload;
	return;
}

my $worker = q(SELECT pid FROM monitoring.worker_status WHERE role = 'worker');
wait_until($node, "SELECT ($worker) IS NOT NULL", what => 'a worker is there');
my $pid = sql($worker);

sql(q(
	CREATE ROLE author;
	CREATE TABLE later ();
	GRANT SELECT ON later TO author;
	SET client_min_messages = error;
	INSERT INTO monitoring.collectors (collector_name, query, every, timeout, owner)
	SELECT name || n, query, every, timeout, 'author'
	FROM (VALUES
		('good', 12, interval '3 seconds', interval '60 seconds', 'SELECT 1 AS value, ''x'' AS part'),
		('slow', 2, '1 second', '60 seconds', 'SELECT 1 AS value FROM pg_sleep(0.3)'),
		('fails', 3, '1 second', '60 seconds', 'SELECT 1 / 0 AS value'),
		('hangs', 3, '1 second', '200 milliseconds', 'SELECT 1 AS value FROM pg_sleep(600)'),
		('floods', 2, '1 second', '60 seconds', 'SELECT generate_series(1, 1000000) AS value'))
	     AS v (name, count, every, timeout, query), LATERAL generate_series(1, count) AS n));

wait_until($node, q(SELECT count(*) = 12 FROM monitoring.collectors
	WHERE collector_name LIKE 'good%' AND last_error IS NULL AND last_series = 1
	  AND last_run_at >= created_at + every), what => 'the good ones run again and again');
wait_until($node, q(SELECT count(*) = 8 FROM monitoring.collectors WHERE consecutive_failures > 0),
	what => 'the others have failed');
is(sql(q(SELECT DISTINCT regexp_replace(collector_name, '\d', ''), last_error
	FROM monitoring.collectors WHERE last_error IS NOT NULL ORDER BY 1)),
	"fails|division by zero\n"
	  . "floods|the result has more than 1000 rows\n"
	  . "hangs|timed out after 200 ms", 'each says why');
is(sql(q(SELECT string_agg(DISTINCT issue_type, ' ' ORDER BY issue_type), count(*)
	FROM monitoring.worker_issues WHERE worker_name LIKE 'collector/%' AND NOT resolved)),
	'collector_failed high_cardinality|8', 'one issue for each');
is(sql($worker), $pid, 'by the same worker');
is(sql(q(SELECT count(*) FROM monitoring.worker_status WHERE role = 'worker' AND errors > 0)),
	'0', 'which had no error of its own');

# What they cost. The view's figures and those for Prometheus are saved together.
my $exposed = q((SELECT sum((regexp_match(line, '} (\S+)$'))[1]::float8)
	FROM regexp_split_to_table(monitoring.prometheus_metrics(), '\n') AS line WHERE line LIKE '%s{%%'));
for my $pair ([ 'monitoring_duty_seconds_total', 'seconds', 'duty' ],
	[ 'monitoring_duty_runs_total', 'runs', 'duty' ],
	[ 'monitoring_collector_seconds_total', 'seconds', 'collector' ],
	[ 'monitoring_collector_rows_total', 'rows_written', 'collector' ],
	[ 'monitoring_collector_failures_total', 'failures', 'collector' ])
{
	my ($metric, $column, $part) = @$pair;
	wait_until($node, "SELECT count(*) > 0 AND abs(sum($column) - " . sprintf($exposed, $metric)
		  . ") <= 1e-6 * sum($column) FROM monitoring.cost WHERE part = '$part'",
		what => "$metric agrees with monitoring.cost");
}
is(sql(q(SELECT bool_and(abs(a.seconds - d.seconds) < 1e-6 AND a.rows_written = d.rows_written
			AND d.seconds >= c.seconds AND d.rows_written = c.rows_written + o.rows_written)
	FROM monitoring.cost AS a,
	LATERAL (SELECT sum(seconds) AS seconds, sum(rows_written) AS rows_written FROM monitoring.cost
	         WHERE hour = a.hour AND part = 'duty') AS d,
	LATERAL (SELECT sum(seconds) AS seconds, sum(rows_written) AS rows_written FROM monitoring.cost
	         WHERE hour = a.hour AND part = 'collector') AS c,
	LATERAL (SELECT sum(rows_written) AS rows_written FROM monitoring.cost
	         WHERE hour = a.hour AND part = 'duty' AND name <> 'collectors') AS o
	WHERE a.part = 'all')), 't', 'all is the sum of the duties, and has the collectors in it');
is(sql(q(SELECT bool_and(bytes_on_disk > 0) FROM monitoring.cost WHERE rows_written > 0)), 't',
	'rows take room');

# Within the budget, the dearest are stretched, and say so; with more of it they are not.
reload_with('monitoring.max_duty_cycle', '0.5');
wait_until($node, q(SELECT array_agg(collector_name ORDER BY collector_name) = '{slow1,slow2}'
	FROM monitoring.collectors WHERE stretched_every > every), what => 'the dearest are stretched');
wait_until($node, q(SELECT sum(average_duration_ms / 1000 / extract(epoch FROM greatest(stretched_every,
		least(every * 2 ^ consecutive_failures, '1 hour')))) <= 0.5 FROM monitoring.collectors),
	what => 'and all together take no more than their share');
is(sql(q(SELECT count(*) FROM monitoring.worker_issues WHERE worker_name = 'collectors'
	AND issue_type = 'over_budget' AND NOT resolved AND message LIKE '%run less often%"slow_"%')), '1',
	'an issue says so');
reload_with('monitoring.max_duty_cycle', '1');
wait_until($node, q(SELECT count(*) = 0 FROM monitoring.collectors WHERE stretched_every IS NOT NULL),
	what => 'with a larger budget none is');
wait_until($node, q(SELECT count(*) = 0 FROM monitoring.worker_issues WHERE issue_type = 'over_budget'
	AND NOT resolved), what => 'and the issue is resolved');

# What is gone takes its series away.
sub exposes { return "SELECT monitoring.prometheus_metrics() ~ '(?n)^$_[0]'"; }
is(sql(exposes("$_\{")), 't', "$_ is exposed") for qw(good1 good2 good3 good4);
sql(q(SELECT monitoring.drop_collector('good1')));
sql(q(UPDATE monitoring.collectors SET enabled = false WHERE collector_name = 'good2'));
sql(q(UPDATE monitoring.collectors SET expose = false WHERE collector_name = 'good3'));
sql(q(UPDATE monitoring.collectors SET query = 'SELECT 2 AS value, ''y'' AS part'
	WHERE collector_name = 'good4'));
wait_until($node, exposes("$_->[1]\{"), expect => 'f', what => "one that was $_->[0] is not")
	for [ dropped => 'good1' ], [ disabled => 'good2' ], [ hidden => 'good3' ];
wait_until($node, exposes('good4\{part="x"\}'), expect => 'f', what => 'nor a row that is no longer there');
is(sql(exposes('good4\{part="y"\}')), 't', 'but the one in its place');
is(sql(exposes('good5\{')), 't', 'others stay');
wait_until($node, exposes('monitoring_collector_\w+\{collector="good1"\}'), expect => 'f',
	what => 'nor is told what a dropped one costs');

# What a worker has exposed goes with the next one, if its collector is gone by then.
sql(q(DELETE FROM monitoring.collectors WHERE collector_name = 'good5';
	SELECT pg_terminate_backend(pid) FROM monitoring.worker_status WHERE role = 'worker'));
wait_until($node, exposes('good5\{'), expect => 'f', what => 'nor one that was dropped as the worker ended');
wait_until($node, exposes('good6\{'), what => 'the next worker goes on');

$node->stop;
done_testing();
