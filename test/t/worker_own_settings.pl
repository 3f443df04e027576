# What ALTER DATABASE and ALTER ROLE set for people does not reach worker and courier: every setting
# that a user or superuser may set, at an extreme, and the worker goes on and a notification is sent.
use strict;
use warnings;

use MonitoringTest;
use Test::More;

my $node = new_node(preload => 1, conf => <<'EOC');
monitoring.collect_interval = '1s'
monitoring.health_check_interval = '1s'
monitoring.courier_idle_timeout = '1s'
EOC
$node->safe_psql('postgres', 'CREATE ROLE stranger; CREATE DATABASE admin');
$node->safe_psql('postgres', q(SELECT monitoring.create_receiver('record', 'log')));

# Every setting at an end of its range, both switches and the last of its words; of texts those that
# mean something to our processes. TimeZone is the user's to set.
my $settings = q(FROM pg_settings WHERE context IN ('user', 'superuser')
	AND name NOT LIKE 'monitoring.%' AND name NOT IN ('TimeZone', 'transaction_isolation',
	'transaction_read_only', 'transaction_deferrable', 'is_superuser', 'max_stack_depth', 'seed'));
my @extremes = split /\n/, $node->safe_psql('admin', qq(
	WITH extreme AS (
		SELECT name, CASE vartype
			WHEN 'bool' THEN CASE setting WHEN 'on' THEN 'off' ELSE 'on' END
			WHEN 'enum' THEN enumvals[cardinality(enumvals)]
			WHEN 'integer' THEN min_val WHEN 'real' THEN min_val
			ELSE CASE name WHEN 'search_path' THEN 'nowhere' WHEN 'DateStyle' THEN 'German'
				WHEN 'client_encoding' THEN 'LATIN1' END
		END AS value $settings
		UNION ALL VALUES ('role', 'stranger'), ('session_authorization', 'stranger'))
	SELECT format('SET %I = %L', name, value) FROM extreme WHERE value IS NOT NULL ORDER BY 1));
cmp_ok(scalar(@extremes), '>', 120, 'many settings can be set for a database');

# A superuser of one's own, with the server's settings, for the sessions of the test.
my $owner = $node->safe_psql('admin', 'SELECT oid::regrole FROM pg_roles WHERE oid = 10');
$node->safe_psql('admin', 'CREATE ROLE tester SUPERUSER LOGIN');
$node->safe_psql('admin', $_) for split /\n/, $node->safe_psql('admin', qq(
	SELECT format('ALTER ROLE tester IN DATABASE postgres SET %I = %L', name, setting) $settings
	AND setting <> '' AND vartype <> 'string'
	UNION ALL SELECT format('ALTER ROLE tester IN DATABASE postgres SET %I = %L', name, value)
	FROM (VALUES ('role', 'none'), ('session_authorization', 'tester'), ('search_path', 'public'),
		('DateStyle', 'ISO'), ('client_encoding', 'UTF8')) AS own (name, value)));
$ENV{PGUSER} = 'tester';

sub goes_on
{
	my ($what) = @_;
	my $since = $node->safe_psql('admin', 'SELECT clock_timestamp()');
	$node->restart;
	wait_until($node, qq(SELECT checked_at > '$since' AND status = 'healthy' FROM monitoring.health_state),
		what => "$what: the worker looks, and finds all healthy");
	wait_until($node, qq(SELECT count(*) > 0 FROM monitoring.pipeline_metrics
		WHERE created_at > '$since' AND metric_name = 'db_size_bytes'), what => "$what: it collects");
	my $id = $node->safe_psql('postgres', q(SELECT monitoring.send_test_alert('record')));
	wait_until($node, "SELECT status FROM monitoring.notifications WHERE id = $id", expect => 'sent',
		what => "$what: the courier sends");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM monitoring.worker_issues WHERE NOT resolved'),
		'0', "$what: nothing has failed");
	return;
}

for my $target ("ALTER ROLE $owner", 'ALTER DATABASE postgres')
{
	my @refused = grep { ($node->psql('admin', "$target $_"))[0] != 0 } @extremes;
	cmp_ok(scalar(@refused), '<', 10, "nearly all of them are taken by $target") or diag("@refused");
	goes_on($target);
	$node->safe_psql('admin', "$target RESET ALL");
}
$node->stop;
done_testing();
