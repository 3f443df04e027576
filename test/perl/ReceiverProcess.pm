# A receiver that runs as a process of its own, in $self->{process}, until it is stopped or forgotten.
package ReceiverProcess;

use strict;
use warnings;

sub stop
{
	my ($self) = @_;
	my $process = delete $self->{process} or return;
	$process->kill_kill(grace => 2);
	return;
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $@);
	$self->stop;
	return;
}

1;
