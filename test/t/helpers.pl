# The tests' own tools: the receiver answers by its script and logs what it got, the server starts
# with the library preloaded.
use strict;
use warnings;

use HTTP::Tiny;
use HttpReceiver;
use MonitoringTest;
use Test::More;

my $receiver = HttpReceiver->start(
	script => {
		'/twice' => [ { status => 503, headers => { 'Retry-After' => '7' } }, { body => 'fine' } ],
		'/big' => [ { body_bytes => 1_000_000 } ],
		'/reset' => [ { reset => 1 } ],
		'/moved' => [ { status => 302, headers => { Location => '/twice' } } ],
	});
my $http = HTTP::Tiny->new(timeout => 10, max_redirect => 0);

my $answer = $http->post($receiver->url('/twice'), { content => '{"a":1}' });
is($answer->{status}, 503, 'the first step of a script');
is($answer->{headers}{'retry-after'}, 7, 'with its header');
$answer = $http->post($receiver->url('/twice'), { content => '{"a":2}' });
is("$answer->{status} $answer->{content}", '200 fine', 'the second step');
is(length $http->get($receiver->url('/big'))->{content}, 1_000_000, 'a body of a given size');
is($http->get($receiver->url('/moved'))->{headers}{location}, '/twice', 'a redirect');
is($http->get($receiver->url('/reset'))->{status}, 599, 'a reset is a network error');

my @requests = $receiver->wait_for_requests(2, path => '/twice');
is($requests[1]{body}, '{"a":2}', 'bodies are logged in order');
is($requests[0]{answer}, 'status 503', 'and what was answered');

$receiver->script({ '*' => [ { status => 404 } ] });
is($http->get($receiver->url('/twice'))->{status}, 404, 'a new script takes effect at once');

my $secure = HttpReceiver->start(tls => 1);
my $client = "openssl s_client -verify_return_error -verify_hostname localhost"
  . " -CAfile '@{[$secure->ca_file]}' -connect 127.0.0.1:@{[$secure->port]} </dev/null 2>&1";
like(`$client`, qr/Verify return code: 0 \(ok\)/, "the HTTPS receiver's certificate verifies");

my $node = new_node(preload => 1);
wait_until($node, q(SELECT extversion FROM pg_extension WHERE extname = 'monitoring'),
	expect => '1.0.0', what => 'the extension is there');
is($node->safe_psql('postgres', 'SHOW shared_preload_libraries'), 'monitoring', 'and preloaded');

done_testing();
