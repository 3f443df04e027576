# A host's name is no way around the refused addresses: what counts is the address that the courier
# has connected to.  nss_wrapper answers for the names, as a hostile name server would.
use strict;
use warnings;

use HttpReceiver;
use MonitoringTest;
use PostgreSQL::Test::Utils;
use Test::More;

my ($wrapper) = glob '/usr/lib/*/libnss_wrapper.so';
BAIL_OUT('libnss_wrapper.so is not there: install libnss-wrapper') unless defined $wrapper;

my %refused = (
	'metadata.example' => '169.254.169.254',
	'mapped.example' => '::ffff:169.254.169.254',
	'aws6.example' => 'fd00:ec2::254',
	'alibaba.example' => '100.100.100.200',
	'zero.example' => '0.0.0.0',
	'link.example' => 'fe80::1');
my $folder = PostgreSQL::Test::Utils::tempdir();
append_to_file("$folder/hosts",
	join('', map { "$refused{$_} $_\n" } sort keys %refused) . "127.0.0.1 inside.example\n");

my $receiver = HttpReceiver->start;
my $node;
{
	# For the server and what it starts, not for this program's own children.
	local $ENV{LD_PRELOAD} = $wrapper;
	local $ENV{NSS_WRAPPER_HOSTS} = "$folder/hosts";
	$node = new_node(preload => 1, extension => 0, conf => "monitoring.health_check_interval = '1h'\n");
}
$node->safe_psql('postgres', 'CREATE EXTENSION monitoring');

sub queue_for
{
	my ($name, $url) = @_;
	$node->safe_psql('postgres', "SELECT monitoring.create_receiver('$name', 'webhook',
		jsonb_build_object('url', '$url'))");
	return $node->safe_psql('postgres', "SELECT monitoring.send_test_alert('$name')");
}

# The names are answered for at all.
my $id = queue_for('inside', $receiver->url('/', 'inside.example'));
wait_until($node, "SELECT status FROM monitoring.notifications WHERE id = $id",
	expect => 'sent', what => 'a name of a loopback address is delivered to');
my ($request) = $receiver->wait_for_requests(1);
like($request->{headers}{host}, qr/^inside\.example:/, 'under its name');

for my $name (sort keys %refused)
{
	$id = queue_for($name, "http://$name/latest/meta-data/");
	wait_until($node, "SELECT status FROM monitoring.notifications WHERE id = $id",
		expect => 'dead', what => "$name, which is $refused{$name}, is refused");
	like($node->safe_psql('postgres', "SELECT last_error FROM monitoring.notifications WHERE id = $id"),
		qr/metadata/, 'and why');
}

# The courier does not use a proxy that the server's environment names.
$node->stop;
{
	local $ENV{http_proxy} = $receiver->url('/');
	local $ENV{ALL_PROXY} = $receiver->url('/');
	local $ENV{LD_PRELOAD} = $wrapper;
	local $ENV{NSS_WRAPPER_HOSTS} = "$folder/hosts";
	$node->start;
}
my $other = HttpReceiver->start;
$id = queue_for('direct', $other->url('/direct', 'inside.example'));
wait_until($node, "SELECT status FROM monitoring.notifications WHERE id = $id",
	expect => 'sent', what => 'with a proxy in the environment a notification is sent');
is(scalar(grep { $_->{path} =~ /direct/ } $other->requests), 1, 'to its receiver');
is(scalar(grep { $_->{path} =~ /direct/ } $receiver->requests), 0, 'and not to the proxy');

$node->stop;
done_testing();
