# The SQL blocks of README.md and of docs/*.md run, each page on a database of its own, in their order, and do
# what the text around them says:
#
#   ```sql            every statement succeeds. A comment "-- => text" names a line of the output; these lines
#                     come in the order of their comments.
#   ```sql error      the block fails, with each line "-- ERROR:  ..." and "-- HINT:  ..." that it shows.
use strict;
use warnings;

use HttpReceiver;
use MonitoringTest;
use Test::More;
use Time::HiRes ();

my $receiver = HttpReceiver->start(script => { '/slack' => [ { status => 200, body => 'ok' } ] });
my $node = new_node(preload => 'monitoring,pg_cron', extension => 0,
	conf => "monitoring.health_check_interval = '1s'\nmax_worker_processes = 16\n"
	  . "cron.database_name = 'migrating_from_pg_cron_jobs'\ncron.use_background_workers = on\n");
my %first_roles = map { $_ => 1 } split /\n/, $node->safe_psql('postgres', 'SELECT rolname FROM pg_roles');

sub content
{
	my ($path) = @_;
	open(my $file, '<', $path) or die "$path: $!";
	local $/;
	return <$file>;
}

# The page's blocks: the words behind "sql", and the statements, with addresses of the test's own receiver
# in place of those that a reader puts his own for.
sub blocks
{
	my ($page) = @_;
	my @blocks;
	while ($page =~ /^```sql([^\n]*)\n(.*?)^```$/msg)
	{
		my ($words, $sql) = ($1, $2);
		$sql =~ s{https://hooks\.slack\.com/services/T00000000/B00000000/X+}{$receiver->url('/slack')}ge;
		$sql =~ s{http://127\.0\.0\.1:9095/}{$receiver->url('/')}ge;
		push @blocks, { words => $words, sql => $sql };
	}
	return @blocks;
}

sub runs
{
	my ($database, $name, $block) = @_;
	my ($code, $out, $err) = $node->psql($database, $block->{sql}, on_error_stop => 1);
	is($code, 0, "$name runs") or diag("$block->{sql}\n$err");
	my @lines = split /\n/, $out;
	foreach my $expected ($block->{sql} =~ /-- => (.*?)\s*$/mg)
	{
		shift @lines while @lines && $lines[0] ne $expected;
		ok(defined shift @lines, "$name prints $expected") or diag($out);
	}
	return;
}

sub fails
{
	my ($database, $name, $block) = @_;
	my ($code, $out, $err) = $node->psql($database, $block->{sql}, on_error_stop => 1);
	isnt($code, 0, "$name fails");
	my @expected = $block->{sql} =~ /^-- ((?:ERROR|HINT):  .*?)\s*$/mg;
	cmp_ok(scalar @expected, '>=', 1, "$name says how");
	like($err, qr/\Q$_\E/, "$name: $_") foreach @expected;
	return;
}

# What the page left: its database, and the roles that it made.
sub forget
{
	my ($database) = @_;
	$node->safe_psql('postgres', "DROP DATABASE \"$database\" WITH (FORCE)");
	my @roles = grep { !$first_roles{$_} } split /\n/, $node->safe_psql('postgres', 'SELECT rolname FROM pg_roles');
	$node->safe_psql('postgres', qq(DROP ROLE "$_")) foreach @roles;
	return;
}

# What came to the README's receiver; waits until there is a critical page.
sub told
{
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	while (1)
	{
		my $bodies = join "\n", map { $_->{body} } $receiver->requests(path => '/slack');
		return $bodies if $bodies =~ /SystemHealth/ || time > $deadline;
		Time::HiRes::sleep(0.05);
	}
}

my $readme = content('README.md');
cmp_ok(($readme =~ tr/\n//), '<=', 250, 'the README is short');
my @readme_blocks = blocks($readme);
cmp_ok(scalar @readme_blocks, '>=', 2, 'the README has its SQL blocks');
$node->safe_psql('postgres', 'CREATE DATABASE readme');
foreach my $number (1 .. @readme_blocks)
{
	runs('readme', "README, block $number", $readme_blocks[ $number - 1 ]);
	next if $number > 1;
	my $bodies = told();
	like($bodies, qr/MonitoringTestAlert/, 'the test alert arrives');
	like($bodies, qr/SystemHealth/, 'the receiver is told that health is critical');
}
forget('readme');

foreach my $path (sort glob 'docs/*.md')
{
	my ($database) = $path =~ m{^docs/(.*)\.md$};
	$database =~ tr/-A-Z/_a-z/;
	my @blocks = blocks(content($path));
	next unless @blocks;
	$node->safe_psql('postgres', qq(CREATE DATABASE "$database"));
	$node->safe_psql($database, 'CREATE EXTENSION monitoring');
	# Statements alone: nothing goes to the services that the pages name.
	wait_until($node, "SELECT count(*) = 1 FROM monitoring.worker_status WHERE role = 'worker'"
		  . " AND database = '$database' AND pid IS NOT NULL", dbname => $database, what => "$path: a worker is there");
	$node->safe_psql($database, 'SELECT monitoring.pause_worker()');
	foreach my $number (1 .. @blocks)
	{
		my $block = $blocks[ $number - 1 ];
		my $name = "$path, block $number";
		$block->{words} =~ /\berror\b/ ? fails($database, $name, $block) : runs($database, $name, $block);
	}
	forget($database);
}

done_testing();
