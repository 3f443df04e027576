# Mail through a real SMTP server: STARTTLS, implicit TLS, AUTH, and every way in which the server says
# no. What it took, and what notification_attempts says.
use strict;
use warnings;

use Encode qw(decode);
use JSON::PP qw(encode_json);
use MIME::QuotedPrint qw(decode_qp);
use MonitoringTest;
use PostgreSQL::Test::Utils;
use SmtpReceiver;
use Test::More;

my $starttls = SmtpReceiver->start(tls => 1, user => 'alerts', password => 'right-password');
my $implicit = SmtpReceiver->start(implicit => 1, user => 'alerts', password => 'right-password');
my $plain = SmtpReceiver->start;
my $untrusted = SmtpReceiver->start(tls => 1);

# One authority for both: the file may hold several.
my $node = new_node(preload => 1, start => 0);
my $authorities = $node->basedir . '/authorities.pem';
append_to_file($authorities, slurp_file($starttls->ca_file) . slurp_file($implicit->ca_file));
$node->append_conf('postgresql.conf', <<~"CONF");
	monitoring.health_check_interval = '1h'
	monitoring.notification_timeout = '5s'
	monitoring.ca_file = '$authorities'
	CONF
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION monitoring');

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub create
{
	my ($name, %settings) = @_;
	my $json = encode_json({ from => 'Alerts <alerts@db.example>', to => 'ops@x.example', %settings });
	sql("SELECT monitoring.create_receiver('$name', 'email', '$json', true)");
	return;
}

# Queues a notification of one alert and returns its id.
sub queue_mail
{
	my ($name, $group, $status, %alert) = @_;
	my $json = encode_json({ alerts => [ { status => $status, startsAt => '2026-01-02T03:04:05Z', %alert } ] });
	return sql("SELECT monitoring_internal.queue_notification('$name', '$group', \$json\$$json\$json\$)");
}

sub attempts_of
{
	my ($name) = @_;
	return sql("SELECT string_agg(concat_ws(' ', a.outcome, a.http_status, a.reason), ', ' ORDER BY a.attempt)
		FROM monitoring.notifications AS n JOIN monitoring.notification_attempts AS a ON a.notification_id = n.id
		WHERE n.receiver = '$name'");
}

# A mail as { headers => { name => [values] }, text, html }, unfolded and decoded.
sub parse
{
	my ($mail) = @_;
	my ($head, $body) = split /\r\n\r\n/, $mail->{data}, 2;
	$head =~ s/\r\n[ \t]+/ /g;
	my %parsed = (headers => {});
	for my $line (split /\r\n/, $head)
	{
		my ($name, $value) = split /: ?/, $line, 2;
		push @{ $parsed{headers}{ lc $name } }, decode('MIME-Header', $value);
	}
	my ($boundary) = $parsed{headers}{'content-type'}[0] =~ /boundary="([^"]+)"/;
	for my $part (split /--\Q$boundary\E(?:--)?\r\n/, $body)
	{
		my ($part_head, $content) = split /\r\n\r\n/, $part, 2;
		next unless $part_head =~ m{text/(plain|html)};
		$parsed{ $1 eq 'plain' ? 'text' : 'html' } = decode('UTF-8', decode_qp($content));
	}
	return \%parsed;
}

sql(q(SELECT monitoring.set_secret('password', 'right-password'), monitoring.set_secret('wrong', 'wrong-password')));
my %login = (username => 'alerts', password => { secret => 'password' });
create('starttls', smarthost => $starttls->smarthost, %login, subject_prefix => '[db]');
create('implicit', url => $implicit->url, %login);
create('plain', url => $plain->url, require_tls => JSON::PP::false);
create('greylisted', url => $plain->url, require_tls => JSON::PP::false, to => 'greylisted@x.example');
create('unknown', url => $plain->url, require_tls => JSON::PP::false, to => 'no.such@x.example');
create('refused', url => $plain->url, require_tls => JSON::PP::false, subject_prefix => 'refuse');
create('later', url => $plain->url, require_tls => JSON::PP::false, to => [ 'greylisted@later.example', 'ops@later.example', 'no.such@later.example' ]);
create('some', url => $plain->url, require_tls => JSON::PP::false, to => [ 'no.such@x.example', 'ops@x.example' ]);
create('intruder', url => $starttls->url, username => 'alerts', password => { secret => 'wrong' });
create('anonymous', url => $starttls->url);
create('downgrade', url => $plain->url, to => 'secret@x.example');
create('untrusted', url => $untrusted->url);
create('not tls', url => 'smtps://' . $plain->smarthost);
create('spoken to in clear', url => 'smtp://' . $implicit->smarthost);

# Text and HTML, with what either must not take literally; one thread to a group.
my %alert = (
	labels => { alertname => 'Füllstand', severity => 'critical', host => '<b>&db' },
	annotations => { summary => "a dot:\n.\n..and \x{20AC}", description => 'x' x 2000 });
