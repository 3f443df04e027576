# Secrets appear nowhere: after deliveries that failed in every way, by receivers that repeat what they
# were sent, every table and view that a reader or an operator may read, dumps, the server's log at
# debug1, the statements of all sessions and pg_stat_statements are searched for them.
use strict;
use warnings;

use HttpReceiver;
use IO::Socket::INET;
use JSON::PP qw(encode_json);
use MIME::Base64 qw(encode_base64);
use MonitoringTest;
use POSIX ();
use PostgreSQL::Test::Utils;
use SmtpReceiver;
use Test::More;

# Every secret has this in it, so that one search finds them all, and parts of them.
my $needle = 'Sesame7';
my $closed = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')->sockport;
my $receiver = HttpReceiver->start(script => { '*' => [ { status => 400 } ] });
my $mail = SmtpReceiver->start(tls => 1, user => 'alerts', password => 'another');
my $base = $receiver->url('');
my %secrets = (
	'pagerduty-key' => "${needle}PagerDuty0123456789abcdef",
	'slack-url' => $receiver->url("/services/${needle}Slack"),
	'closed-url' => "http://127.0.0.1:$closed/services/${needle}Closed",
	'unresolved-url' => "http://receiver.invalid/${needle}Unresolved",
	'bad-url' => "no url ${needle}BadUrl",
	'bearer' => qq(${needle}"Bearer"),
	'line-break' => "${needle}Header\nwith a line break",
	'basic' => "${needle}Basic",
	'hmac' => "${needle}Hmac",
	'dsn' => "http://${needle}Dsn\@127.0.0.1:" . $receiver->port . '/1',
	'bad-dsn' => "https://${needle}BadDsn\@/",
	'sms-token' => "${needle}Sms",
	'mail-password' => "${needle}Mail");
my $long_echo = ('x' x 2040) . $secrets{'pagerduty-key'};
my $basic = encode_base64("user:$secrets{basic}", '');
my $sms_basic = encode_base64("AC1:$secrets{'sms-token'}", '');

# Each fails as it does, and says what it was sent.
$receiver->script({
	"/services/${needle}Slack" => [ { status => 404, body => "no route /services/${needle}Slack" } ],
	'/pagerduty' => [ { status => 400, body => "no key $secrets{'pagerduty-key'}" } ],
	'/pagerduty-long' => [ { status => 400, body => $long_echo } ],
	'/bearer' => [ { status => 500, body => encode_json({ token => $secrets{bearer} }) }, { status => 401, body => "Bearer $secrets{bearer}" } ],
	'/basic' => [ { status => 401, body => "Authorization: Basic $basic is $secrets{basic}" } ],
	'/hmac' => [ { status => 403, body => $secrets{hmac} } ],
	'/api/1/envelope/' => [ { status => 400, body => $secrets{dsn} } ],
	'/sms' => [ { status => 400, body => encode_json({ code => 20003, message => "$sms_basic $secrets{'sms-token'}" }) } ] });
my %receivers = (
	'pagerduty' => [ 'pagerduty', { routing_key => { secret => 'pagerduty-key' }, url => "$base/pagerduty" } ],
	'pagerduty long' => [ 'pagerduty', { routing_key => { secret => 'pagerduty-key' }, url => "$base/pagerduty-long" } ],
	'slack' => [ 'slack', { url => { secret => 'slack-url' } } ],
	'closed' => [ 'slack', { url => { secret => 'closed-url' } } ],
	'unresolved' => [ 'slack', { url => { secret => 'unresolved-url' } } ],
	'bad url' => [ 'webhook', { url => { secret => 'bad-url' } } ],
	'bearer' => [ 'webhook', { url => "$base/bearer", bearer_token => { secret => 'bearer' } } ],
	'line break' => [ 'webhook', { url => "$base/bearer", bearer_token => { secret => 'line-break' } } ],
	'basic' => [ 'webhook', { url => "$base/basic", username => 'user', password => { secret => 'basic' } } ],
	'hmac' => [ 'webhook', { url => "$base/hmac", hmac_secret => { secret => 'hmac' } } ],
	'sentry' => [ 'sentry', { dsn => { secret => 'dsn' } } ],
	'bad dsn' => [ 'sentry', { dsn => { secret => 'bad-dsn' } } ],
	'sms' => [ 'sms', { account_sid => 'AC1', auth_token => { secret => 'sms-token' }, from => '+15550100',
		to => '+15550101', url => "$base/sms" } ],
	'mail' => [ 'email', { from => 'a@x.example', to => 'b@x.example', url => $mail->url, username => 'alerts',
		password => { secret => 'mail-password' } } ],
	'missing' => [ 'slack', { url => { secret => 'never-set' } } ]);

