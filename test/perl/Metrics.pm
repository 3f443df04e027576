# What the HTTP server of a node says, and single samples of it.
#
#   use Metrics;
#   my $port = http_port();                          # for monitoring.http_port
#   my $answer = http_get($port, '/health');         # {status, headers, content}, as HTTP::Tiny gives it
#   my $before = samples($port);                     # {'errors_total{...}' => 1, ...}
#   is(promtool_complaints($text), '', 'nothing');    # beside the units that documents prescribe
#   is(openmetrics_complaints($text), '', 'nothing');
#   is(moved($before, samples($port), 'errors_total{datname="postgres",...}'), 1, 'one more');
package Metrics;

use strict;
use warnings;

use Exporter qw(import);
use HTTP::Tiny;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils ();
use Time::HiRes ();

our @EXPORT = qw(http_port http_get samples moved promtool_complaints openmetrics_complaints);

sub http_port { return PostgreSQL::Test::Cluster::get_free_port(); }

sub http_get
{
	my ($port, $path, %headers) = @_;
	return HTTP::Tiny->new(timeout => 60, keep_alive => 0)
	  ->get("http://127.0.0.1:$port$path", { headers => \%headers });
}

# Name with labels => value, of /metrics. The HTTP server may come up a moment after the others.
sub samples
{
	my ($port) = @_;
	my $deadline = Time::HiRes::time() + $PostgreSQL::Test::Utils::timeout_default;
	my $answer = http_get($port, '/metrics');
	while ($answer->{status} != 200 && Time::HiRes::time() < $deadline)
	{
		Time::HiRes::sleep(0.05);
		$answer = http_get($port, '/metrics');
	}
	die "/metrics: $answer->{status} $answer->{content}" unless $answer->{status} == 200;
	return { map { /^(.+) (\S+)$/ ? ($1, $2) : () } grep { !/^#/ } split /\n/, $answer->{content} };
}

# What `promtool check metrics` says of a text. Two names have the unit of the documents that
# prescribe them, which is not Prometheus's style; nothing else is excused.
sub promtool_complaints
{
	my ($text) = @_;
	$text .= "\n" unless $text =~ /\n\z/;
	IPC::Run::run([ 'promtool', 'check', 'metrics' ], '<', \$text, '>', \my $out, '2>', \my $err);
	return join "\n", grep { !/^(?:db_query_duration_ms|rls_context_set_duration_ms) / } split /\n/, $out . $err;
}

# What the OpenMetrics parser of Prometheus's Python client, which is strict, says of a text.
sub openmetrics_complaints
{
	my ($text) = @_;
	IPC::Run::run([ 'python3', '-c', 'import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
for family in parse(sys.stdin.read()): pass' ], '<', \$text, '>', \my $out, '2>', \my $err);
	return $err;
}

# By how much a sample has moved; one that was not there began at zero.
sub moved
{
	my ($before, $after, $name) = @_;
	return ($after->{$name} // 0) - ($before->{$name} // 0);
}

1;
