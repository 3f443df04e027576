# A server whose disk can be full, or one process of which can be made to die at its n-th write
# (test/modules/disk_fault.c).
#
#   my $disk = DiskFault->new;
#   $disk->start($node);
#   $node->psql('postgres', $disk->kill_at_write(3) . 'INSERT ...');
#   $disk->fill; $disk->empty;
package DiskFault;

use strict;
use warnings;

use File::Temp ();
use PostgreSQL::Test::Utils ();

sub new
{
	my ($class) = @_;
	my ($lib, $err) = PostgreSQL::Test::Utils::run_command([ 'pg_config', '--pkglibdir' ]);
	my $plan = File::Temp->new(TEMPLATE => 'disk_fault_XXXX', TMPDIR => 1);
	chmod 0666, $plan->filename;
	my $self = bless { library => "$lib/disk_fault.so", plan => $plan }, $class;
	$self->write(0, 0, 0);
	return $self;
}

sub write
{
	my ($self, @plan) = @_;
	open(my $file, '+<', $self->{plan}->filename) or die "the plan of the disk is gone: $!";
	syswrite($file, pack('l3', @plan)) == 12 or die "the plan of the disk cannot be written: $!";
	close($file);
	return;
}

sub start
{
	my ($self, $node, @args) = @_;
	local $ENV{LD_PRELOAD} = $self->{library};
	local $ENV{DISK_FAULT} = $self->{plan}->filename;
	return $node->start(@args);
}

# psql commands: from here on the session's backend makes so many writes to files, and dies at the next.
sub kill_at_write
{
	my ($self, $writes) = @_;
	my $plan = $self->{plan}->filename;
	return "SELECT pg_backend_pid() AS pid \\gset\n"
	  . "\\setenv VICTIM :pid\n"
	  . "\\! perl -e 'open my \$f, q(+<), q($plan) or die; syswrite \$f, pack(q(l3), \$ENV{VICTIM}, $writes, 0)'\n";
}

sub fill { $_[0]->write(0, 0, 1); return; }
sub empty { $_[0]->write(0, 0, 0); return; }

1;