queue_mail('starttls', 'g1', 'firing', %alert);
queue_mail('starttls', 'g1', 'resolved', %alert, endsAt => '2026-01-02T04:04:05Z');
queue_mail('starttls', 'g2', 'firing', labels => { %{ $alert{labels} }, host => 'second' });
queue_mail('starttls', 'g2', 'firing', labels => { alertname => "Injected\r\nBcc: evil\@x.example\r\n\r\nbody" });
sql(qq(SELECT monitoring.send_test_alert('$_'))) for qw(implicit plain greylisted unknown refused some later intruder
	anonymous downgrade untrusted), 'not tls', 'spoken to in clear';
wait_until($node, q(SELECT string_agg(receiver || ' ' || status, ', ') FROM monitoring.notifications
	WHERE status NOT IN ('sent', 'dead') AND attempts = 0), expect => '', what => 'all have been tried');
wait_until($node, q(SELECT count(*) FROM monitoring.notifications WHERE receiver = 'starttls' AND status = 'sent'),
	expect => '4', what => 'four mails were taken over STARTTLS');

# Groups have no order among each other: sorted as they were queued.
my %rank = (Injected => 3, second => 2, resolved => 1);
sub rank_of
{
	my $text = parse($_[0])->{text};
	return (map { $rank{$_} } grep { $text =~ /$_/ } qw(Injected second resolved))[0] // 0;
}
my @mails = sort { rank_of($a) <=> rank_of($b) } $starttls->mails;
is(scalar @mails, 4, 'each of them once');
is_deeply([ map { "$_->{sender} @{$_->{recipients}} $_->{user}" } @mails ],
	[ ('alerts@db.example ops@x.example alerts') x 4 ], 'with their envelope, after AUTH');
