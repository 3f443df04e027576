# Every way in which a receiver can fail, for every kind of receiver, at once through one courier: what
# notification_attempts says, and what becomes of the notification.
use strict;
use warnings;

use HttpReceiver;
use IO::Socket::INET;
use JSON::PP qw(encode_json);
use MonitoringTest;
use PostgreSQL::Test::Utils;
use Test::More;

# What each kind takes for success, and the settings that lead it to a URL.
my %kinds = (
	webhook => { ok => {}, settings => {}, url => 'plain' },
	slack => { ok => { body => 'ok' }, settings => {}, url => 'secret' },
	pagerduty => {
		ok => { status => 202, body => '{"status":"success"}' },
		settings => { routing_key => { secret => 'routing-key' } },
		url => 'plain' },
	sentry => {
		ok => { body => '{"id":"1"}' },
		settings => { dsn => { secret => 'dsn' } },
		url => 'plain' },
	sms => {
		ok => { status => 201, body => '{"status":"queued"}' },
		settings => {
			account_sid => 'AC1', auth_token => { secret => 'token' }, from => '+15550100', to => '+15550101' },
		url => 'plain' });

# Faults that every kind takes alike: the answers (undef: as for success), the attempts, the end, and
# what last_error says. `at_least` seconds lie between the first two requests.
my $ok;
my @faults = (
	{ name => 'none', steps => [$ok], attempts => 'sent %d', ends => 'sent' },
	{ name => 'limited', steps => [ { status => 429, headers => { 'Retry-After' => '2' } }, $ok ],
		attempts => 'retry 429 rateLimited, sent %d', ends => 'sent', at_least => 1.9 },
	{ name => 'unavailable', steps => [ { status => 503, headers => { 'Retry-After' => '2' } }, $ok ],
		attempts => 'retry 503 serverError, sent %d', ends => 'sent', at_least => 1.9 },
	{ name => 'broken', steps => [ { status => 500, body => 'oops' }, { status => 502 }, $ok ],
		attempts => 'retry 500 serverError, retry 502 serverError, sent %d', ends => 'sent' },
	{ name => 'impatient', steps => [ { status => 408 }, $ok ],
		attempts => 'retry 408 clientError, sent %d', ends => 'sent' },
	{ name => 'hangs', steps => [ { hang => 1 }, $ok ],
		attempts => 'retry contextDeadlineExceeded, sent %d', ends => 'sent' },
	{ name => 'resets', steps => [ { reset => 1 }, $ok ],
		attempts => 'retry other, sent %d', ends => 'sent' },
	{ name => 'refuses', steps => [ { status => 400, body => 'no such thing' } ],
		attempts => 'dead 400 clientError', ends => 'dead', error => qr/no such thing/ },
	{ name => 'denies', steps => [ { status => 403 } ],
		attempts => 'dead 403 authError', ends => 'dead', error => qr/403/ },
	{ name => 'gone', steps => [ { status => 410 } ],
		attempts => 'dead 410 clientError', ends => 'dead', error => qr/410/ },
	{ name => 'moved', steps => [ { status => 302, headers => { Location => '/elsewhere' } } ],
		attempts => 'dead 302 clientError', ends => 'dead', error => qr/302/ });

# What only some kinds say.
my %own = (
	slack => [
		{ name => 'says no', steps => [ { body => 'invalid_payload' } ],
			attempts => 'dead 200 clientError', ends => 'dead', error => qr/Slack answered: invalid_payload/ },
		{ name => 'says not ok', steps => [ { body => '{"ok":false,"error":"channel_not_found"}' } ],
			attempts => 'dead 200 clientError', ends => 'dead', error => qr/channel_not_found/ } ],
	pagerduty => [
		{ name => 'says why', steps => [ { status => 400, body => '{"errors":["routing_key is wrong"]}' } ],
			attempts => 'dead 400 clientError', ends => 'dead', error => qr/routing_key is wrong/ } ],
	sentry => [
		{ name => 'limits events',
			steps => [ { status => 429, headers => { 'X-Sentry-Rate-Limits' => '2:error;transaction:key' } }, $ok ],
			attempts => 'retry 429 rateLimited, sent %d', ends => 'sent', at_least => 1.9 } ],
	sms => [
		{ name => 'gives up', steps => [ { status => 201, body => '{"status":"failed","error_message":"no route"}' } ],
			attempts => 'dead 201 clientError', ends => 'dead', error => qr/message failed: no route/ },
		{ name => 'says what', steps => [ { status => 400, body => '{"code":21211,"message":"no phone number"}' } ],
			attempts => 'dead 400 clientError', ends => 'dead', error => qr/error 21211: no phone number/ } ]);

my $node = new_node(preload => 1, conf => <<~'CONF');
	monitoring.health_check_interval = '1h'
	monitoring.notification_timeout = '5s'
	monitoring.courier_destination_concurrency = 128
	CONF

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub create
{
	my ($kind, $name, $url) = @_;
	my %settings = (%{ $kinds{$kind}{settings} }, url => $url);
	if ($kinds{$kind}{url} eq 'secret')
	{
		sql("SELECT monitoring.set_secret('$name', '$url')");
		$settings{url} = { secret => $name };
	}
	my $json = encode_json(\%settings);
	return "SELECT monitoring.create_receiver('$name', '$kind', '$json');";
}

sql(q(SELECT monitoring.set_secret('routing-key', '0123456789abcdef0123456789abcdef'),
	monitoring.set_secret('dsn', 'https://public@sentry.example.com/1'), monitoring.set_secret('token', 'sesame')));

