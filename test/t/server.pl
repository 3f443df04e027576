# The HTTP server: paths, formats, tokens, limits, and what it says when the database is not well.
use strict;
use warnings;

use HTTP::Tiny;
use IO::Socket::INET;
use IO::Uncompress::Gunzip qw(gunzip);
use IPC::Run ();
use JSON::PP qw(decode_json);
use Metrics;
use MonitoringTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();

my $port = http_port();
my $node = new_node(preload => 1, conf => <<"EOF");
monitoring.http_port = $port
monitoring.health_check_interval = '1s'
EOF

# Polls a path until it has this status; returns the answer.
sub wait_for_status
{
	my ($path, $status, $what, %headers) = @_;
	my $deadline = Time::HiRes::time() + $PostgreSQL::Test::Utils::timeout_default;
	my $answer;
	while (1)
	{
		$answer = http_get($port, $path, %headers);
		last if $answer->{status} == $status || Time::HiRes::time() > $deadline;
		Time::HiRes::sleep(0.05);
	}
	is($answer->{status}, $status, $what) or diag($answer->{content});
	return $answer;
}

sub connection { return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port); }

wait_until($node, q(SELECT state FROM monitoring.worker_status WHERE role = 'server' AND last_error IS NULL),
	expect => 'running', what => 'worker_status shows the server');
wait_until($node, q(SELECT checked_at IS NOT NULL FROM monitoring.health_state), what => 'health was looked at');

# Health, as documents print it.
my $health = wait_for_status('/health', 200, '/health is 200');
is($health->{headers}{'content-type'}, 'application/json', 'and JSON');
my $json = decode_json($health->{content});
is($json->{status}, 'healthy', 'the status');
is($json->{services}{database}{status}, 'connected', 'the database is connected');
like($json->{services}{database}{latency_ms}, qr/^[\d.e-]+$/, 'with its latency');
is($json->{services}{worker}{status}, 'running', 'the worker runs');
cmp_ok($json->{databases}{postgres}{age_seconds}, '<', 3, 'and its word is fresh');
is(join(' ', sort keys %{ $json->{metrics} }),
	'active_connections cpu_usage_percent job_queue_size memory_usage_mb', 'its metrics');
