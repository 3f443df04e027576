# What the pages say of settings, kinds, levels and names is what the catalog and the code have, and what there is
# is on some page.
use strict;
use warnings;

use MonitoringTest;
use Test::More;

my $node = new_node(preload => 1);

sub content
{
	my ($path) = @_;
	open(my $file, '<', $path) or die "$path: $!";
	local $/;
	return <$file>;
}

sub rows
{
	my ($sql) = @_;
	return split /\n/, $node->safe_psql('postgres', $sql);
}

# The cells of the tables of a page that have as many columns as asked for, without their backquotes.
sub cells
{
	my ($page, $columns) = @_;
	my @found;
	foreach my $line ($page =~ /^\|(.*)\|$/mg)
	{
		my @cells = map { s/^\s+|\s+$|`//gr } split /(?<!\\)\|/, $line, -1;
		push @found, \@cells if @cells == $columns && $cells[0] !~ /^-+$/;
	}
	return @found;
}

my %page = map { $_ => content($_) } 'README.md', 'SECURITY.md', glob 'docs/*.md';
my $reference = delete $page{'docs/sql-reference.md'};
my $all = join "\n", values %page;

# Settings: name, unit, default, bounds, context.
my $settings = join "\n", map { join '|', @$_[ 0 .. 4 ] } grep { $_->[0] =~ /^monitoring\./ } cells($page{'docs/settings.md'}, 6);
is( $settings,
	join("\n", rows(q(SELECT concat_ws('|', name, coalesce(unit, ''), coalesce(nullif(boot_val, ''), '(empty)'),
		CASE WHEN min_val IS NOT NULL THEN min_val || ' to ' || max_val
		     WHEN enumvals IS NOT NULL THEN array_to_string(enumvals, ', ')
		     WHEN vartype = 'bool' THEN 'on, off' ELSE 'text' END,
		CASE context WHEN 'sighup' THEN 'reload' WHEN 'postmaster' THEN 'restart'
		     WHEN 'user' THEN 'anybody' ELSE context END)
		FROM pg_settings WHERE name LIKE 'monitoring.%' ORDER BY name))),
	'the table of settings is that of the server');

# Retention.
is( join("\n", sort map { "$_->[0]|$_->[1]" } grep { $_->[1] =~ /days$|for ever/ } cells($page{'docs/measurements.md'}, 3)),
	join("\n", sort(rows(q(SELECT kind || '|' || coalesce(keep::text, 'for ever') FROM monitoring.effective_retention)))),
	'the kinds of retention and their defaults');

# Thresholds of health.
my %inclusive;
is( join("\n", sort map { $inclusive{ $_->[0] } = $_->[3] =~ /inclusive/; join '|', @$_[ 0 .. 2 ] }
		grep { $_->[1] =~ /^[0-9.]+$/ } cells($page{'docs/health.md'}, 4)),
	join("\n", sort(rows(q(SELECT concat_ws('|', check_name, warning::text, coalesce(critical::text, ''))
		FROM monitoring.effective_health_thresholds)))),
	'the thresholds of health');
is(join(' ', sort grep { $inclusive{$_} } keys %inclusive),
	join(' ', rows('SELECT check_name FROM monitoring.effective_health_thresholds WHERE inclusive ORDER BY check_name COLLATE "C"')),
	'and which of them count when they are reached');

# Limits of response.
my %limit;
foreach my $row (cells($page{'docs/alerts.md'}, 2))
{
	next unless $row->[1] =~ /^\d+ (minutes|hours)$/;
	$limit{$_} = $row->[1] foreach split /, /, $row->[0];
}
is( join(' ', rows('SELECT severity FROM monitoring.effective_response_limits ORDER BY severity COLLATE "C"')),
	join(' ', sort keys %limit), 'severities that have a limit of response');
foreach my $severity (sort keys %limit)
{
	is( $node->safe_psql('postgres', "SELECT acknowledge_within = interval '$limit{$severity}'"
			  . " FROM monitoring.effective_response_limits WHERE severity = '$severity'"), 't', "the limit of $severity");
}

# Receivers: kinds, their settings, whether they are told of ends.
my %kind = map { $_->[0] => $_->[2] } grep { $_->[2] =~ /^(true|false)$/ } cells($page{'docs/receivers.md'}, 4);
my (undef, undef, $error) = $node->psql('postgres', q(SELECT monitoring.create_receiver('x', 'no such kind')));
my ($kinds) = $error =~ /Known kinds: (.*)\./;
is(join(' ', sort keys %kind), join(' ', sort split /, /, $kinds // ''), 'the kinds of receivers');
my %documented;
foreach my $row (cells($page{'docs/receivers.md'}, 4))
{
	push @{ $documented{ $row->[0] } }, split /, /, $row->[1] if exists $kind{ $row->[0] } && $row->[2] !~ /^(true|false)$/;
}
my %least = (
	pagerduty => '{"routing_key": {"secret": "s"}}', slack => '{"url": {"secret": "s"}}', log => '{}',
	email => '{"to": "a@example.com", "from": "b@example.com", "smarthost": "mail.example.com"}',
	webhook => '{"url": "http://127.0.0.1/"}', sentry => '{"dsn": {"secret": "s"}}',
	sms => '{"account_sid": "a", "auth_token": {"secret": "s"}, "from": "1", "to": "2"}');
foreach my $name (sort keys %kind)
{
	($_, $_, $error) = $node->psql('postgres', qq(SELECT monitoring.create_receiver('x', '$name', '{"qqqqqqqqqqqqqqqq": 1}')));
	my ($known) = $error =~ /Known settings: (.*)\./;
	is( join(' ', sort('rate_limit', @{ $documented{$name} // [] })), join(' ', sort split /, /, $known // ''),
		"the settings of kind $name");
	is( $node->safe_psql('postgres', qq(SELECT FROM monitoring.create_receiver('$name', '$name', '$least{$name}');
			SELECT send_resolved::text FROM monitoring.receivers WHERE receiver_name = '$name')),
		$kind{$name}, "whether kind $name is told of ends");
}

# Access levels, packs.
(undef, undef, $error) = $node->psql('postgres', q(SELECT monitoring.grant_access('postgres', 'no such level')));
my ($levels) = $error =~ /Access levels are (.*)\./;
is( join(' ', map { $_->[0] } grep { $_->[0] =~ /^(reader|writer|operator)$/ } cells($page{'docs/operations.md'}, 2)),
	join(' ', split /, | and /, $levels // ''), 'the access levels');
my ($owners) = $page{'docs/operations.md'} =~ /^Only the owner of the extension and superusers may call (.*?)\./ms;
is( join(' ', sort(($owners // '') =~ /`(\w+)`/g)),
	join(' ', sort($reference =~ /^#### `(\w+)`\n(?:(?!^####).)*?^Callers: the owner only\./msg)),
	'what only the owner may call');
like($page{'docs/collectors.md'}, qr/^\| `$_` \|/m, "the pack $_") foreach rows('SELECT pack_name FROM monitoring.packs');

# Functions of templates, reasons of health, jobs: as the code names them.
my $functions = join '', map { content($_) } map { "src/template/${_}_functions.cpp" } qw(go prometheus alertmanager);
my @functions = $functions =~ /\{"(\w+)", "\S*", \w+\}/g;
cmp_ok(scalar @functions, '>=', 50, 'there are functions of templates');
is(join(' ', grep { $page{'docs/receivers.md'} !~ /`$_`/ } @functions), '', 'all of them are named');
my @reasons = content('include/monitoring/base/health_finding.hpp') =~ /constexpr HealthCheck \w+ = \{\s*"(\w+)"/g;
cmp_ok(scalar @reasons, '>=', 20, 'there are reasons of health');
is(join(' ', grep { $page{'docs/health.md'} !~ /`$_`/ } @reasons), '', 'all of them are explained');
is( join("\n", sort map { "$_->[0]|$_->[1]" } grep { $_->[1] =~ /^[\d*]+( [\d*]+){4}$/ } cells($page{'docs/migrating-from-pg-cron-jobs.md'}, 2)),
	join("\n", sort(rows(q(SELECT job_name || '|' || schedule FROM monitoring.jobs)))), 'the jobs and their times');

# Every public function and view is on a page that people write, and everything in the reference.
my @names = rows(q(SELECT p.proname FROM pg_depend AS d JOIN pg_proc AS p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
	JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'monitoring'
	WHERE d.deptype = 'e' AND p.pronamespace <> 'monitoring_internal'::regnamespace AND NOT p.prorettype = 'trigger'::regtype
	UNION SELECT c.relname FROM pg_depend AS d JOIN pg_class AS c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
	JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'monitoring'
	WHERE d.deptype = 'e' AND c.relkind = 'v' AND c.relnamespace <> 'monitoring_internal'::regnamespace));
cmp_ok(scalar @names, '>=', 80, 'there are functions and views');
is(join(' ', grep { $all !~ /\b\Q$_\E\b/ } @names), '', 'each of them is on a page');

my @printed = split /\n/, $node->safe_psql('postgres', content('sql/reference.sql'));
my @there = split /\n/, $reference;
my ($differs) = grep { ($printed[$_] // '') ne ($there[$_] // '') } 0 .. (@printed > @there ? $#printed : $#there);
ok(!defined $differs, 'docs/sql-reference.md is what make sql-reference prints')
  or diag("first in line ", $differs + 1, ":\n page:     ", $there[$differs] // '', "\n database: ", $printed[$differs] // '');

# Links lead to what is there.
foreach my $path (sort(keys %page, 'docs/sql-reference.md', 'CONTRIBUTING.md', glob 'src/*/*.md'))
{
	my ($folder) = $path =~ m{^(.*/)?};
	my $text = $page{$path} // content($path);
	foreach my $target ($text =~ /\]\(([^)\s]+)\)/g)
	{
		next if $target =~ /^\w+:/;
		my ($file, $anchor) = split /#/, $target;
		my $there = $file eq '' ? $path : ($folder // '') . $file;
		ok(-e $there, "$path links to $there") or next;
		next unless defined $anchor && -f $there;
		my @anchors = map { lc($_) =~ s/[^a-z0-9 _-]//gr =~ tr/ /-/r } content($there) =~ /^#+ (.*)$/mg;
		ok((grep { $_ eq $anchor } @anchors), "$path links to a heading $anchor of $there");
	}
}

# Every page begins with the same three headings.
foreach my $path (sort(grep({ m{^docs/} && $_ ne 'docs/README.md' } keys %page), 'docs/sql-reference.md'))
{
	my $text = $page{$path} // $reference;
	# Comments of shell and configuration are no headings.
	$text =~ s/^```.*?^```$//msg;
	is(join('|', ($text =~ /^## (.*)$/mg)[ 0 .. 2 ]), 'What it is for|The shortest example|Reference', "$path: its headings");
}

done_testing();
