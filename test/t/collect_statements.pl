# The statements that the postgres pack shows one by one, and all others as one, with
# pg_stat_statements really loaded.
use strict;
use warnings;

use MonitoringTest;
use Test::More;

my $node = new_node(preload => 'monitoring,pg_stat_statements');

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub settle { sql('SELECT monitoring_internal.settle_statements(1)'); }

# The query of the statement in the set, and a metric of it or of the others.
sub member
{
	return sql(q(SELECT string_agg(s.query, '; ') FROM monitoring_internal.statement_set AS m
		JOIN pg_stat_statements AS s USING (queryid, userid, dbid)));
}

sub metric
{
	my ($name, $is_other) = @_;
	return sql("SELECT value FROM monitoring_internal.statement_metrics()
		WHERE metric_name = 'pg_stat_statements_$name' AND (queryid = 'other') = ($is_other = 1)");
}

is(sql('SELECT count(*) FROM monitoring.slow_queries'), '0', 'nothing to show without the extension');
is(sql('SELECT count(*) FROM monitoring_internal.statement_metrics()'), '0', 'and nothing to collect');
# In a schema that is on nobody's path.
sql('SELECT monitoring.pause_worker(); CREATE SCHEMA elsewhere; CREATE EXTENSION pg_stat_statements SCHEMA elsewhere');
sql('ALTER DATABASE postgres SET search_path = elsewhere, public');
sql('SELECT pg_stat_statements_reset()');

# 300 short ones; then longer ones, one by one.
sql("SELECT pg_sleep(0.002);\n" x 300);
settle();
is(member(), 'SELECT pg_sleep($1)', 'the statement that takes most time is in the set');
is(metric('calls_total', 0), '300', 'its calls');
is(metric('rows_total', 0), '300', 'its rows');
is(sql(q(SELECT value >= 0.6 FROM monitoring_internal.statement_metrics()
	WHERE metric_name = 'pg_stat_statements_seconds_total' AND queryid <> 'other')), 't', 'its seconds');
is(sql(q(SELECT user_name || ' ' || datname FROM monitoring_internal.statement_metrics()
	WHERE metric_name = 'pg_stat_statements_calls_total' AND queryid <> 'other')),
	sql('SELECT current_user') . ' postgres', 'who ran it, and where');

# Of a set of one the first two stay. Far longer than the 300 together, whatever else the machine does.
my $seconds = sql(q(SELECT 2 * sum(total_exec_time) / 1000 FROM pg_stat_statements));
sql("SELECT pg_sleep($seconds), 2");
settle();
is(member(), 'SELECT pg_sleep($1)', 'a statement that takes more time does not push out one that is second');

# The third does. The sums of the others go on where they were, though 300 calls come to them.
sql("SELECT pg_sleep($seconds), 3, 3");
my $calls = metric('calls_total', 1);
my $time = metric('seconds_total', 1);
settle();
like(member(), qr/^SELECT pg_sleep\(\$1\), \$2/, 'one that is third gives way');
cmp_ok(metric('calls_total', 1) - $calls, '>=', 0, 'no counter of the others falls');
cmp_ok(metric('calls_total', 1) - $calls, '<', 100, 'nor jumps');
cmp_ok(metric('seconds_total', 1) - $time, '>=', 0, 'no time of the others falls');
cmp_ok(metric('seconds_total', 1) - $time, '<', $seconds, 'nor jumps');
is(metric('calls_total', 0), '1', 'the new one counts from what it has');

# As the pack does it.
sql(q(SELECT monitoring.enable_pack('postgres')));
is(sql(q(SELECT count(DISTINCT labels ->> 'queryid') BETWEEN 5 AND 51
		AND bool_or(labels ->> 'queryid' = 'other') AND bool_and(value >= 0)
	FROM monitoring.preview_collector('postgres/stat_statements'))), 't', 'the collector shows a set of fifty');
is(sql(q(SELECT count(*) FROM monitoring.preview_collector('postgres/stat_statements') AS m
	JOIN pg_stat_statements AS s ON s.queryid::text = m.labels ->> 'queryid' AND s.toplevel
	WHERE s.query = 'SELECT pg_sleep($1)' AND m.metric_name = 'pg_stat_statements_calls_total'
	AND m.value = 300)), '1', 'with the calls that pg_stat_statements has');

# Document 002's query.
is(sql(q(SELECT string_agg(query || ' ' || calls, E'\n' ORDER BY query) FROM monitoring.slow_queries
	WHERE query LIKE '%pg_sleep%')), "SELECT pg_sleep(\$1), \$2 1\nSELECT pg_sleep(\$1), \$2, \$3 1",
	'slow_queries has those of more than 100 ms in the mean');
is(sql(q(SELECT count(*) FROM monitoring.slow_queries AS v JOIN pg_stat_statements AS s USING (query)
	WHERE query LIKE '%pg_sleep%' AND (v.total_exec_time, v.mean_exec_time, v.max_exec_time, v.rows)
		= (s.total_exec_time, s.mean_exec_time, s.max_exec_time, s.rows))), '2', 'as pg_stat_statements has them');

# After a reset there is nobody in the set, then others are.
sql('SELECT pg_stat_statements_reset()');
settle();
is(sql('SELECT count(*) FROM monitoring_internal.statement_set'), '1', 'the set is filled again');
unlike(member(), qr/pg_sleep/, 'and a statement that is gone is no member');

$node->stop;
done_testing();
