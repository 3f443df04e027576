# Probes, asked by the courier of real servers: good ones, slow, closed, broken and wrong ones.
use strict;
use warnings;

use HttpReceiver;
use IO::Socket::INET;
use JSON::PP qw(encode_json);
use MonitoringTest;
use PostgreSQL::Test::Utils;
use SmtpReceiver;
use Test::More;

my $receiver = HttpReceiver->start;
my $other = HttpReceiver->start(script => { '/private' => [ {} ] });
$receiver->script({
	'/ok' => [ { body => 'all is well' } ],
	'/500' => [ { status => 500 } ],
	'/hang' => [ { hang => 1 } ],
	'/slow' => [ { delay_ms => 700 } ],
	'/reset' => [ { reset => 1 } ],
	'/moved' => [ { status => 302, headers => { Location => '/ok' } } ],
	'/circle' => [ { status => 302, headers => { Location => '/circle' } } ],
	'/metadata' => [ { status => 302, headers => { Location => 'http://169.254.169.254/' } } ],
	'/elsewhere' => [ { status => 302, headers => { Location => $other->url('/private') } } ],
});
my $secure = HttpReceiver->start(tls => 1);
my $stranger = HttpReceiver->start(tls => 1);
my $expired = HttpReceiver->start(tls => 1, days => -1);
my $mail = SmtpReceiver->start;
my $authorities = PostgreSQL::Test::Utils::tempdir . '/authorities.pem';
append_to_file($authorities, slurp_file($_->ca_file)) for $secure, $expired;
chmod 0644, $authorities;
my $node = new_node(preload => 1, conf => "monitoring.ca_file = '$authorities'\n");

sub sql { return $node->safe_psql('postgres', $_[0]); }

# A port that nobody listens on.
my $closed = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1');
my $closed_port = $closed->sockport;
close $closed;

sql("SELECT monitoring.set_secret('key', 'open sesame')");
my %probes = (
	ok => { url => $receiver->url('/ok'), expect_body => 'al{2} is\s' },
	status => { url => $receiver->url('/500') },
	wanted_500 => { url => $receiver->url('/500'), expect_status => 500 },
	body => { url => $receiver->url('/ok'), expect_body => '^well' },
	hang => { url => $receiver->url('/hang'), timeout => '500 ms' },
	slow => { url => $receiver->url('/slow') },
	reset => { url => $receiver->url('/reset') },
	closed => { url => "http://127.0.0.1:$closed_port/" },
	moved => { url => $receiver->url('/moved') },
	followed => { url => $receiver->url('/moved'), max_redirects => 1, expect_body => 'well' },
	circle => { url => $receiver->url('/circle'), max_redirects => 3 },
	metadata => { url => $receiver->url('/metadata'), max_redirects => 1 },
	secret => { url => $receiver->url('/ok'), headers => encode_json(
		{ Authorization => { secret => 'key' }, 'X-Plain' => 'text' }) },
	elsewhere => { url => $receiver->url('/elsewhere'), max_redirects => 1, headers => encode_json(
		{ Authorization => { secret => 'key' }, 'X-Plain' => 'text' }) },
	no_secret => { url => $receiver->url('/ok'),
		headers => encode_json({ Authorization => { secret => 'none' } }) },
	https => { url => $secure->url('/') },
	untrusted => { url => $stranger->url('/') },
	expired => { url => $expired->url('/') },
	smtp => { url => 'smtp://127.0.0.1:' . $mail->{port} },
	smtp_silent => { url => 'smtp://127.0.0.1:' . $receiver->port, timeout => '500 ms' },
	tcp => { url => 'tcp://127.0.0.1:' . $receiver->port },
	tcp_closed => { url => "tcp://127.0.0.1:$closed_port" },
	tls => { url => 'tls://127.0.0.1:' . $secure->port },
);
sql(join ';', map {
	my $probe = { timeout => '20 s', %{ $probes{$_} } };
	my @columns = sort keys %$probe;
	sprintf "INSERT INTO monitoring.probes (probe_name, every, %s) VALUES ('%s', '1 hour', %s)",
	  join(', ', @columns), $_, join(', ', map { "\$t\$$probe->{$_}\$t\$" } @columns);
} sort keys %probes);

wait_until($node, 'SELECT count(*) FROM monitoring.probe_state WHERE probed_at IS NOT NULL',
	expect => scalar keys %probes, what => 'every probe is made');

