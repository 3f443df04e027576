# CREATE EXTENSION and everything that writes SQL of its own, under names and settings that somebody
# may have: a superuser, owners, roles, schemas, tables and databases whose names need quotes, and each
# setting that changes how texts and names are read or written.
use strict;
use warnings;

use MonitoringTest;
use Test::More;

my $node = new_node(extension => 0, conf => "autovacuum = off\nfsync = off\nmonitoring.allow_superuser_rules = on\n");
my $boss = q(my-"admin's" SELECT);
(my $boss_sql = $boss) =~ s/"/""/g;
$node->safe_psql('postgres', qq(CREATE ROLE "$boss_sql" SUPERUSER LOGIN));

my %settings = (
	'plain' => '',
	'quote_all_identifiers' => 'quote_all_identifiers=on',
	'standard_conforming_strings' => 'standard_conforming_strings=off backslash_quote=on escape_string_warning=off',
	'DateStyle' => 'DateStyle=SQL,DMY TimeZone=Asia/Kolkata',
	'German dates' => 'DateStyle=German,DMY TimeZone=America/St_Johns',
	'IntervalStyle' => 'IntervalStyle=sql_standard',
	'search_path' => 'search_path=evil,pg_catalog',
	'empty search_path' => 'search_path=',
	'row_security' => 'row_security=off',
	'check_function_bodies' => 'check_function_bodies=off',
	'bytea and floats' => 'bytea_output=escape extra_float_digits=-15',
	'nulls and xml' => 'transform_null_equals=on array_nulls=off',
	'isolation' => 'default_transaction_isolation=serializable',
	'toast and plans' => 'default_toast_compression=pglz enable_seqscan=off enable_indexscan=off enable_hashjoin=off');

# One database for each, made and used by the boss.
my $work = <<'SQL';
CREATE SCHEMA "Weird ""schema"" 'x'";
CREATE TABLE "Weird ""schema"" 'x'"."Job's ""table""" ("I d" bigint, "Status" text, "created at" timestamptz DEFAULT now());
INSERT INTO "Weird ""schema"" 'x'"."Job's ""table""" VALUES (1, 'pending', now());
SELECT monitoring.grant_access(:'reader', 'reader'), monitoring.grant_access(:'reader', 'writer'), monitoring.grant_access(:'reader', 'operator');
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, timestamp)
	VALUES ('m', 1.5, '{"k": "it''s \\ \"x\""}', date_trunc('hour', now(), 'UTC') - interval '2 hours'), ('m', 2.5, NULL, now());
SELECT monitoring_internal.maintain_partitions(9);
SELECT monitoring.aggregate_hourly_metrics(), monitoring.aggregate_daily_metrics(), monitoring.aggregate_weekly_metrics();
SELECT monitoring.refresh_rollups(now() - interval '4 hours', now());
UPDATE monitoring.pipeline_metrics SET metric_value = 3 WHERE metric_value = 1.5;
DELETE FROM monitoring.pipeline_metrics WHERE metric_value = 2.5;
SELECT monitoring.aggregate_hourly_metrics();
SELECT monitoring.activate();
SELECT monitoring_internal.rollup_rebaseline();
SELECT monitoring.create_receiver('rec"eiver''s', 'log', '{}');
SELECT monitoring.create_alert('Al"ert''s', 'SELECT 1 AS value', 'critical');
SELECT monitoring.evaluate_alerts(now());
SELECT monitoring.create_threshold('m', 1, NULL);
SELECT monitoring.evaluate_alerts(now());
SELECT monitoring.check_queues();
SELECT public.get_system_health() IS NOT NULL, monitoring.health_check() IS NOT NULL;
SELECT count(*) FROM monitoring.queue_metrics;
SELECT count(*) FROM monitoring.metric_values('m', 'avg', '1 hour');
SELECT count(*) FROM monitoring.apply_retention();
SELECT monitoring_internal.snapshot_metrics();
SELECT monitoring.create_collector('mine', 'SELECT 1 AS value'), monitoring.run_collector('mine');
SQL

for my $name (sort keys %settings)
{
	my $database = qq(${name}'s "db");
	(my $quoted = $database) =~ s/"/""/g;
	$node->safe_psql('postgres', qq(CREATE DATABASE "$quoted" OWNER "$boss_sql"));
	my $sets = join '', map { /(.*?)=(.*)/; $1 eq 'search_path' && $2 eq '' ? "SET search_path = '';\n" : "SET $1 = '$2';\n" =~ s/'evil,pg_catalog'/evil, pg_catalog/r }
	  split / /, $settings{$name};
	my ($out, $err) = ('', '');
	my $status = $node->psql($database, "$sets\\set ON_ERROR_STOP 1\nSET client_min_messages = error;\nCREATE EXTENSION monitoring;\n"
		  . ($name eq 'standard_conforming_strings' ? $work =~ s/\\/\\\\/gr =~ s/\\\\g /\\g /gr : $work), stdout => \$out, stderr => \$err,
		extra_params => [ '-U', $boss, '-v', "reader=$boss" ], on_error_stop => 0);
	is("$status $err", '0 ', "$name: everything works");
	is($node->safe_psql($database, 'SELECT * FROM monitoring.check_invariants() WHERE NOT ok'), '', "$name: all invariants hold");
	is($node->safe_psql($database, q(SELECT count(*) FROM monitoring.aggregated_metrics WHERE period = 'hourly' AND sum_value = 3)),
		1, "$name: the hour has its sum");
	my $dump = $node->basedir . '/dump.sql';
	$node->command_ok([ 'pg_dump', '-d', $node->connstr($database), '-U', $boss, '-f', $dump ], "$name: pg_dump");
	$node->command_ok([ 'pg_dump', '-n', 'monitoring', '-d', $node->connstr($database), '-U', $boss, '-f', $dump ],
		"$name: pg_dump of the schema");
	is($node->psql($database, 'DROP EXTENSION monitoring CASCADE'), 0, "$name: DROP EXTENSION");
}

done_testing();