my (%cases, %script);
for my $kind (sort keys %kinds)
{
	for my $fault (@faults, @{ $own{$kind} // [] })
	{
		my $name = "$kind $fault->{name}";
		my $path = '/' . $name =~ tr/ /-/r;
		$script{$path} = [ map { $_ // $kinds{$kind}{ok} } @{ $fault->{steps} } ];
		$cases{$name} = { %$fault, path => $path, kind => $kind };
	}
}
my $receiver = HttpReceiver->start(script => \%script);
my $secure = HttpReceiver->start(tls => 1, script => { map { ("/$_" => [ $kinds{$_}{ok} ]) } keys %kinds });
my $closed = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')->sockport;
sql(join '', (map { create($cases{$_}{kind}, $_, $receiver->url($cases{$_}{path})) } sort keys %cases),
	(map { create($_, "$_ untrusted", $secure->url("/$_")), create($_, "$_ closed", "http://127.0.0.1:$closed/") }
		sort keys %kinds));

# All at once.
sql(q(SELECT monitoring.send_test_alert(receiver_name) FROM monitoring.receivers));
wait_until($node, q(SELECT string_agg(receiver || ' ' || status, ', ') FROM monitoring.notifications
	WHERE receiver !~ 'untrusted|closed' AND status NOT IN ('sent', 'dead')), expect => '', what => 'all have ended');

my %told = map { my ($name, @fields) = split /\|/; ($name => \@fields) } split /\n/, sql(<<~'SQL');
	SELECT n.receiver, n.status, string_agg(concat_ws(' ', a.outcome, a.http_status, a.reason), ', ' ORDER BY a.attempt)
	FROM monitoring.notifications AS n JOIN monitoring.notification_attempts AS a ON a.notification_id = n.id
	GROUP BY n.id
	SQL
for my $name (sort keys %cases)
{
	my $case = $cases{$name};
	my $attempts = sprintf $case->{attempts}, $kinds{ $case->{kind} }{ok}{status} // 200;
	is_deeply($told{$name}, [ $case->{ends}, $attempts ], "$name: $case->{ends} after $attempts");
	my @requests = $receiver->requests(path => $case->{path});
	is(scalar @requests, scalar(split /, /, $attempts), "$name: and as many requests");
	cmp_ok($requests[1]{time} - $requests[0]{time}, '>=', $case->{at_least}, "$name: not earlier than it asked")
	  if $case->{at_least};
	next unless $case->{error};
	like(sql("SELECT last_error FROM monitoring.notifications WHERE receiver = '$name'"), $case->{error},
		"$name: and why");
}
is(scalar $receiver->requests(path => '/elsewhere'), 0, 'no redirect was followed');

# Nobody there, or somebody else: never given up before its time, and told apart.
for my $kind (sort keys %kinds)
{
	for my $way ([ 'untrusted', 'certificate' ], [ 'closed', 'connect' ])
	{
		is(sql(qq(SELECT bool_and(a.outcome = 'retry' AND a.http_status IS NULL AND a.reason = 'other'
				AND a.error ~* '$way->[1]') AND max(n.status) IN ('retrying', 'sending')
			FROM monitoring.notifications AS n JOIN monitoring.notification_attempts AS a ON a.notification_id = n.id
			WHERE n.receiver = '$kind $way->[0]')), 't', "$kind $way->[0]: tried again, with the reason");
	}
}
is(scalar $secure->requests, 0, 'nothing was sent to a server whose certificate nobody vouches for');
$node->append_conf('postgresql.conf', "monitoring.ca_file = '@{[ $secure->ca_file ]}'\n");
$node->reload;
sql(q(UPDATE monitoring.notifications SET next_attempt_at = now() WHERE receiver LIKE '% untrusted';
	SELECT monitoring.send_test_alert('webhook none')));
wait_until($node, q(SELECT count(*) FROM monitoring.notifications WHERE receiver LIKE '% untrusted' AND status = 'sent'),
	expect => scalar(keys %kinds), what => 'with the right authority all are sent');

# A success that tells Sentry's limit: sent, and the next one waits for as long as it says, if it is
# about events.
$receiver->script({
	'/sentry-none' => [ { headers => { 'X-Sentry-Rate-Limits' => '60:transaction:key, 3:error:organization' } }, {} ],
	'/sentry-gone' => [ { headers => { 'X-Sentry-Rate-Limits' => '60:transaction:key' } }, {} ] });
my $rounds = scalar $receiver->requests(path => '/sentry-none');
sql(qq(SELECT monitoring.send_test_alert('$_'))) for 'sentry none', 'sentry gone';
wait_until($node, q(SELECT count(*) FROM monitoring.notifications WHERE receiver IN ('sentry none', 'sentry gone')
	AND status = 'sent'), expect => '3', what => 'sentry: both are sent');
sql(qq(SELECT monitoring.send_test_alert('$_'))) for 'sentry none', 'sentry gone';
wait_until($node, q(SELECT count(*) FROM monitoring.notifications WHERE receiver = 'sentry gone' AND status = 'sent'),
	expect => '2', what => 'sentry: a limit of transactions keeps no event back');
wait_until($node, q(SELECT count(*) FROM monitoring.notifications WHERE receiver = 'sentry none' AND status = 'sent'),
	expect => '3', what => 'sentry: a limit of events ends');
my @limited = $receiver->requests(path => '/sentry-none');
cmp_ok($limited[ $rounds + 1 ]{time} - $limited[$rounds]{time}, '>=', 2.9, 'sentry: and was waited for');
is(sql(q(SELECT string_agg(concat_ws(' ', a.outcome, a.http_status, a.reason), ', ')
	FROM monitoring.notifications AS n JOIN monitoring.notification_attempts AS a ON a.notification_id = n.id
	WHERE n.receiver = 'sentry none')), 'sent 200, sent 200, sent 200', 'sentry: without a failed attempt');

$node->stop;
done_testing();