is(scalar(grep { $_->{tls} } @mails), 4, 'encrypted');
is(scalar(grep { $_->{data} =~ /[^\r]\n|\r[^\n]/ } @mails), 0, 'lines end with CRLF');
is(scalar(grep { length > 998 } map { split /\r\n/, $_->{data} } @mails), 0, 'and are no longer than SMTP allows');
my @parsed = map { parse($_) } @mails;
my $first = $parsed[0];
like($first->{headers}{subject}[0], qr/^\[db\] .*Füllstand/, 'the subject, decoded');
is($first->{headers}{from}[0], '"Alerts" <alerts@db.example>', 'the sender');
is($first->{headers}{to}[0], 'ops@x.example', 'the recipient');
like($first->{headers}{'content-type'}[0], qr{^multipart/alternative}, 'two parts');
like($first->{text}, qr/a dot:\r?\n\s*\.\r?\n\s*\.\.and \x{20AC}/, 'the text part, dots and all');
like($first->{text}, qr/<b>&db/, 'is no HTML');
like($first->{html}, qr/&lt;b&gt;&amp;db/, 'the HTML part escapes labels');
unlike($first->{html}, qr/<b>&db/, 'everywhere');
like($first->{html}, qr/x{2000}/, 'and cuts nothing');
my @threads = map { $_->{headers}{references}[0] } @parsed;
like($threads[0], qr/^<alert-[0-9a-f]{16}-\d{4}-\d\d-\d\d\@db\.example>$/, 'a thread');
is($threads[1], $threads[0], 'to each group');
isnt($threads[2], $threads[0], 'another one to another group');
is_deeply([ map { $_->{headers}{'in-reply-to'}[0] } @parsed ], \@threads, 'named twice');
my %ids = map { $_->{headers}{'message-id'}[0] => 1 } @parsed;
is(scalar keys %ids, 4, 'every mail has an id of its own');
is(scalar(grep { ($_->{headers}{'auto-submitted'}[0] // '') eq 'auto-generated' } @parsed), 4,
	'nobody answers by machine');

# An alert cannot write headers.
is($parsed[3]{headers}{bcc}, undef, 'a line break in a label makes no header');
is(join(',', @{ $mails[3]{recipients} }), 'ops@x.example', 'nor a recipient');
like($parsed[3]{headers}{subject}[0], qr/Injected/, 'the alert arrives all the same');

# Nor can settings.
for my $bad ({ from => "a\@x.example\r\nBcc: evil\@x.example" }, { to => "a\@x.example>\r\nRCPT TO:<evil\@x.example" },
	{ reply_to => "a\@x.example\nX-Evil: 1" }, { url => "smtp://host:25\r\n" }, { from => "A\r\nBcc: b <a\@x.example>" })
{
	my $json = encode_json({ from => 'a@x.example', to => 'b@x.example', url => $plain->url, %$bad });
	my ($status, $out, $err) =
	  $node->psql('postgres', "\\set VERBOSITY sqlstate\nSELECT monitoring.create_receiver('bad', 'email', '$json')");
	like($err, qr/ERROR:  22023/, 'refused: ' . join(' ', %$bad) =~ s/[\r\n]+/ /gr);
}
create('prefixed', url => $plain->url, require_tls => JSON::PP::false, subject_prefix => "a\r\nBcc: evil\@x.example");
sql(q(SELECT monitoring.send_test_alert('prefixed')));
wait_until($node, q(SELECT status FROM monitoring.notifications WHERE receiver = 'prefixed'), expect => 'sent',
	what => 'a subject prefix with a line break');
is(parse(($plain->mails)[-1])->{headers}{bcc}, undef, 'makes no header either');

# Taken, at once or later.
wait_until($node, q(SELECT count(*) FROM monitoring.notifications WHERE receiver IN ('implicit', 'plain', 'greylisted', 'some')
	AND status = 'sent'), expect => '4', what => 'and the others');
is(attempts_of('implicit'), 'sent 250', 'TLS from the first byte');
is(join(' ', map { "$_->{tls} $_->{user}" } $implicit->mails), '1 alerts', 'with AUTH');
is(attempts_of('plain'), 'sent 250', 'without TLS where that is allowed');
is(attempts_of('greylisted'), 'retry 451 serverError, sent 250', '4yz is tried again');
is(attempts_of('some'), 'sent 250 clientError', 'of two recipients the one that exists');
like(sql("SELECT last_error FROM monitoring.notifications WHERE receiver = 'some'"),
	qr/^not taken for no\.such\@\S+ \(550 5\.1\.1 no such user\)$/, 'and who does not have it');
is(sql(q(SELECT details ->> 'receiver' FROM monitoring.worker_issues
	WHERE issue_type = 'recipient_refused' AND resolved IS NOT TRUE AND details ->> 'receiver' = 'some')), 'some', 'which is an issue');

# One of the recipients is taken later: by a mail of its own, and the others get no second one.
wait_until($node, q(SELECT string_agg(address || ' ' || status || ' ' || attempts, ', ' ORDER BY id) FROM monitoring.notifications WHERE receiver = 'later'),
	expect => ' sent 1, greylisted@later.example sent 2', what => 'a recipient refused for now gets it later');
my @later = grep { "@{$_->{recipients}}" =~ /later\.example/ } $plain->mails;
is(join(' | ', map { "@{$_->{recipients}}" } @later), 'ops@later.example | greylisted@later.example', 'each of them once');
is(parse($later[1])->{headers}{'message-id'}[0], parse($later[0])->{headers}{'message-id'}[0], 'the same mail');
like(sql(q(SELECT last_error FROM monitoring.notifications WHERE receiver = 'later' AND address = '')),
	qr/^not taken for greylisted\@later\.example \(451 4\.7\.1 greylisted\); no\.such\@later\.example \(550 [^)]*\); sent again to those refused for now$/,
	'which the first one says');
is(scalar(grep { $_->{tls} } $plain->mails), 0, 'the server without TLS had none');

# Final.
is(attempts_of('unknown'), 'dead 550 clientError', '5yz for the recipient is final');
is(attempts_of('refused'), 'dead 554 clientError', '5yz for the message is final');
is(sql(q(SELECT last_error FROM monitoring.notifications WHERE receiver = 'unknown')),
	'SMTP reply: 550 5.1.1 no such user', 'with the reply');
is(attempts_of('anonymous') =~ s/,.*//r, 'dead 530 clientError', 'AUTH that is asked for and not configured is final');

# To be mended at either end: tried again.
for my $case (
	[ 'intruder', 'retry 535 authError', qr/login|auth/i ],
	[ 'downgrade', 'retry other', qr/STARTTLS/ ],
	[ 'untrusted', 'retry other', qr/certificate/ ],
	[ 'not tls', 'retry other', qr/SSL|TLS/ ],
	[ 'spoken to in clear', 'retry contextDeadlineExceeded', qr/tim/i ])
{
	my ($name, $attempt, $why) = @$case;
	like(attempts_of($name), qr/^\Q$attempt\E/, "$name: tried again");
	like(sql("SELECT last_error FROM monitoring.notifications WHERE receiver = '$name'"), $why, "$name: and why");
}
is(scalar(() = $untrusted->mails), 0, 'nothing was sent to the server that nobody vouches for');
is(scalar(grep { "@{$_->{recipients}}" =~ /secret/ } $plain->mails), 0, 'nor in clear to the one without STARTTLS');
sql(q(SELECT monitoring.set_secret('wrong', 'right-password');
	UPDATE monitoring.notifications SET next_attempt_at = now() WHERE receiver = 'intruder';
	SELECT monitoring.send_test_alert('plain')));
wait_until($node, q(SELECT status FROM monitoring.notifications WHERE receiver = 'intruder'), expect => 'sent',
	what => 'with the right password it is sent');

$node->stop;
done_testing();
