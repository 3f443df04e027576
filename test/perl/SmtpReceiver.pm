# A local SMTP server (test/receivers/smtp_receiver.py) and what it took.
#
#   my $server = SmtpReceiver->start(tls => 1, user => 'alerts', password => 'right');
#   ... $server->url ... $server->ca_file ...
#   my @mails = $server->mails;    # sender, recipients, data, tls, user
package SmtpReceiver;

use strict;
use warnings;
use parent 'ReceiverProcess';

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp ();
use IPC::Run ();
use JSON::PP ();

my $program = abs_path(dirname(__FILE__) . '/../receivers/smtp_receiver.py');

# Arguments: tls (STARTTLS is offered and asked for), implicit (TLS from the first byte), user and
# password (AUTH is asked for).
sub start
{
	my ($class, %args) = @_;
	my $folder = File::Temp->newdir('mail-XXXXXX', TMPDIR => 1);
	my $self = bless {
		folder => $folder,
		log => "$folder/mails.jsonl",
		scheme => $args{implicit} ? 'smtps' : 'smtp',
	}, $class;
	my @command = ($program, '--log' => $self->{log});
	push @command, '--tls' => "$folder/tls" if $args{tls} || $args{implicit};
	push @command, '--implicit' if $args{implicit};
	push @command, '--user' => $args{user}, '--password' => $args{password} if defined $args{user};
	# It serves until its standard input ends, which this process holds.
	my ($in, $out, $err) = ('', '', '');
	my $timeout = IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default // 60);
	$self->{process} = IPC::Run::start([ '/usr/bin/python3', @command ], '<', \$in, '>', \$out, '2>', \$err, $timeout);
	$self->{process}->pump until $out =~ /^port (\d+)$/m || !$self->{process}->pumpable;
	$out =~ /^port (\d+)$/m or die "the SMTP server did not start: $err";
	$self->{port} = $1;
	$timeout->reset;
	return $self;
}

sub url { return "$_[0]{scheme}://localhost:$_[0]{port}"; }
sub smarthost { return "localhost:$_[0]{port}"; }

# The certificate of the CA that signed this server's.
sub ca_file { return "$_[0]{folder}/tls/ca.pem"; }

# The mails that it took, oldest first.
sub mails
{
	my ($self) = @_;
	open my $in, '<', $self->{log} or return;
	return map { JSON::PP::decode_json($_) } grep { /\n\z/ } <$in>;
}

1;
