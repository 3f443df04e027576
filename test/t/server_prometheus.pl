# Prometheus itself: promtool finds nothing wrong, scrapes under load do not fail, in both formats,
# and what Prometheus has stored is what the database counts.
#   SCRAPE_SECONDS=60   for longer than the few seconds of an ordinary run
use strict;
use warnings;

use IPC::Run ();
use JSON::PP qw(decode_json);
use Metrics;
use MonitoringTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();

my $seconds = $ENV{SCRAPE_SECONDS} // 4;
my $port = http_port();
my $node = new_node(preload => 1, conf => <<"EOF");
monitoring.http_port = $port
monitoring.rls_context_settings = 'app.tenant_id'
EOF
$node->safe_psql('postgres', <<'EOF');
SELECT monitoring.define_metric('jobs_total', 'counter', 'Jobs "done" with a \ and
a line break.');
SELECT monitoring.counter_inc('jobs_total', 1, '{"queue": "a\"b\\c\nd", "shard": 1}');
SELECT monitoring.gauge_set('depth', 'Infinity');
SELECT monitoring.histogram_observe('render_seconds', 0.3);
SELECT set_config('app.tenant_id', 'a', false);
EOF
$node->psql('postgres', 'SELECT 1 / 0');

my $text = http_get($port, '/metrics')->{content};
is(promtool_complaints($text), '', 'promtool check metrics');

# Databases that mean different things by one name: all are on the page.
$node->safe_psql('postgres', q(CREATE DATABASE v2));
$node->safe_psql('v2', q(CREATE EXTENSION monitoring));
$node->safe_psql('postgres', q(SELECT monitoring.gauge_set('tenants_down', 7), monitoring.gauge_set('spans_count', 1)));
$node->safe_psql('v2', q(SELECT monitoring.counter_inc('tenants_down'), monitoring.histogram_observe('spans', 1),
	monitoring.counter_inc('monitoring_process_up')));
my $shared = http_get($port, '/metrics')->{content};
like($shared, qr/^tenants_down\{datname="postgres"\} 7$/m, "one database's gauge");
like($shared, qr/^tenants_down\{datname="v2"\} 1$/m, "beside another's counter");
like($shared, qr/^spans_count\{datname="postgres"\} 1$/m, 'a gauge of the name of a count');
like($shared, qr/^spans_count\{datname="v2"\} 1$/m, 'beside the count');
like($shared, qr/^monitoring_process_up\{datname="v2",role="worker"\} 1$/m, 'our own names stay ours');
like($shared, qr/^exported_monitoring_process_up\{datname="v2"\} 1$/m, "and who takes them is shown, too");
is(promtool_complaints($shared) =~ s/^exported_\S* counter metrics should have.*\n?//mr, '', 'promtool reads it');
my $conflict = q(SELECT coalesce(max(reason), '') FROM monitoring.health_findings WHERE check_name = 'metric_name_conflict');
like($node->safe_psql('postgres', $conflict), qr/"spans_count \(gauge\)", "tenants_down \(gauge\)"$/, 'health says who disagrees');
like($node->safe_psql('v2', $conflict),
	qr/"monitoring_process_up \(as exported_monitoring_process_up\)", "spans \(histogram\)", "tenants_down \(counter\)"$/,
	'in each of the databases');
$node->safe_psql('postgres', q(DROP DATABASE v2));
wait_until($node, $conflict, expect => '', what => 'and nothing more when they are one');
my $open = http_get($port, '/metrics', Accept => 'application/openmetrics-text; version=1.0.0')->{content};
is(openmetrics_complaints($open), '', 'a strict parser of OpenMetrics takes it');
isnt(openmetrics_complaints($text), '', 'as it does not take the text format');
like($text, qr/^rls_context_set_duration_ms_count\{/m, 'of all of them');
$node->safe_psql('postgres', q(SELECT monitoring.enable_pack('host'), monitoring.enable_pack('postgres');
	UPDATE monitoring.collectors SET every = '1 second'));

my $folder = $node->basedir;
my $proxy_port;
my $proxy = IPC::Run::start([ 'python3', 'test/receivers/text_format_proxy.py', $port ], '>', \my $said, '2>', \my $proxy_err);
$proxy->pump until $said =~ /^(\d+)\n/ && ($proxy_port = $1);
append_to_file("$folder/prometheus.yml", <<"EOF");
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
- {job_name: openmetrics, static_configs: [{targets: ['127.0.0.1:$port']}]}
- {job_name: text, static_configs: [{targets: ['127.0.0.1:$proxy_port']}]}
EOF
my $web = http_port();
my $prometheus = IPC::Run::start([ 'prometheus', "--config.file=$folder/prometheus.yml",
	"--storage.tsdb.path=$folder/prometheus", "--web.listen-address=127.0.0.1:$web", '--log.level=debug' ],
	'>', \my $web_out, '2>', \my $log);

sub query
{
	my ($promql) = @_;
	my $escaped = join '', map { sprintf '%%%02X', ord } split //, $promql;
	my $answer = http_get($web, "/api/v1/query?query=$escaped");
	return [] if $answer->{status} != 200;
	return decode_json($answer->{content})->{data}{result};
}

# What a query gives for both jobs, once it is as expected.
sub wait_for_query
{
	my ($promql, $expected, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $deadline = Time::HiRes::time() + $PostgreSQL::Test::Utils::timeout_default;
	my $found;
	do
	{
		Time::HiRes::sleep(0.1);
		$found = { map { $_->{metric}{job} => $_->{value}[1] } @{ query($promql) } };
	} until (keys %$found == 2 && !grep { $_ ne $expected } values %$found) || Time::HiRes::time() > $deadline;
	is_deeply($found, { openmetrics => $expected, text => $expected }, $what) or diag($log);
}

wait_for_query('up', 1, 'Prometheus scrapes both');
my $script = "$folder/load.sql";
append_to_file($script, "SELECT monitoring.counter_inc('jobs_total', 1, '{\"queue\": \"load\"}');\n");
$node->command_ok([ 'pgbench', '-n', '-c', '2', '-T', $seconds, '-f', $script, 'postgres' ], 'load');

wait_for_query("count_over_time(up[1h]) > bool $seconds", 1, 'about as many scrapes as seconds');
# A machine that is busy with other things may be late; that is no fault of what is scraped.
my @failures = grep { /Scrape failed|Error on ingest|append failed/i && !/deadline exceeded/ } split /\n/, $log;
is_deeply(\@failures, [], 'no scrape failed');
my $samples = samples($port);
is($samples->{'jobs_total{datname="postgres",queue="load"}'},
	$node->safe_psql('postgres', q(SELECT value FROM monitoring.metrics WHERE metric_name = 'jobs_total' AND labels ->> 'queue' = 'load')),
	'the endpoint has what the database has counted');
wait_for_query('jobs_total{queue="load"}', $samples->{'jobs_total{datname="postgres",queue="load"}'}, 'and so has Prometheus');
wait_for_query('jobs_total{shard="1"}', 1, 'labels with quotes, backslashes and line breaks are no trouble');
wait_for_query('depth', '+Inf', 'nor is infinity');
wait_for_query('errors_total{sqlstate_class="22"}', 1, 'the error was counted');
wait_for_query('render_seconds_bucket{le="0.5"}', 1, 'and the observation');
wait_for_query('sum by (job) (rate(database_query_duration_seconds_count[10m])) > bool 0', 1, 'statements have a rate');
wait_for_query('database_connection_pool_size', $node->safe_psql('postgres', 'SHOW max_connections'), 'the pool its size');

# Document 004's expressions for the machine, and which of its rules would fire at any value.
wait_for_query("count by (job) (100 - (avg by (job) (irate(node_cpu_seconds_total{mode='idle'}[5m])) * 100) >= -1)", 1,
	'CPU usage');
wait_for_query('count by (job) ((1 - (node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)) * 100 > 0 < 100)', 1,
	'memory usage');
wait_for_query('count by (job) (rate(pg_stat_database_xact_commit{datname="postgres"}[5m]) > 0)', 1,
	'counters keep the names that the exporters gave them, in both formats');

$prometheus->kill_kill;
$proxy->kill_kill;
done_testing();
