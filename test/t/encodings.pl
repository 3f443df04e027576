# Names and texts that are not valid where they are read: replaced, never an error.
use strict;
use warnings;
use Encode ();
use Metrics;
use MonitoringTest;
use Test::More;

my $port = http_port();
my $node = new_node(preload => 'monitoring,pg_stat_statements',
	conf => "monitoring.http_port = $port\nmonitoring.allow_superuser_rules = on\n");
$node->safe_psql('postgres', q(CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'));
$node->safe_psql('postgres', q(CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'));

$node->safe_psql('postgres', q(CREATE DATABASE utf ENCODING 'UTF8' TEMPLATE template0 LOCALE 'C'));
$node->safe_psql('utf', 'CREATE EXTENSION pg_stat_statements; CREATE EXTENSION monitoring');

# A name, and the text of a statement, of bytes that are no UTF-8.
my $bytes = qq(SET client_encoding = 'SQL_ASCII';\nCREATE DATABASE "odd\xff";\nSELECT 'caf\xe9' AS caf;\n);
my $file = $node->basedir . '/bytes.sql';
open my $out, '>:raw', $file or die $!;
print $out $bytes;
close $out;
$node->command_ok([ 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-h', $node->host, '-p', $node->port, '-d', 'ascii', '-f', $file ],
	'a database and a statement in no encoding');

$node->safe_psql('utf', q(SELECT monitoring.enable_pack('postgres')));
pass('the postgres pack can be enabled');
$node->safe_psql('utf', 'SELECT monitoring_internal.settle_packs(); SELECT count(*) FROM monitoring.slow_queries');
is($node->safe_psql('utf', q(
	SELECT count(*) FROM monitoring.collectors AS c, LATERAL monitoring.run_collector(c.collector_name)
	WHERE c.enabled)) > 0, 1, 'its collectors run');
is($node->safe_psql('utf', q(
	SELECT string_agg(collector_name || ': ' || last_error, '; ') FROM monitoring.collectors)), '', 'without an error');
is($node->safe_psql('utf', q(
	SELECT bool_or(labels ->> 'datname' = 'odd' || chr(65533)) FROM monitoring.metrics)), 't',
	'the name is there, with a replacement');
like($node->safe_psql('utf', 'SELECT monitoring.prometheus_metrics()'), qr/odd\x{fffd}|odd\xef\xbf\xbd/,
	'and in the exposition');
wait_until($node, q(SELECT count(*) > 0 FROM monitoring.worker_status), what => 'a worker is there');
for my $path ('/metrics', '/health')
{
	my $content = http_get($port, $path)->{content};
	ok(eval { Encode::decode('UTF-8', $content, Encode::FB_CROAK | Encode::LEAVE_SRC); 1 }, "$path is UTF-8");
}

# A database in another encoding: what has a place there is kept, what has none is replaced.
my $latin = sub { $node->safe_psql('latin', "SET client_encoding = 'UTF8'; $_[0]") };
$latin->('CREATE EXTENSION monitoring');
$latin->(q(SELECT monitoring.create_receiver('ops', 'log', '{}');
	SELECT monitoring.create_route('ops', parent => NULL, group_wait => '0');
	SELECT monitoring.create_alert('Café', $q$SELECT 1 AS value, 'Straße' AS street$q$, labels => '{"ort": "Köln"}',
		annotations => '{"summary": "{{ $labels.street }} {{ printf \"%c\" 128512 }}{{ printf \"%c\" 0 }}"}');
	SELECT monitoring.evaluate_alerts()));
my $alert = $latin->(q(SELECT rule_name, labels ->> 'street', labels ->> 'ort', annotations ->> 'summary'
	FROM monitoring.alerts));
is($alert, 'Café|Straße|Köln|Straße ?', 'a LATIN1 database has its characters, and ? for others');
is($latin->(q(SELECT payload::text ~ 'Straße' AND payload::text ~ 'Köln' FROM monitoring.notifications)), 't',
	'notifications, too');
is($latin->(q(SELECT count(*) FROM monitoring.worker_issues WHERE NOT resolved)), 0, 'nothing has failed');
done_testing();
