# prove's harness, which also writes "passed failed files" to the file named by TAP_COUNTS.  A file that
# dies, or runs another number of tests than planned, counts as one failure more.
package CountingHarness;

use strict;
use warnings;

use parent 'TAP::Harness';

sub summary
{
	my ($self, $aggregate) = @_;
	$self->SUPER::summary($aggregate);
	my %broken = map { $_ => 1 } $aggregate->parse_errors, $aggregate->exit, $aggregate->wait;
	my %counted = map { $_ => 1 } $aggregate->failed;
	my $failed = $aggregate->failed + grep { !$counted{$_} } keys %broken;
	my @files = $aggregate->descriptions;
	open my $out, '>', $ENV{TAP_COUNTS} or die "$ENV{TAP_COUNTS}: $!";
	printf $out "%d %d %d\n", scalar($aggregate->passed), $failed, scalar(@files);
	close $out or die "$ENV{TAP_COUNTS}: $!";
	return;
}

1;
