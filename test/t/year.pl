# A small database filled for a year: whatever is asked of it reads no growing table as a whole. Plans are
# looked at, also those of statements within functions and of the worker's duties, and never times.
use strict;
use warnings;

use MonitoringTest;
use Test::More;

my $rows = 10_000;
# A table of so many rows is one that grows; all others here are configuration or what is under way.
my $growing_from = 4_000;
my $conf = <<'EOC';
fsync = off
autovacuum = off
jit = off
# That of memory and solid-state disks; so that plans here are those of a larger database.
random_page_cost = 1.1
auto_explain.log_min_duration = 0
auto_explain.log_nested_statements = on
auto_explain.log_timing = off
monitoring.health_check_interval = '1s'
monitoring.queue_check_interval = '1h'
EOC
my $node = new_node(preload => 'monitoring,auto_explain', conf => $conf . "auto_explain.log_level = debug5\n");
sub sql { my ($statement) = @_; return $node->safe_psql('postgres', $statement); }

wait_until($node, q(SELECT count(*) = 1 FROM monitoring.worker_status WHERE role = 'worker' AND pid IS NOT NULL
	AND database = current_database()), what => 'a worker is there');
sql('SELECT monitoring.pause_worker()');
for my $file (qw(year.sql year_questions.sql))
{
	$node->psql('postgres', PostgreSQL::Test::Utils::slurp_file("test/bench/$file"),
		extra_params => [ '-v', "rows=$rows" ], on_error_die => 1);
}

# Whatever is public and reads is asked, or has a reason not to be.
my $objects = q(
	SELECT c.oid AS oid, d.classid, format('%I.%I', c.relnamespace::regnamespace, c.relname) AS name
	FROM pg_class AS c JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid WHERE c.relkind = 'v'
	AND d.deptype = 'e' AND c.relnamespace IN ('monitoring'::regnamespace, 'public'::regnamespace)
	UNION ALL
	SELECT p.oid, d.classid, p.oid::regprocedure::text
	FROM pg_proc AS p JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
	WHERE d.deptype = 'e' AND p.provolatile = 's' AND p.pronamespace = 'monitoring'::regnamespace AND p.prokind = 'f');
is(sql("SELECT string_agg(name, E'\\n' ORDER BY name) FROM ($objects) AS o WHERE name NOT IN
	(SELECT about FROM public.year_questions UNION ALL SELECT about FROM public.year_unasked)"),
	'', 'every public view, and every public function that reads, is in test/bench/year_questions.sql');
is(sql("SELECT string_agg(about, ', ') FROM (SELECT about FROM public.year_questions UNION SELECT about FROM public.year_unasked) AS q
	WHERE CASE WHEN about LIKE '%(%' THEN to_regprocedure(about) IS NULL ELSE to_regclass(about) IS NULL END"), '', 'and what is there exists');

my %growing = map { $_ => 1 } split /\n/, sql("SELECT c.relname FROM pg_class AS c
	WHERE c.relkind = 'r' AND c.reltuples >= $growing_from AND c.relnamespace::regnamespace::text IN ('monitoring', 'monitoring_internal')
	OR c.relname IN ('monitoring_events')");
cmp_ok(scalar keys %growing, '>=', 9, 'tables that grow: ' . join(', ', sort keys %growing));

# The growing tables that these plans read from end to end.
sub read_whole
{
	my ($plans) = @_;
	my %found;
	while ($plans =~ /Seq Scan on (?:\w+\.)?"?(\w+)/g) { $found{$1} = 1 if $growing{$1}; }
	return join ', ', sort keys %found;
}

# The check sees one.
sub plans_of
{
	my ($statement) = @_;
	my ($out, $plans);
	$node->psql('postgres', "SET auto_explain.log_level = log; SET client_min_messages = log; $statement",
		stdout => \$out, stderr => \$plans, on_error_die => 1);
	return $plans;
}
is(read_whole(plans_of('SELECT count(*) FROM monitoring.alert_history WHERE value > 5')), 'alert_history',
	'a scan of a whole table is seen');
is(read_whole(plans_of(q(DO $$BEGIN PERFORM FROM monitoring.alert_history WHERE value > 5; END$$))), 'alert_history',
	'and so is one within a function');

my @questions = map { [ split /\|/, $_, 3 ] } split /\n/,
  sql('SELECT about, question, statement FROM public.year_questions WHERE NOT is_whole ORDER BY id');
for (@questions)
{
	my ($about, $question, $statement) = @$_;
	my $plans = plans_of($statement);
	like($plans, qr/Query Text/, "$about, $question: there is a plan");
	is(read_whole($plans), '', "$about, $question: no growing table is read as a whole");
}

# A duty says in the log what it does. Each runs soon after a start.
$node->append_conf('postgresql.conf', "auto_explain.log_level = log\nlog_line_prefix = '%m [%p] %b '\n");
my $offset = -s $node->logfile;
$node->restart;
my @duties = ('health', 'alerts', 'self-metrics', 'packs', 'collectors', 'metric-snapshots', 'roll-up', 'partitions');
my $names = join ', ', map { "('$_')" } @duties;
wait_until($node, "SELECT string_agg(d.name, ', ') FROM (VALUES $names) AS d (name) WHERE NOT EXISTS (SELECT FROM
	monitoring_internal.cost_hours AS c WHERE c.name = d.name AND c.part = 'duty')", expect => '', what => 'all duties have run');
my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile, $offset);
# What one process says in one entry begins with its line prefix; only the worker's entries count.
my @entries = grep { /^\S+ \S+ \S+ \[\d+\] monitoring worker / } split /^(?=\d{4}-\d\d-\d\d )/m, $log;
cmp_ok(scalar @entries, '>', 20, 'the worker says what it does');
my @scans = grep { read_whole($_) ne '' } @entries;
is(join("\n", @scans), '', 'no duty reads a growing table as a whole');

# What changes most is changed in place.
for my $table ('alert_groups')
{
	is(sql("SELECT count(*) FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
		WHERE i.indrelid = 'monitoring.$table'::regclass AND a.attname IN ('next_flush_at', 'has_flushed')"),
		0, "$table: an update of when it is looked at next touches no index");
}
sql('SELECT monitoring.pause_worker()');
sql(q(UPDATE monitoring.alert_groups SET next_flush_at = next_flush_at + interval '1 second'; SELECT pg_stat_force_next_flush()));
is(sql(q(SELECT n_tup_hot_upd > 0 FROM pg_stat_user_tables WHERE relid = 'monitoring.alert_groups'::regclass)), 't',
	'alert_groups: updates are HOT');

done_testing();