my %expected = (
	ok => qr/^t\|200\|$/,
	status => qr/^f\|500\|HTTP status 500 instead of one from 200 to 299$/,
	wanted_500 => qr/^t\|500\|$/,
	body => qr/^f\|200\|the answer does not match expect_body$/,
	hang => qr/^f\|\|timeout: /,
	slow => qr/^t\|200\|$/,
	reset => qr/^f\|\|reset: /,
	closed => qr/^f\|\|connect: /,
	moved => qr/^f\|302\|HTTP status 302 instead of/,
	followed => qr/^t\|200\|$/,
	circle => qr/^f\|302\|HTTP status 302 instead of/,
	metadata => qr/^f\|\|refused_address: the address 169\.254\.169\.254 /,
	secret => qr/^t\|200\|$/,
	elsewhere => qr/^t\|200\|$/,
	no_secret => qr/^f\|\|secret "none" is not set$/,
	https => qr/^t\|200\|$/,
	untrusted => qr/^f\|\|tls: /,
	expired => qr/^f\|\|tls: .*expired/,
	smtp => qr/^t\|\|$/,
	smtp_silent => qr/^f\|\|timeout: /,
	tcp => qr/^t\|\|$/,
	tcp_closed => qr/^f\|\|connect: /,
	tls => qr/^t\|\|$/,
);
for my $name (sort keys %expected)
{
	like(sql("SELECT success, http_status, error FROM monitoring.probe_results
		WHERE probe_name = '$name'"), $expected{$name}, "probe $name");
}

is(sql(q(SELECT duration_ms >= 700 FROM monitoring.probe_results WHERE probe_name = 'slow')), 't',
	'how long the answer took');
is(sql(q(SELECT string_agg(name, ' ' ORDER BY name COLLATE "C") FROM (SELECT s.key AS name
	FROM jsonb_each(monitoring.health_check() -> 'services') AS s
	WHERE s.value ->> 'status' = 'disconnected') AS down)),
	join(' ', sort grep { $expected{$_} =~ /\^f/ } keys %expected),
	'health_check() knows which services are down');

# What the servers got.
my ($with_secret) = grep { ($_->{headers}{authorization} // '') ne '' } $receiver->requests;
is($with_secret->{headers}{authorization}, 'open sesame', 'a header by secret is sent');
is($with_secret->{headers}{'x-plain'}, 'text', 'and a plain one');
my ($private) = $other->wait_for_requests(1, path => '/private');
is($private->{headers}{authorization}, undef, 'a secret does not follow a redirect to another host');
is($private->{headers}{'x-plain'}, 'text', 'a plain header does');
is(scalar(grep { $_->{path} eq '/circle' } $receiver->requests), 4,
	'so many redirects are followed as may be');
is(sql(q(SELECT count(*) FROM monitoring.probe_results WHERE error LIKE '%sesame%')), '0',
	'no secret in a result');

# Metrics under blackbox_exporter's names.
is(sql(q(SELECT string_agg(probe_name, ' ' ORDER BY probe_name) FROM monitoring.probe_state
	WHERE certificate_expires_at > now())), 'https tls', 'the expiry of certificates is known');
sql(q(SELECT monitoring.run_collector('probes/results')));
is(sql(q(SELECT string_agg(metric_name || ' ' || round(metric_value), ', ' ORDER BY metric_name)
	FROM (SELECT DISTINCT ON (metric_name) metric_name, metric_value FROM monitoring.pipeline_metrics
		WHERE tags = '{"probe": "ok"}' ORDER BY metric_name, "timestamp" DESC) AS m
	WHERE metric_name <> 'probe_duration_seconds')),
	'probe_http_status_code 200, probe_success 1', 'as measurements');
is(sql(q(SELECT count(*) FROM monitoring.preview_collector('probes/results')
	WHERE metric_name = 'probe_ssl_earliest_cert_expiry' AND value > extract(epoch FROM now()))),
	'2', 'and the earliest expiry');

# Uptime: over the days that are whole from their counts, at both ends from the results.
is(sql(q(SELECT monitoring.uptime('ok'), monitoring.uptime('status'), monitoring.uptime('nobody'))),
	'100.0000|0.0000|', 'uptime of what was just probed');
sql(q(INSERT INTO monitoring.probe_days VALUES ('days', '2026-01-02', 100, 99),
	('days', '2026-01-03', 100, 100), ('days', '2026-01-01', 1000, 0);
	INSERT INTO monitoring.probe_results (probe_name, probed_at, success, duration_ms)
	SELECT 'days', '2026-01-04 00:00+00'::timestamptz + n * interval '1 minute', n > 10, 1
	FROM generate_series(0, 99) AS n));
is(sql(q(SELECT monitoring.uptime('days', '72 hours', '2026-01-04 12:00+00'))),
	'96.0000', 'uptime over days and parts of days: 288 of 300');
is(sql(q(SELECT monitoring.uptime('days', '1 hour', '2026-01-04 00:30+00'))), '64.5161',
	'uptime within a day: 20 of 31');

# A change is seen at once, and a probe that is disabled is not made.
sql(q(UPDATE monitoring.probes SET enabled = false;
	UPDATE monitoring.probe_state SET next_probe_at = now();
	UPDATE monitoring.probes SET enabled = true, url = ') . $receiver->url('/500') . q(', every = '1 h'
	WHERE probe_name = 'ok'));
wait_until($node, q(SELECT success, http_status FROM monitoring.probe_state WHERE probe_name = 'ok'),
	expect => 'f|500', what => 'a changed probe is made anew');
is(sql(q(SELECT count(*) FROM monitoring.probe_results WHERE probe_name = 'status')), '1',
	'and a disabled one is not');

# What cannot be.
for my $wrong (
	[ "'a', 'ftp://x'", qr/URL scheme "ftp" is not supported/ ],
	[ "'a', 'tcp://x'", qr/url names no port/ ],
	[ "'a', 'http://u:p\@x'", qr/user/ ])
{
	my (undef, undef, $error) = $node->psql('postgres',
		"INSERT INTO monitoring.probes (probe_name, url) VALUES ($wrong->[0])");
	like($error, $wrong->[1], "refused: $wrong->[0]");
}
for my $wrong (
	[ 'expect_body', '(', qr/expect_body is no RE2 expression/ ],
	[ 'headers', '{"A": 1}', qr/values are text without control characters, or secrets/ ],
	[ 'headers', '{"A": "x\r\ny"}', qr/text without control characters/ ],
	[ 'headers', '[]', qr/headers_is_object/ ])
{
	my (undef, undef, $error) = $node->psql('postgres',
		"INSERT INTO monitoring.probes (probe_name, url, $wrong->[0]) VALUES ('a', 'http://x', '$wrong->[1]')");
	like($error, $wrong->[2], "refused: $wrong->[0] $wrong->[1]");
}

$node->stop;
done_testing();
