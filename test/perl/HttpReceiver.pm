# A local HTTP or HTTPS receiver that answers by a script (test/receivers/http_receiver.py).
#
#   my $receiver = HttpReceiver->start(tls => 0, script => { '/hook' => [ { status => 503 }, {} ] });
#   ... $receiver->url('/hook') ...
#   my @requests = $receiver->wait_for_requests(2, path => '/hook');
#   like($requests[1]{body}, qr/"status":"firing"/, 'the second request has the alert');
package HttpReceiver;

use strict;
use warnings;
use parent 'ReceiverProcess';

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp ();
use IPC::Run ();
use JSON::PP ();
use Test::More;
use Time::HiRes ();

my $program = abs_path(dirname(__FILE__) . '/../receivers/http_receiver.py');

# Arguments: tls (serve HTTPS), names (array of names in the certificate), days (until it expires),
# script, port.
sub start
{
	my ($class, %args) = @_;
	my $folder = File::Temp->newdir('receiver-XXXXXX', TMPDIR => 1);
	my $self = bless {
		folder => $folder,
		log => "$folder/requests.jsonl",
		scheme => $args{tls} ? 'https' : 'http',
	}, $class;
	$self->script($args{script} // {});

	my @command = (
		'python3', $program,
		'--log' => $self->{log},
		'--script' => "$folder/script.json",
		'--port' => $args{port} // 0);
	push @command, '--tls' => "$folder/tls" if $args{tls};
	push @command, '--days' => $args{days} if defined $args{days};
	push @command, map { ('--name' => $_) } @{ $args{names} // [] };
	my ($out, $err) = ('', '');
	my $timeout = IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default // 60);
	$self->{process} = IPC::Run::start(\@command, '<', \undef, '>', \$out, '2>', \$err, $timeout);
	$self->{process}->pump until $out =~ /^port (\d+)$/m || !$self->{process}->pumpable;
	$out =~ /^port (\d+)$/m or die "the receiver did not start: $err";
	$self->{port} = $1;
	$timeout->reset;
	return $self;
}

sub port { return $_[0]{port}; }

sub url
{
	my ($self, $path, $host) = @_;
	return "$self->{scheme}://" . ($host // '127.0.0.1') . ":$self->{port}" . ($path // '/');
}

# The certificate of the CA that signed this receiver's (HTTPS only).
sub ca_file { return "$_[0]{folder}/tls/ca.pem"; }

# Replaces the script, { path => [ step, ... ] }; steps are described in http_receiver.py.
sub script
{
	my ($self, $steps) = @_;
	my $file = "$self->{folder}/script.json";
	open my $out, '>', "$file.new" or die "$file.new: $!";
	print $out JSON::PP->new->canonical->encode($steps);
	close $out or die "$file.new: $!";
	rename "$file.new", $file or die "$file: $!";
	return;
}

# All requests so far, oldest first, as hashes: method, path, headers, body, answer, time, connection.
# With path => '/x' those to that path.
sub requests
{
	my ($self, %args) = @_;
	open my $in, '<', $self->{log} or return;
	my @all = map { JSON::PP::decode_json($_) } grep { /\n\z/ } <$in>;
	return @all unless defined $args{path};
	return grep { $_->{path} eq $args{path} } @all;
}

# A test in itself: waits until there are at least $count requests and returns them all.
# Arguments: path, timeout (seconds), what (the test's name).
sub wait_for_requests
{
	my ($self, $count, %args) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $timeout = $args{timeout} // $PostgreSQL::Test::Utils::timeout_default // 60;
	my $what = $args{what} // "$count request(s) arrive" . ($args{path} ? " at $args{path}" : '');
	my $deadline = Time::HiRes::time() + $timeout;
	my @requests;
	while (1)
	{
		@requests = $self->requests(%args);
		last if @requests >= $count || Time::HiRes::time() > $deadline;
		Time::HiRes::sleep(0.05);
	}
	ok(@requests >= $count, $what)
	  or diag(scalar(@requests) . " request(s) after $timeout s; all that came:\n"
		  . join("\n", map { "  $_->{method} $_->{path}: $_->{answer}" } $self->requests));
	return @requests;
}

1;