cmp_ok($json->{metrics}{memory_usage_mb}, '>', 0, 'memory in use');
wait_until($node, q(SELECT (monitoring.health_check() #>> '{metrics,cpu_usage_percent}')::int BETWEEN 0 AND 100),
	what => 'CPUs, once the worker has looked twice');
like(decode_json(http_get($port, '/health')->{content})->{metrics}{cpu_usage_percent}, qr/^\d+$/, 'which /health says, too');
is(join(' ', sort keys %$json), 'databases metrics services status timestamp uptime version', 'all of it');
# What is probed is a service, too. One that is down is a warning.
$node->safe_psql('postgres', qq(INSERT INTO monitoring.probes (probe_name, url)
	VALUES ('web', 'http://127.0.0.1:$port/live'), ('cache', 'tcp://127.0.0.1:1'), ('worker', 'tcp://127.0.0.1:1')));
sub health_when
{
	my ($is_so) = @_;
	my $deadline = Time::HiRes::time() + $PostgreSQL::Test::Utils::timeout_default;
	my $said;
	do { $said = decode_json(http_get($port, '/health')->{content}); Time::HiRes::sleep(0.1) }
		until $is_so->($said) || Time::HiRes::time() > $deadline;
	return $said;
}
$json = health_when(sub { 2 == grep { ($_[0]{services}{$_}{status} // 'unknown') ne 'unknown' } qw(web cache) });
is(join(', ', map { "$_ $json->{services}{$_}{status}" } qw(cache web worker)),
	'cache disconnected, web connected, worker running', 'probed services in /health');
cmp_ok($json->{services}{web}{latency_ms}, '>', 0, 'with their latency');
is("$json->{status} @{ $json->{databases}{postgres}{reasons} }", 'warning service_down', 'one that is down is a warning');
$node->safe_psql('postgres', 'DELETE FROM monitoring.probes');
is(health_when(sub { $_[0]{status} eq 'healthy' })->{status}, 'healthy', 'without them all is well again');
my $short = decode_json(http_get($port, '/api/v1/health')->{content});
is(join(', ', map { $short->{$_} } qw(status database cache version)),
	'healthy, connected, not_configured, ' . $json->{version}, '/api/v1/health in four words');
is($json->{version}, $node->safe_psql('postgres',
	q(SELECT default_version FROM pg_available_extensions WHERE name = 'monitoring')), 'the version');

is(decode_json(wait_for_status('/live', 200, '/live is 200')->{content})->{status}, 'alive', 'alive');
is(decode_json(wait_for_status('/ready', 200, '/ready is 200')->{content})->{status}, 'ready', 'ready');
foreach my $alias (qw(check liveness readiness metrics))
{
	is(http_get($port, "/trpc/health.$alias")->{status}, 200, "/trpc/health.$alias");
}
is(http_get($port, '/nothing')->{status}, 404, 'any other path is 404');

# Formats of /metrics.
my $text = http_get($port, '/metrics');
is($text->{headers}{'content-type'}, 'text/plain; version=0.0.4; charset=utf-8', 'the text format');
like($text->{content}, qr/^db_connections_idle\{datname="postgres"\} \d+$/m, 'has samples with datname');
my $open = http_get($port, '/metrics', Accept => 'application/openmetrics-text; version=1.0.0');
is($open->{headers}{'content-type'}, 'application/openmetrics-text; version=1.0.0; charset=utf-8',
	'OpenMetrics for who asks');
like($open->{content}, qr/\n# EOF\n\z/, 'to its end');
my $packed = http_get($port, '/metrics', 'Accept-Encoding' => 'gzip');
is($packed->{headers}{'content-encoding'}, 'gzip', 'gzip for who accepts it');
gunzip(\$packed->{content}, \my $unpacked);
like($unpacked, qr/^# TYPE db_connections_idle gauge$/m, 'and it is the text');
my $head = HTTP::Tiny->new->head("http://127.0.0.1:$port/metrics");
is($head->{status}, 200, 'HEAD');
cmp_ok($head->{headers}{'content-length'}, '>', 1000, 'tells the length');
my $post = HTTP::Tiny->new->post("http://127.0.0.1:$port/metrics", { content => 'x' });
is($post->{status}, 405, 'POST is 405');
is($post->{headers}{allow}, 'GET, HEAD', 'and told what is allowed');

# Peers that are not what they should be.
# As many processes as it takes, each below the usual limit of open files.
my @crowd;
foreach (1 .. 11)
{
	my $said = '';
	my $process = IPC::Run::start([ 'python3', 'test/receivers/crowd.py', $port, 910 ], '>', \$said);
	push @crowd, { process => $process, said => \$said };
}
foreach my $one (@crowd)
{
	$one->{process}->pump until ${ $one->{said} } =~ /\n/;
	is(${ $one->{said} }, "910 connected\n", 'one of eleven crowds has connected');
}
foreach my $path (qw(/live /ready /health /metrics))
{
	is(http_get($port, $path)->{status}, 200, "10,000 silent connections keep nobody from $path");
}
$_->{process}->kill_kill foreach @crowd;
my $rude = connection();
print $rude "GET /live HTTP/1.1\r\nHost: x\r\nX: " . ('a' x 1_000_000);
$rude->shutdown(1);
local $/ = undef;
unlike(<$rude> // '', qr/ 200 /, 'a megabyte of headers is no request');
my $pipelining = connection();
print $pipelining "GET /live HTTP/1.1\r\nHost: x\r\n\r\n" x 2 . "GET /live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
is(scalar(() = <$pipelining> =~ /"alive"/g), 3, 'three requests in one packet have three answers');
$/ = "\n";

# What is critical is 503; so is what nobody has looked at for three intervals, as when a lock keeps
# the worker from it. The server itself waits for nothing.
my $issue = $node->safe_psql('postgres',
	q(SELECT monitoring.log_worker_issue('mailer', 'down', 'it is down', 'critical')));
$json = decode_json(wait_for_status('/health', 503, 'a critical issue is 503')->{content});
is($json->{status}, 'critical', 'critical');
is_deeply($json->{databases}{postgres}{reasons}, ['critical_issues'], 'with the reason');
$node->safe_psql('postgres', "SELECT monitoring.resolve_worker_issue('$issue', 'up')");
wait_for_status('/health', 200, 'and 200 when it is resolved');

my $locker = $node->background_psql('postgres');
$locker->query_safe('BEGIN; LOCK TABLE monitoring.health_state');
$json = decode_json(wait_for_status('/health', 503, 'a locked table makes it stale')->{content});
ok((grep { $_ eq 'stale' } @{ $json->{databases}{postgres}{reasons} }), 'which is a reason');
is(decode_json(http_get($port, '/api/v1/health')->{content})->{database}, 'not responding', 'in a word');
is(http_get($port, '/live')->{status}, 200, 'while the server lives');
$locker->query_safe('COMMIT');
$locker->quit;
wait_for_status('/health', 200, 'and recovers');

# A token for what tells something.
my $token_file = $node->basedir . '/token';
append_to_file($token_file, "s3cret\n");
$node->safe_psql('postgres', "ALTER SYSTEM SET monitoring.http_token_file = '$token_file'");
$node->reload;
my $refused = wait_for_status('/metrics', 401, 'with a token file /metrics is 401');
is($refused->{headers}{'www-authenticate'}, 'Bearer', 'and asks for a bearer token');
is(http_get($port, '/health', Authorization => 'Bearer wrong')->{status}, 401, 'a wrong one does not do');
is(http_get($port, '/health', Authorization => 'Bearer s3cret')->{status}, 200, 'the right one does');
is(http_get($port, '/metrics', Authorization => 'Bearer s3cret')->{status}, 200, 'also for /metrics');
is(http_get($port, '/live')->{status}, 200, '/live asks for none');
is(http_get($port, '/ready')->{status}, 200, 'nor does /ready');
unlink $token_file;
$node->reload;
wait_for_status('/metrics', 401, 'without its file nothing is right', Authorization => 'Bearer s3cret');
wait_until($node, q(SELECT last_error ~ 'could not read a token' FROM monitoring.worker_status WHERE role = 'server'),
	what => 'and worker_status says so');
# Nor is what is no file; and none of it is waited for.
use POSIX ();
my $fifo = $node->basedir . '/fifo';
POSIX::mkfifo($fifo, 0644) or die "mkfifo: $!";
for my $no_file ($fifo, $node->basedir, '/dev/zero')
{
	$node->safe_psql('postgres', "ALTER SYSTEM SET monitoring.http_token_file = '$no_file'");
	$node->reload;
	wait_until($node, qq(SELECT last_error LIKE '%"$no_file" is no regular file'
		FROM monitoring.worker_status WHERE role = 'server'), what => "$no_file is no token file");
	is(http_get($port, '/live')->{status}, 200, 'the server answers');
	is(http_get($port, '/metrics')->{status}, 401, 'and tells nothing');
}
$node->safe_psql('postgres', 'ALTER SYSTEM RESET monitoring.http_token_file');
$node->reload;
wait_for_status('/metrics', 200, 'open again');

# A port that somebody else has: said, tried again, and never a crash.
my $second = new_node(preload => 1, conf => "monitoring.http_port = $port\n");
my $server = q(FROM monitoring.worker_status WHERE role = 'server');
wait_until($second, "SELECT last_error FROM monitoring.worker_status WHERE role = 'server'",
	expect => "could not listen on address \"127.0.0.1\", port $port: Address already in use",
	what => 'a taken port is said in worker_status');
my $pid = $second->safe_psql('postgres', "SELECT pid $server");
my $ready = HTTP::Tiny->new->get("http://127.0.0.1:$port/ready");
is($ready->{status}, 200, 'the first server has not noticed');
$node->stop;
wait_for_status('/live', 200, 'the second takes over when the first is gone');
is($second->safe_psql('postgres', "SELECT pid, last_error $server"), "$pid|", 'in the same process, content');

# After a crash of the whole cluster the port is had again at once.
$second->append_conf('postgresql.conf', "restart_after_crash = on\n");
$second->reload;
my $victim = $second->background_psql('postgres', on_error_stop => 0);
kill 'KILL', $victim->query_safe('SELECT pg_backend_pid()');
wait_until($second, "SELECT pid <> $pid $server", what => 'a new server after a crash');
wait_for_status('/live', 200, 'which answers');
eval { $victim->quit };

done_testing();
