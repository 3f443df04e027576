# From a queued notification to an answer, good or bad: what the receiver got and what
# notification_attempts says.
use strict;
use warnings;

use HttpReceiver;
use IO::Socket::INET;
use JSON::PP qw(decode_json encode_json);
use MonitoringTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();

my $receiver = HttpReceiver->start(
	script => {
		'/busy' => [ { status => 429, headers => { 'Retry-After' => '2' } }, {} ],
		'/wrong' => [ { status => 400, body => 'no such channel ' . ('x' x 5000) } ],
		'/moved' => [ { status => 307, headers => { Location => '/elsewhere' } } ],
		'/big' => [ { body_bytes => 10_000_000, status => 503 }, {} ],
		'/bigok' => [ { body_bytes => 10_000_000 } ],
		'/endless' => [ { endless => 1 } ],
		'/hang' => [ { hang => 1 }, {} ],
	});
# Its connections are not kept: a kept one that is reset is replaced without a word (the unit tests).
my $failing = HttpReceiver->start(script => {
		'/failing' => [ { status => 503, headers => { Connection => 'close' } }, { reset => 1 }, {} ],
	});
my $secure = HttpReceiver->start(tls => 1);
my $node = new_node(preload => 1, conf => "monitoring.health_check_interval = '1h'
monitoring.external_url = 'https://m.example/d'
");
my $other_ca = HttpReceiver->start(tls => 1);

sub sql { return $node->safe_psql('postgres', $_[0]); }

# Arguments after the URL are more settings.
sub create
{
	my ($name, @url) = @_;
	my $settings = encode_json({ url => @url });
	sql("SELECT monitoring.create_receiver('$name', 'webhook', '$settings')");
	return;
}

# The attempts of a notification, as "outcome status reason" lines.
sub attempts
{
	my ($id) = @_;
	return sql("SELECT concat_ws(' ', outcome, http_status, reason)
		FROM monitoring.notification_attempts WHERE notification_id = $id ORDER BY attempt");
}

sub ends_as
{
	my ($id, $status, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($node, "SELECT status FROM monitoring.notifications WHERE id = $id",
		expect => $status, what => $what);
}

# End to end, woken at commit.
create('ops', $receiver->url('/ops'));
my $started = Time::HiRes::time();
my $id = sql("SELECT monitoring.send_test_alert('ops')");
my ($request) = $receiver->wait_for_requests(1, path => '/ops');
cmp_ok(Time::HiRes::time() - $started, '<', 30, 'a notification leaves with its commit, not with a timer');
my $body = decode_json($request->{body});
is($request->{method}, 'POST', 'it is posted');
is($request->{headers}{'content-type'}, 'application/json', 'as JSON');
is($body->{version}, '4', "in Alertmanager's version 4");
is($body->{alerts}[0]{labels}{alertname}, 'MonitoringTestAlert', 'with its alert');
is($body->{receiver}, 'ops', 'and its receiver');
is($body->{externalURL}, 'https://m.example/d', 'with a link to the monitoring');
like($body->{alerts}[0]{generatorURL},
	qr{^https://m\.example/d\?alertname=MonitoringTestAlert&fingerprint=[0-9a-f]{16}$}, 'and to the alert');
ends_as($id, 'sent', 'and recorded as sent');
is(attempts($id), 'sent 200', 'with its attempt');
is(sql("SELECT attempts || ' ' || (sent_at IS NOT NULL) || ' ' || (leased_by IS NULL)
	FROM monitoring.notifications WHERE id = $id"), '1 true true', 'and no lease left');
wait_until($node, q(SELECT count(*) FROM monitoring.worker_status WHERE role = 'courier' AND pid > 0),
	expect => '1', what => 'the courier shows in worker_status');

# A transaction that does not commit sends nothing; one that does is heard by the same courier.
my $pid = sql(q(SELECT pid FROM monitoring.worker_status WHERE role = 'courier'));
sql(q(BEGIN; SELECT monitoring.send_test_alert('ops'); ROLLBACK));
$started = Time::HiRes::time();
sql(q(SELECT monitoring.send_test_alert('ops')));
my @ops = $receiver->wait_for_requests(2, path => '/ops');
cmp_ok(Time::HiRes::time() - $started, '<', 30, 'a courier that is there is woken by the commit');
is(scalar @ops, 2, 'nothing came of the transaction that was rolled back');
is($ops[1]{connection}, $ops[0]{connection}, 'the connection is kept');

# Answers that are tried again.
create($_, $receiver->url("/$_")) for qw(busy wrong moved big bigok endless);
create('failing', $failing->url('/failing'));
create('hang', $receiver->url('/hang'), timeout_ms => 2000);
create('slow', $receiver->url('/slow'), timeout_ms => 60_000);
my %ids = map { $_ => sql("SELECT monitoring.send_test_alert('$_')") }
  qw(busy failing wrong moved big bigok endless hang);
ends_as($ids{busy}, 'sent', '429: tried again');
is(attempts($ids{busy}), "retry 429 rateLimited\nsent 200", 'and what the attempts say');
my @busy = $receiver->wait_for_requests(2, path => '/busy');
cmp_ok($busy[1]{time} - $busy[0]{time}, '>=', 1.9, 'not before Retry-After');
ends_as($ids{failing}, 'sent', '503 and a reset: tried again');
is(attempts($ids{failing}), "retry 503 serverError\nretry other\nsent 200", 'and the attempts');

# Answers that are final.
ends_as($ids{wrong}, 'dead', '400: given up');
is(attempts($ids{wrong}), 'dead 400 clientError', 'at once');
is(sql("SELECT length(response) BETWEEN 2000 AND 2048 AND response LIKE 'no such%'
	FROM monitoring.notification_attempts WHERE notification_id = $ids{wrong}"),
	't', 'the head of the answer is kept');
ends_as($ids{moved}, 'dead', 'a redirect is not followed');
is(attempts($ids{moved}), 'dead 307 clientError', 'it is an answer like any other')
  or diag(attempts($ids{moved}));
is(scalar(grep { $_->{path} eq '/elsewhere' } $receiver->requests), 0, 'nobody went elsewhere');

# Answers that are too long, or never come.
ends_as($ids{big}, 'sent', 'an answer of 10 MB with 503: tried again');
like(sql("SELECT error FROM monitoring.notification_attempts
	WHERE notification_id = $ids{big} AND attempt = 1"), qr/larger than 1048576 bytes/, 'cut off');
ends_as($ids{bigok}, 'sent', 'an answer of 10 MB with 200: the receiver has it');
ends_as($ids{endless}, 'sent', 'an answer that never ends, with 200: the receiver has it');
ends_as($ids{hang}, 'sent', 'no answer: tried again');
like(attempts($ids{hang}), qr/^(retry contextDeadlineExceeded\n)+sent 200$/, 'after the time limit');

# Nobody there.
my $closed = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')->sockport;
my %unreachable = (
	closed => [ "http://127.0.0.1:$closed/", qr/connect/i ],
	unknown => [ 'http://receiver.invalid/', qr/resolve/i ],
	wrong_certificate => [ $secure->url('/'), qr/certificate/i ]);
for my $name (sort keys %unreachable)
{
	my ($url, $why) = @{ $unreachable{$name} };
	create($name, $url);
	my $lost = sql("SELECT monitoring.send_test_alert('$name')");
	wait_until($node, "SELECT attempts > 0 FROM monitoring.notifications WHERE id = $lost",
		what => "$name: tried");
	is(sql("SELECT outcome FROM monitoring.notification_attempts WHERE notification_id = $lost AND attempt = 1"),
		'retry', 'to be retried');
	like(sql("SELECT last_error FROM monitoring.notifications WHERE id = $lost"), $why, 'and why');
}
is(scalar($secure->requests), 0, 'nothing was sent to the server with the wrong certificate');

# Addresses that are refused, however they are written.
my @refused = ('http://169.254.169.254/latest', 'http://[::ffff:169.254.169.254]/', 'http://0xa9fea9fe/',
	'http://[fd00:ec2::254]/', 'http://100.100.100.200/', 'http://0.0.0.0/');
for my $i (0 .. $#refused)
{
	create("refused$i", $refused[$i]);
	my $lost = sql("SELECT monitoring.send_test_alert('refused$i')");
	ends_as($lost, 'dead', "$refused[$i] is refused");
	like(sql("SELECT last_error FROM monitoring.notifications WHERE id = $lost"), qr/metadata/, 'and why');
}

# A dead one goes back into the queue.
$receiver->script({ '*' => [ {} ] });
sql("SELECT monitoring.retry_notification($ids{wrong})");
ends_as($ids{wrong}, 'sent', 'retry_notification(): sent after all');
is(attempts($ids{wrong}), "dead 400 clientError\nsent 200", 'its attempts go on counting');

# TLS with the right authority.
$node->append_conf('postgresql.conf', "monitoring.ca_file = '@{[$secure->ca_file]}'\n");
$node->reload;
sql("UPDATE monitoring.notifications SET next_attempt_at = now() WHERE receiver = 'wrong_certificate'");
sql(q(SELECT monitoring.send_test_alert('ops')));
wait_until($node, q(SELECT status FROM monitoring.notifications WHERE receiver = 'wrong_certificate'),
	expect => 'sent', what => 'the right certificate authority');

# No transaction is open while a request is in flight, and nobody waits for it.
$receiver->script({ '/slow' => [ { hold => 1 } ] });
my $slow = sql(q(SELECT monitoring.send_test_alert('slow')));
$receiver->wait_for_requests(1, path => '/slow', what => 'a request is in flight');
wait_until($node, q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'monitoring courier'
	AND (xact_start IS NOT NULL OR backend_xmin IS NOT NULL)), expect => '0', what => 'without a transaction');
$id = sql(q(SELECT monitoring.send_test_alert('ops')));
ends_as($id, 'sent', 'another receiver');
is(sql("SELECT status FROM monitoring.notifications WHERE id = $slow"), 'sending', 'does not wait for it');
$receiver->script({});
ends_as($slow, 'sent', 'the slow one is sent, too');

$node->stop;
done_testing();