my $node = new_node(preload => 'monitoring,pg_stat_statements', conf => <<~"CONF");
	log_statement = none
	log_min_messages = debug1
	log_error_verbosity = verbose
	pg_stat_statements.track = all
	monitoring.health_check_interval = '1h'
	monitoring.notification_timeout = '5s'
	monitoring.ca_file = '@{[ $mail->ca_file ]}'
	CONF

sub sql { return $node->safe_psql('postgres', $_[0]); }

my $log_start = -s $node->logfile;
for my $name (sort keys %secrets)
{
	sql("SELECT monitoring.set_secret('$name', '$secrets{$name}')");
}
my $file = $node->basedir . '/secret';
append_to_file($file, "${needle}File\n");
sql("SELECT monitoring.set_secret_from_file('from-file', '$file')");
# What is refused is not in the log either, nor is the statement.
my $fifo = $node->basedir . '/fifo';
POSIX::mkfifo($fifo, 0644) or die "mkfifo: $!";
append_to_file($node->basedir . '/no-text', "${needle}\0x");
my $long_name = 'n' x 201;
for my $refused ("SELECT monitoring.set_secret('$long_name', '${needle}Refused')",
	"SELECT monitoring.set_secret('', '${needle}Refused')", "SELECT monitoring.set_secret(NULL, '${needle}Refused')",
	"SELECT monitoring.set_secret('n', repeat('${needle}Refused', 10000))",
	"INSERT INTO monitoring.secrets (secret_name, secret_value) VALUES ('$long_name', '${needle}Refused')",
	"INSERT INTO monitoring.secrets (secret_name, secret_value) VALUES (NULL, '${needle}Refused')",
	"INSERT INTO monitoring.secrets (secret_name, secret_value, in_vault) VALUES ('n', '${needle}Refused', true)",
	"SELECT monitoring.set_secret_from_file('n', '$fifo')", "SELECT monitoring.set_secret_from_file('n', '" . $node->basedir . "/no-text')")
{
	my ($refusal, undef, $said) = $node->psql('postgres', "\\set VERBOSITY verbose\n$refused");
	isnt($refusal, 0, 'refused: ' . substr($refused, 0, 60));
	unlike($said =~ s/^LINE.*//mgr, qr/$needle/, 'without its value');
}
my $tells = '';
for my $name (sort keys %receivers)
{
	my ($kind, $settings) = @{ $receivers{$name} };
	$tells .= "SELECT monitoring.create_receiver('$name', '$kind', '" . encode_json($settings) . "');
		SELECT monitoring.send_test_alert('$name');";
}
sql('CREATE EXTENSION pg_stat_statements;' . $tells);

# What is wrong with a setting is said without it.
my ($status, $out, $err) = $node->psql('postgres', "SET log_min_error_statement = panic;
	\\set VERBOSITY verbose
	SELECT monitoring.create_receiver('literal', 'pagerduty', '{\"routing_key\": \"${needle}Literal\"}')");
like($err, qr/set_secret/, 'a literal where a secret belongs is refused with a hint');
unlike($err =~ s/^LINE.*//mgr, qr/$needle/, 'which does not repeat it');

wait_until($node, q(SELECT string_agg(receiver, ', ') FROM monitoring.notifications WHERE attempts = 0),
	expect => '', what => 'all have been tried');
wait_until($node, q(SELECT attempts > 1 FROM monitoring.notifications WHERE receiver = 'bearer'),
	what => 'one of them twice');
is(sql(q(SELECT count(*) FROM monitoring.notifications WHERE status = 'sent')), '0', 'and none was sent');
is(sql(q(SELECT string_agg(n.receiver, ', ' ORDER BY n.receiver) FROM monitoring.notification_attempts AS a
		JOIN monitoring.notifications AS n ON n.id = a.notification_id
		WHERE a.attempt = 1 AND (a.error LIKE '%[secret]%' OR a.response LIKE '%[secret]%'))),
	'basic, bearer, hmac, pagerduty, pagerduty long, sentry, slack, sms',
	'what the receivers repeat is struck out');
is(sql(q(SELECT last_error FROM monitoring.notifications WHERE receiver = 'basic')),
	'unexpected HTTP status 401: Authorization: Basic [secret] is [secret]', 'in the middle of the rest');
like(sql(q(SELECT last_error FROM monitoring.notifications WHERE receiver = 'missing')), qr/"never-set"/,
	'a secret that is missing is told by its name');
is(sql(q(SELECT count(*) > 5 FROM monitoring.worker_issues WHERE issue_type = 'notification_dead')), 't',
	'what is given up is an issue');

# Every relation that a role may read, and the statements of all sessions (pg_stat_statements is in public).
sql(qq{CREATE ROLE reader LOGIN; CREATE ROLE operator LOGIN;
	SELECT monitoring.grant_access('reader', 'reader'), monitoring.grant_access('operator', 'operator');
	GRANT pg_monitor TO operator;
	CREATE SCHEMA hunt;
	CREATE TABLE hunt.needle AS SELECT 'sesame' || 7 AS word;
	GRANT USAGE ON SCHEMA hunt TO PUBLIC; GRANT SELECT ON hunt.needle TO PUBLIC;
	CREATE FUNCTION hunt.found(OUT relation text, OUT searched boolean) RETURNS SETOF record LANGUAGE plpgsql AS \$\$
	DECLARE columns text;
	BEGIN
		FOR relation, columns IN SELECT a.attrelid::regclass, string_agg(format('%I', a.attname), ', ')
			FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
			WHERE c.relkind IN ('r', 'p', 'v', 'm') AND a.attnum > 0 AND NOT a.attisdropped
				AND (c.relnamespace IN ('monitoring'::regnamespace, 'public'::regnamespace) OR c.relname LIKE 'pg_stat_a%')
				AND has_schema_privilege(c.relnamespace, 'usage')
				AND has_column_privilege(a.attrelid, a.attnum, 'select')
			GROUP BY a.attrelid
		LOOP
			searched := NULL;
			EXECUTE format('SELECT bool_or(strpos(lower(t::text), word) > 0) FROM (SELECT %s FROM %s) AS t, hunt.needle', columns, relation)
				INTO searched;
			RETURN NEXT;
		END LOOP;
	END \$\$;});

for my $role ('reader', 'operator', $ENV{USER} // 'nobody')
{
	my $as = $role =~ /reader|operator/ ? $role : undef;
	my $found = $node->safe_psql('postgres', q(SELECT count(*) || ' ' || coalesce(string_agg(relation, ', ') FILTER (WHERE searched), '-') FROM hunt.found()),
		extra_params => $as ? [ '-U', $as ] : []);
	my ($searched, $where) = split / /, $found, 2;
	cmp_ok($searched, '>', 40, ($as // 'superuser') . ": $searched relations searched");
	is($where, $as ? '-' : 'monitoring.secrets', ($as // 'superuser') . ': found nowhere else than in the secrets');
}
for my $role (qw(reader operator))
{
	my ($code, $got, $refused) = $node->psql('postgres', 'SELECT * FROM monitoring.secrets', extra_params => [ '-U', $role ]);
	like($refused, qr/permission denied/, "$role: not from the table of secrets");
	is($node->safe_psql('postgres', q(SELECT (public.get_system_health()::text || coalesce(string_agg(w::text, ''), '')) ~ 'Sesame'
		FROM monitoring.worker_status AS w), extra_params => [ '-U', $role ]), 'f', "$role: nor from health");
}

# Dumps and the log.
for my $how ('--quote-all-identifiers', '--data-only')
{
	my ($text) = run_command([ 'pg_dump', $how, '--exclude-schema=hunt', '-d', $node->connstr('postgres') ]);
	like($text, qr/pagerduty long/, "a dump ($how) has the receivers");
	is(join("\n", grep { /$needle/i } split /\n/, $text), '', 'and no secret');
}
my $log = slurp_file($node->logfile, $log_start);
like($log, qr/DEBUG:/, 'the log says a lot');
is(join("\n", grep { /$needle/i } split /\n/, $log), '', 'and no secret');

$node->stop;
done_testing();
