# Secrets in Supabase Vault: what the owner has released is read there by the courier, and nobody sees
# the value.  The schema stands in for the extension supabase_vault, whose view has these columns; there
# the last one is decrypted by a function of C.
use strict;
use warnings;

use HttpReceiver;
use MonitoringTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node(preload => 1, conf => "log_statement = 'all'\n");
my $receiver = HttpReceiver->start;

$node->safe_psql('postgres', q{
	CREATE SCHEMA vault;
	CREATE TABLE vault.secrets (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text UNIQUE,
		description text NOT NULL DEFAULT '', secret text NOT NULL, key_id uuid, nonce bytea,
		created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());
	CREATE FUNCTION vault.decrypt(secret text) RETURNS text LANGUAGE sql STABLE
	AS $$ SELECT reverse(secret) $$;
	CREATE VIEW vault.decrypted_secrets AS
	SELECT id, name, description, secret, vault.decrypt(secret) AS decrypted_secret, key_id, nonce,
		created_at, updated_at FROM vault.secrets;
	CREATE ROLE mallory LOGIN;
	SET allow_system_table_mods = on;
	INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
	VALUES (99999999, 'supabase_vault', 10, 'vault'::regnamespace, false, '1.0');
	ALTER EXTENSION supabase_vault ADD VIEW vault.decrypted_secrets});

sub reasons
{
	return $node->safe_psql('postgres', q{SELECT public.get_system_health()
		#> '{worker_health,reasons}' ? 'missing_secret'});
}

sub status_of_test_alert
{
	my ($status) = @_;
	my $id = $node->safe_psql('postgres', q{SELECT monitoring.send_test_alert('hook')});
	wait_until($node, "SELECT status FROM monitoring.notifications WHERE id = $id",
		expect => $status, what => "a notification is $status");
	return $node->safe_psql('postgres',
		"SELECT last_error FROM monitoring.notifications WHERE id = $id");
}

# Nowhere: an error that names it, and health says so.
$node->safe_psql('postgres', q{SELECT monitoring.create_receiver('hook', 'webhook',
	'{"url": {"secret": "hook_url"}, "bearer_token": {"secret": "token"}}')});
is(reasons(), 't', 'a secret that is nowhere shows in health');
like(status_of_test_alert('retrying'), qr/secret "\w+" is not set/, 'and in the error');
$node->safe_psql('postgres', 'DELETE FROM monitoring.notifications');

# In the vault, and its own table where it has the name, too.
my $url = $receiver->url('/vault');
$node->safe_psql('postgres', "INSERT INTO vault.secrets (name, secret)
	VALUES ('hook_url', reverse('$url')), ('token', reverse('v4ultt0ken'))");
is(reasons(), 't', 'one that is in the vault and not released does, too');
like(status_of_test_alert('retrying'), qr/secret "\w+" is not set/, 'and is not read');
$node->safe_psql('postgres', 'DELETE FROM monitoring.notifications');
$node->safe_psql('postgres', q{SELECT monitoring.release_vault_secret('hook_url'),
	monitoring.release_vault_secret('token', '{webhook}', '{elsewhere.example}')});
is(reasons(), 'f', 'one that is released does not');
like(status_of_test_alert('retrying'), qr/secret "token" may not be sent to host "127.0.0.1"/, 'a list holds for it');
$node->safe_psql('postgres', 'DELETE FROM monitoring.notifications');
$node->safe_psql('postgres', q{SELECT monitoring.release_vault_secret('token', '{webhook}', '{127.0.0.1}')});
status_of_test_alert('sent');
my ($request) = $receiver->wait_for_requests(1, path => '/vault');
is($request->{headers}{authorization}, 'Bearer v4ultt0ken', 'its value is sent');
$node->safe_psql('postgres', q{SELECT monitoring.set_secret('token', '0wnt0ken')});
status_of_test_alert('sent');
my @requests = $receiver->wait_for_requests(2, path => '/vault');
is($requests[1]{headers}{authorization}, 'Bearer 0wnt0ken', 'one of our own takes its place');
# But for the statements of this test.
unlike(slurp_file($node->logfile), qr/v4ultt0ken(?!['%])/, 'no log has a value of the vault');
is($node->safe_psql('postgres', q{SELECT count(*) FROM monitoring.notifications AS n,
	monitoring.notification_attempts AS a WHERE concat(n, a) LIKE '%v4ultt0ken%'}), '0', 'nor a row');

# A vault that fails is a missing secret and an issue that does not repeat its message.
$node->safe_psql('postgres', q{CREATE OR REPLACE FUNCTION vault.decrypt(secret text) RETURNS text
	LANGUAGE plpgsql STABLE AS $$ BEGIN RAISE 'broken: %', secret; END $$});
like(status_of_test_alert('retrying'), qr/secret "hook_url" is not set/, 'a vault that fails');
is($node->safe_psql('postgres', q{SELECT message FROM monitoring.worker_issues
	WHERE issue_type = 'vault_failed'}),
	'vault.decrypted_secrets could not be read: SQLSTATE P0001', 'is an issue');
$node->safe_psql('postgres', 'DELETE FROM monitoring.notifications');

# Somebody else's view is no vault: neither does its code run, nor does its owner say where pages go.
$node->safe_psql('postgres', q{ALTER EXTENSION supabase_vault DROP VIEW vault.decrypted_secrets;
	DROP SCHEMA vault CASCADE;
	CREATE SCHEMA vault AUTHORIZATION mallory;
	SET ROLE mallory;
	CREATE VIEW vault.decrypted_secrets AS
	SELECT 'hook_url' AS name, 'http://127.0.0.1:9/mallory' AS decrypted_secret});
is(reasons(), 't', 'the view of a role that is no superuser is not looked at');
like(status_of_test_alert('retrying'), qr/secret "hook_url" is not set/, 'nor used');

done_testing();
