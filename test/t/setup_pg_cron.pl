# The jobs with a real pg_cron.
use strict;
use warnings;

use MonitoringTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $node = new_node(preload => 'monitoring,pg_cron', start => 0,
	conf => "cron.database_name = 'postgres'\ncron.use_background_workers = on\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION monitoring');

my ($status, $out, $err) = $node->psql('postgres', 'SELECT monitoring.schedule_jobs()');
like($err, qr/extension pg_cron is not installed.*HINT:  Run CREATE EXTENSION pg_cron/s,
	'schedule_jobs() without the extension');
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION monitoring');
($status, $out, $err) = $node->psql('other', 'SELECT monitoring.schedule_jobs()');
like($err, qr/extension pg_cron is not installed in database "postgres".*HINT/s, 'in another database');

# Nor is what somebody else has put into a schema of that name called, there or here.
my $trap = q(CREATE ROLE trapper; CREATE SCHEMA cron AUTHORIZATION trapper; GRANT USAGE ON SCHEMA cron TO PUBLIC;
	CREATE TABLE cron.trapped (by name);
	SET ROLE trapper;
	CREATE TABLE cron.job (jobid bigint, jobname text, schedule text, command text, database text);
	CREATE FUNCTION cron.schedule(text, text, text) RETURNS bigint LANGUAGE sql AS
		'INSERT INTO cron.trapped VALUES (current_user) RETURNING 1::bigint';
	CREATE FUNCTION cron.schedule_in_database(text, text, text, text) RETURNS bigint LANGUAGE sql AS
		'INSERT INTO cron.trapped VALUES (current_user) RETURNING 1::bigint';
	CREATE FUNCTION cron.unschedule(bigint) RETURNS boolean LANGUAGE sql AS 'SELECT true');
$node->safe_psql('postgres', $trap);
for my $database ('postgres', 'other')
{
	for my $function ('schedule_jobs', 'unschedule_jobs')
	{
		($status, $out, $err) = $node->psql($database, "SELECT monitoring.$function()");
		like($err, qr/extension pg_cron is not installed in/, "$function() from $database and somebody else's schema");
	}
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM cron.trapped'), '0', 'none of it was called');
$node->safe_psql('postgres', 'DROP SCHEMA cron CASCADE; DROP ROLE trapper');

# A table that merely looks like pg_cron's is left alone.
$node->safe_psql('other', q(CREATE SCHEMA cron;
	CREATE TABLE cron.job (jobid bigint, jobname text, schedule text, database text);
	INSERT INTO cron.job VALUES (1, 'queue-check', '* * * * *', 'other')));
is($node->safe_psql('other', q(SELECT runner FROM monitoring.jobs WHERE job_name = 'queue-check')),
	'worker', 'a table called cron.job is not pg_cron');

$node->safe_psql('postgres', 'CREATE EXTENSION pg_cron');
is($node->safe_psql('postgres', q(SELECT DISTINCT runner FROM monitoring.jobs)), 'worker',
	'the worker runs the jobs');
is($node->safe_psql('postgres', 'SELECT monitoring.schedule_jobs()'), '7', 'schedule_jobs()');
is($node->safe_psql('postgres', 'SELECT monitoring.schedule_jobs()'), '7', 'twice is no harm');
is($node->safe_psql('postgres', q(SELECT jobname || ' ' || schedule || ' ' || command FROM cron.job
	WHERE jobname IN ('hourly-metrics-aggregation', 'purge-old-monitoring-events') ORDER BY jobname)),
	"hourly-metrics-aggregation 5 * * * * SELECT monitoring.aggregate_hourly_metrics()\n"
	  . 'purge-old-monitoring-events 0 0 * * 0 SELECT public.purge_old_monitoring_events(30)',
	"names, times and commands of the producers' document");
is($node->safe_psql('postgres', q(SELECT string_agg(DISTINCT runner, ' ') FROM monitoring.jobs)),
	'pg_cron', 'pg_cron runs the jobs');

# A run by pg_cron: its grain is a minute.
wait_until($node, q(SELECT last_status FROM monitoring.jobs WHERE job_name = 'queue-check'),
	expect => 'succeeded', timeout => 150, what => 'pg_cron has run one of them');
is($node->safe_psql('postgres', q(SELECT count(*) FROM monitoring_internal.job_runs
	WHERE job_name = 'queue-check' AND last_run_at > (SELECT min(start_time) FROM cron.job_run_details))),
	'0', 'and the worker has not');

is($node->safe_psql('postgres', 'SELECT monitoring.unschedule_jobs()'), '7', 'unschedule_jobs()');
is($node->safe_psql('postgres', q(SELECT DISTINCT runner FROM monitoring.jobs)), 'worker',
	'the worker has them back');
is($node->safe_psql('postgres', 'SELECT count(*) FROM cron.job'), '0', 'and pg_cron none');

# From another database, by pg_cron's own means for that.
is($node->safe_psql('other', 'SELECT monitoring.schedule_jobs()'), '7', 'schedule_jobs() elsewhere');
is($node->safe_psql('postgres', q(SELECT count(*) FROM cron.job WHERE database = 'other')), '7',
	'schedules in the database of pg_cron');
is($node->safe_psql('other', q(SELECT DISTINCT runner FROM monitoring.jobs)), 'pg_cron', 'which runs them');
# A third database has jobs of its own beside them: pg_cron knows a job by its name.
$node->safe_psql('postgres', 'CREATE DATABASE "it\'s third"');
$node->safe_psql("it's third", 'CREATE EXTENSION monitoring');
is($node->safe_psql("it's third", 'SELECT monitoring.schedule_jobs()'), '7', 'schedule_jobs() in a third database');
is($node->safe_psql('postgres', 'SELECT monitoring.schedule_jobs()'), '7', 'and in that of pg_cron');
is($node->safe_psql('postgres', q(SELECT string_agg(database || ' ' || n, ', ' ORDER BY database)
	FROM (SELECT database, count(*) AS n FROM cron.job GROUP BY 1) AS d)), "it's third 7, other 7, postgres 7",
	'pg_cron runs those of each database');
is($node->safe_psql('postgres', 'SELECT monitoring.unschedule_jobs()'), '7', 'unschedule_jobs() there');
is($node->safe_psql("it's third", 'SELECT monitoring.unschedule_jobs()'), '7', 'and in the third');
is($node->safe_psql('postgres', q(SELECT string_agg(DISTINCT database, ' ') FROM cron.job)), 'other',
	'each takes back its own');
is($node->safe_psql('other', 'SELECT monitoring.unschedule_jobs()'), '7', 'unschedule_jobs() elsewhere');
is($node->safe_psql('postgres', 'SELECT count(*) FROM cron.job'), '0', 'takes them back');
is($node->safe_psql('other', q(SELECT DISTINCT runner FROM monitoring.jobs)), 'worker',
	'the worker has them again');
$node->safe_psql('postgres', 'CREATE ROLE stranger LOGIN');
$node->safe_psql('other', 'GRANT USAGE ON SCHEMA monitoring TO stranger;
	GRANT SELECT ON ALL TABLES IN SCHEMA monitoring, monitoring_internal TO stranger;
	GRANT EXECUTE ON FUNCTION monitoring.schedule_jobs() TO stranger');
($status, $out, $err) = $node->psql('other', 'SELECT monitoring.schedule_jobs()',
	extra_params => [ '-U', 'stranger' ]);
like($err, qr/permission denied for schema cron/, 'elsewhere one is who one is here');

my $plain = new_node(name => 'plain');
($status, $out, $err) = $plain->psql('postgres', 'SELECT monitoring.schedule_jobs()');
like($err, qr/pg_cron is not loaded.*HINT:  Add pg_cron to shared_preload_libraries/s,
	'schedule_jobs() without pg_cron');

done_testing();
