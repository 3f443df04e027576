# What the server counts by itself: each error moves exactly its own counters, each statement of a
# client is timed once, with other libraries' hooks on either side.
use strict;
use warnings;

use IO::Socket::UNIX;
use IPC::Run ();
use Metrics;
use MonitoringTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $port = http_port();
my $node = new_node(preload => 'pg_stat_statements,monitoring,auto_explain', conf => <<"EOF");
monitoring.http_port = $port
monitoring.rls_context_settings = 'app.tenant_id, request.jwt.claims'
restart_after_crash = on
log_min_messages = warning
EOF
my $host = $node->host;
$node->safe_psql('postgres', <<'EOF');
CREATE EXTENSION pg_stat_statements;
CREATE TABLE guarded (tenant text);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON guarded USING (tenant = current_setting('app.tenant_id', true));
CREATE TABLE secret (x int);
CREATE TABLE one (n int PRIMARY KEY, value int);
INSERT INTO one SELECT n, 0 FROM generate_series(1, 1000) AS n;
CREATE ROLE tenant LOGIN;
CREATE ROLE with_password LOGIN PASSWORD 'right';
CREATE ROLE no_login NOLOGIN;
CREATE ROLE unwanted LOGIN;
GRANT SELECT, INSERT, UPDATE ON guarded TO tenant;
CREATE FUNCTION nested() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE total bigint := 0; BEGIN
  FOR i IN 1..10 LOOP EXECUTE 'SELECT count(*) FROM one' INTO total; END LOOP; RETURN total; END $$;
CREATE TABLE watched (n int);
CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM nested(), 1 / (NEW.n - 13), pg_sleep(NEW.n / 5.0); RETURN NULL; END $$;
CREATE TRIGGER at_once AFTER INSERT ON watched FOR EACH ROW EXECUTE FUNCTION watch();
CREATE CONSTRAINT TRIGGER at_commit AFTER UPDATE ON watched DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION watch();
CREATE FUNCTION caught() RETURNS void LANGUAGE plpgsql AS $$
BEGIN PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN NULL; END $$;
EOF
unlink $node->data_dir . '/pg_hba.conf';
$node->append_conf('pg_hba.conf', "local all with_password scram-sha-256\nlocal all unwanted reject\nlocal all all trust\n");
$node->reload;
wait_until($node, q(SELECT count(*) = 3 FROM pg_hba_file_rules), what => 'pg_hba.conf is read');

my %error = map { $_ => qq(errors_total{datname="postgres",severity="ERROR",sqlstate_class="$_"}) } qw(22 40 42 57);
my $rls = 'rls_violations_total{datname="postgres"}';

# Runs something, and compares how all of these counters have moved.
sub counts
{
	my ($work, $expected, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $before = samples($port);
	$work->();
	my $after = samples($port);
	my %moved;
	foreach my $name (grep { /^(?:errors_total|rls_violations_total|authentication_failures_total)\b/ } keys %$after)
	{
		my $by = moved($before, $after, $name);
		$moved{$name} = $by if $by != 0;
	}
	is_deeply(\%moved, $expected, $what) or diag(explain(\%moved));
}

sub fails
{
	my ($sql, %args) = @_;
	my ($code, $out, $err) = $node->psql($args{dbname} // 'postgres', $sql, extra_params => $args{params} // []);
	die "no error: $sql" if $code == 0;
	return $err;
}

counts(sub { fails('SELECT 1 / 0') }, { $error{22} => 1 }, 'division by zero');
counts(sub { fails(q(SET ROLE tenant; INSERT INTO guarded VALUES ('other'))) }, { $error{42} => 1, $rls => 1 },
	'a row that a policy refuses');
counts(sub { fails('SET ROLE tenant; SELECT * FROM secret') }, { $error{42} => 1 },
	'a table without the privilege is no violation');
counts(sub { fails(q(DO $$ BEGIN RAISE EXCEPTION 'new row violates row-level security policy for table "x"'
	USING ERRCODE = 'insufficient_privilege'; END $$)) }, { $error{42} => 1 }, 'nor is one that somebody made up');
counts(sub { fails('SELECT pg_cancel_backend(pg_backend_pid())') }, { $error{57} => 1 }, 'a cancel');
counts(sub { fails(qq(BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT value FROM one WHERE n = 1;
	\\! psql -X -q -h $host -p @{[ $node->port ]} -d postgres -c 'UPDATE one SET value = value + 1 WHERE n = 1'
	UPDATE one SET value = value + 1 WHERE n = 1;)) }, { $error{40} => 1 }, 'a serialization failure');
counts(sub { $node->safe_psql('postgres', 'SELECT caught()') }, {}, 'an error that PL/pgSQL catches is not seen');
counts(sub { fails('SET force_parallel_mode = on; SELECT 1 / (n - n) FROM one LIMIT 1') }, { $error{22} => 1 },
	'an error in a parallel worker counts once') if $node->pg_version < 16;

# Each waits until the other one waits for it.
counts(sub {
	my $until = 'DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_locks WHERE locktype = \'advisory\' AND %s)'
	  . ' LOOP PERFORM pg_sleep(0.01); END LOOP; END $$;';
	my ($is_locked, $is_waited_for) = map { sprintf $until, $_ } 'objid = 1', 'NOT granted';
	my $other = IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'),
		'-c', "BEGIN; SELECT pg_advisory_xact_lock(2); $is_locked SELECT pg_advisory_xact_lock(1)" ], '>', \my $out, '2>', \my $err);
	my ($code) = $node->psql('postgres', "BEGIN; SELECT pg_advisory_xact_lock(1); $is_waited_for SELECT pg_advisory_xact_lock(2)");
	$other->finish;
	is(($code != 0) + ($other->result != 0), 1, 'one of two is the victim of a deadlock');
}, { $error{40} => 1 }, 'a deadlock');

# Rejected logins.
sub login
{
	my ($user, $dbname) = @_;
	local $ENV{PGPASSWORD} = 'wrong';
	my ($code, $out, $err) = $node->psql($dbname // 'postgres', 'SELECT 1', extra_params => [ '-w', '-U', $user ]);
	die "$user was let in" if $code == 0;
}
sub rejected
{
	my ($reason, $database) = @_;
	return ('errors_total{severity="FATAL",sqlstate_class="28"}' => 1,
		'authentication_failures_total{reason="' . $reason . '"' . ($database ? qq(,requested_database="$database") : '') . '}' => 1);
}
counts(sub { login('with_password') }, { rejected('password', 'postgres') }, 'a wrong password');
counts(sub { login('with_password', 'no_such_database') }, { rejected('password') }, 'for a database that is not there');
counts(sub { login('unwanted') }, { rejected('hba_reject', 'postgres') }, 'a reject in pg_hba.conf');
counts(sub { login('nobody_knows') }, { rejected('no_such_role', 'postgres') }, 'an unknown role');
counts(sub { login('no_login') }, { rejected('no_login_right', 'postgres') }, 'a role without LOGIN');
$node->safe_psql('postgres', q(SELECT monitoring.enable_pack('security')));
is($node->safe_psql('postgres', q(SELECT string_agg(metric_name || ' ' || value, ', ' ORDER BY metric_name)
	FROM monitoring.preview_collector('security/server') WHERE metric_name NOT LIKE '%refused%')),
	'security_authentication_failures_total 5, security_rls_violations_total 1',
	'the pack "security" collects what was counted');
counts(sub {
	# A startup packet for the user with a password, and then gone.
	my $socket = IO::Socket::UNIX->new(Peer => "$host/.s.PGSQL." . $node->port) or die "socket: $!";
	my $parameters = "user\0with_password\0database\0postgres\0\0";
	print $socket pack('NN', 8 + length $parameters, 196608) . $parameters;
	$socket->flush;
	sysread($socket, my $request, 1);
	close $socket;
	wait_until($node, q(SELECT count(*) FROM pg_stat_activity WHERE usename = 'with_password'), expect => '0',
		what => 'its backend is gone');
}, {}, 'a client that went away');

# Statements: how many observations of the two histograms a script makes.
sub timed
{
	my ($sql, $expected, $what, %args) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $before = samples($port);
	$node->psql('postgres', $sql, %args);
	my $after = samples($port);
	foreach my $name (qw(database_query_duration_seconds db_query_duration_ms))
	{
		is(moved($before, $after, $name . '_count{datname="postgres"}'), $expected, "$what ($name)");
	}
	return ($before, $after);
}

timed('SELECT 1;' x 10, 10, 'ten statements');
timed('SELECT nested()', 1, 'what a function runs is part of its caller');
timed('DO $$ BEGIN PERFORM nested(); END $$', 1, 'and so is what DO runs');
timed('BEGIN; SELECT 1; UPDATE one SET value = 1 WHERE n = 1; COMMIT', 2, 'BEGIN and COMMIT are no statements');
timed('BEGIN; DECLARE c CURSOR FOR SELECT * FROM one; FETCH 5 FROM c; FETCH 5 FROM c; COMMIT', 3, 'a cursor');
timed('PREPARE p AS SELECT 1; EXECUTE p; EXPLAIN ANALYZE SELECT 1; CREATE TEMP TABLE t AS SELECT 1', 4, 'utility commands');
timed("SELECT 1 / (n - n) FROM one;\nSELECT 1", 2, 'one that fails is timed, too', on_error_stop => 0);
timed('SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;'
	. ' SET max_parallel_workers_per_gather = 2; SELECT count(*) FROM one', 5, 'parallel workers are not counted');
timed('SET monitoring.track_queries = off; SELECT 1; SELECT 2', 1, 'switched off, by a statement that is the last');
timed('INSERT INTO watched VALUES (0) RETURNING n', 1, 'what an AFTER trigger runs is part of its statement');
timed('INSERT INTO watched VALUES (13)', 1, 'one that fails there is timed, too');
timed('UPDATE watched SET n = 0', 1, 'what a deferred trigger runs at the end is no statement');
timed('BEGIN; UPDATE watched SET n = 0; COMMIT', 1, 'nor within COMMIT');
timed('WITH more AS (INSERT INTO watched VALUES (0) RETURNING n) SELECT * FROM more, one', 1, 'a WITH that writes');
timed('SET monitoring.track_queries = off; INSERT INTO watched VALUES (0); SELECT nested()', 1, 'nor is anything when it is off');
my ($before, $after) = timed('INSERT INTO watched VALUES (1)', 1, 'a slow trigger');
cmp_ok(moved($before, $after, 'database_query_duration_seconds_sum{datname="postgres"}'), '>', 0.19, 'is part of its time');
($before, $after) = timed('SELECT pg_sleep(0.3)', 1, 'a slow one');
is(moved($before, $after, 'db_query_duration_ms_bucket{datname="postgres",le="250"}'), 0, 'is in no fast bucket');
is(moved($before, $after, 'database_query_duration_seconds_bucket{datname="postgres",le="10"}'), 1, 'but in a slow one');
cmp_ok(moved($before, $after, 'database_query_duration_seconds_sum{datname="postgres"}'), '>', 0.29, 'in seconds');
cmp_ok(moved($before, $after, 'db_query_duration_ms_sum{datname="postgres"}'), '>', 290, 'and milliseconds');

# Nothing changes for the client.
sub seen_by_client
{
	my ($switch) = @_;
	my ($code, $out, $err) = $node->psql('postgres', <<"EOF", on_error_stop => 0);
SET monitoring.track_queries = $switch; SET monitoring.track_errors = $switch; SET monitoring.track_logins = $switch;
\\set VERBOSITY verbose
SELECT nested(), caught();
SELECT 1 / 0;
INSERT INTO watched VALUES (13);
BEGIN; DECLARE c CURSOR FOR SELECT n FROM one ORDER BY n; FETCH 2 FROM c; SAVEPOINT a; SELECT 1 / 0; ROLLBACK TO a; FETCH 1 FROM c; COMMIT;
SET ROLE tenant; INSERT INTO guarded VALUES ('other'); SELECT * FROM secret; RESET ROLE;
DO \$\$ BEGIN RAISE EXCEPTION 'made up' USING DETAIL = 'd', HINT = 'h', ERRCODE = '22012'; END \$\$;
SELECT count(*) FROM one; UPDATE one SET value = 3 WHERE n = 3 RETURNING n, value;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT * FROM one WHERE n = 1;
EOF
	return $out . $err;
}
is(seen_by_client('on'), seen_by_client('off'), 'a client sees the same answers and errors');
like(seen_by_client('on'), qr/22012: division by zero.*row-level security.*made up/s, 'errors among them');

# Portals that are fetched in parts, two of them in turns: each is one statement, counted at its end.
# A query is not counted again when its portal is asked once more; one whose portal is aborted between
# two parts is counted, too.
sub message { my ($type, $body) = @_; return $type . pack('N', 4 + length $body) . $body }
sub parse_and_bind { my ($name, $query) = @_; return message('P', "$name\0$query\0" . pack('n', 0)) . message('B', "$name\0$name\0" . pack('n3', 0, 0, 0)) }
sub execute { my ($name, $rows) = @_; return message('E', "$name\0" . pack('N', $rows)) }
sub until_ready
{
	my ($socket, $messages) = @_;
	print $socket $messages;
	$socket->flush;
	for (my $type = ''; $type ne 'Z';)
	{
		read($socket, my $head, 5) == 5 or die 'the server went away';
		($type, my $size) = unpack('aN', $head);
		read($socket, my $body, $size - 4) if $size > 4;
	}
}
my $client = IO::Socket::UNIX->new(Peer => "$host/.s.PGSQL." . $node->port) or die "socket: $!";
my $startup = "user\0" . scalar(getpwuid($>)) . "\0database\0postgres\0\0";
until_ready($client, pack('NN', 8 + length $startup, 196608) . $startup);
sub in_parts
{
	my ($one, $two) = @_;
	return join '', parse_and_bind($one, 'SELECT n FROM one ORDER BY n LIMIT 5'), parse_and_bind($two, 'SELECT n FROM one'),
		execute($one, 2), execute($two, 3), execute($one, 2), execute($two, 3), execute($one, 2), message('C', "P$one\0"), message('S', '');
}
my $twice = join '', parse_and_bind('c', 'SELECT 1'), execute('c', 0), execute('c', 0), message('S', '');
my $aborted = join '', parse_and_bind('d', 'SELECT n FROM one'), execute('d', 2), parse_and_bind('e', 'SELECT 1 / (n - 1) FROM one'),
	execute('e', 0), message('S', '');
foreach my $case ([ in_parts('a', 'b'), 2, 'two portals that take turns' ], [ $twice, 1, 'a portal that is asked twice' ],
	[ $aborted, 2, 'one that is aborted by the error of another' ], [ in_parts('f', 'g'), 2, 'and afterwards' ])
{
	my ($messages, $expected, $what) = @$case;
	$before = samples($port);
	until_ready($client, $messages);
	is(moved($before, samples($port), 'database_query_duration_seconds_count{datname="postgres"}'), $expected, $what);
}
close $client;

# The extended protocol, and pg_stat_statements counts the same.
$node->safe_psql('postgres', 'SELECT pg_stat_statements_reset()');
$before = samples($port);
my $script = $node->basedir . '/script.sql';
append_to_file($script, "UPDATE one SET value = value + 1 WHERE n = 7;\n");
$node->command_ok([ 'pgbench', '-n', '-M', 'prepared', '-t', '50', '-f', $script, 'postgres' ], 'pgbench, prepared');
$after = samples($port);
is($node->safe_psql('postgres', q(SELECT calls FROM pg_stat_statements WHERE query ~ '^UPDATE one')), '50',
	'pg_stat_statements counts 50');
cmp_ok(moved($before, $after, 'database_query_duration_seconds_count{datname="postgres"}'), '>=', 50, 'and so do we');

# Milliseconds are the seconds under another name, unless somebody counts under that name.
$after = samples($port);
my %bounds = (1 => '0.001', 2.5 => '0.0025', 10000 => 10, '+Inf' => '+Inf');
is($after->{qq(db_query_duration_ms_bucket{datname="postgres",le="$_"})},
	$after->{qq(database_query_duration_seconds_bucket{datname="postgres",le="$bounds{$_}"})}, "le=\"$_\" of both") foreach sort keys %bounds;
cmp_ok(abs($after->{'db_query_duration_ms_sum{datname="postgres"}'} / $after->{'database_query_duration_seconds_sum{datname="postgres"}'} - 1000),
	'<', 1e-6, 'and the sums');
is($node->safe_psql('postgres', q(INSERT INTO monitoring.metric_definitions (metric_name, metric_type, snapshot)
	VALUES ('db_query_duration_ms', 'histogram', true), ('database_query_duration_seconds', 'histogram', true);
	SELECT monitoring_internal.snapshot_metrics() >= 4)), 't', 'both may be recorded');
$node->safe_psql('postgres', q(SELECT monitoring.histogram_observe('db_query_duration_ms', 7)));
is(samples($port)->{'db_query_duration_ms_count{datname="postgres"}'}, 1, 'what somebody counts under that name');
$node->safe_psql('postgres', q(SELECT monitoring.remove_metric('db_query_duration_ms')));
cmp_ok(samples($port)->{'db_query_duration_ms_count{datname="postgres"}'}, '>', 1, 'and then they are the seconds again');

# The context of row-level security.
my $context = 'rls_context_set_duration_ms_count{datname="postgres"}';
foreach my $case (
	[ q(BEGIN; SET LOCAL app.tenant_id = 'a'; COMMIT), 1, 'SET LOCAL' ],
	[ q(SELECT set_config('app.tenant_id', 'a', true)), 1, 'set_config()' ],
	[ q(SELECT set_config('request.jwt.claims', '{}', true), set_config('role', 'tenant', true)), 1, 'several of them' ],
	[ q(DO $$ BEGIN PERFORM set_config('app.tenant_id', 'a', true); END $$), 1, 'PERFORM set_config()' ],
	[ q(SET app.other = 'a'; SELECT set_config('app.other', 'a', true); SELECT 1; RESET app.tenant_id), 0, 'another setting' ])
{
	my ($sql, $expected, $what) = @$case;
	$before = samples($port);
	$node->safe_psql('postgres', $sql);
	is(moved($before, samples($port), $context), $expected, "$what is timed $expected times");
}

# The other way round, and switched off.
$node->safe_psql('postgres', q(ALTER SYSTEM SET shared_preload_libraries = 'auto_explain', 'monitoring', 'pg_stat_statements';
	ALTER SYSTEM SET auto_explain.log_min_duration = 0));
$node->restart;
timed('SELECT 1; SELECT nested()', 2, 'loaded between auto_explain and pg_stat_statements');
counts(sub { fails('SELECT 1 / 0') }, { $error{22} => 1 }, 'an error there');
$node->safe_psql('postgres', 'ALTER SYSTEM SET monitoring.track_errors = off; ALTER SYSTEM SET monitoring.track_logins = off');
$node->reload;
wait_until($node, 'SHOW monitoring.track_logins', expect => 'off', what => 'switched off');
counts(sub { fails('SELECT 1 / 0'); login('unwanted') }, {}, 'nothing is counted');

# A crash in the middle of a storm: everything starts from zero, and counts.
append_to_file($script, "SELECT monitoring.counter_inc('storm_total');\n");
my $storm = IPC::Run::start([ 'pgbench', '-n', '-c', '2', '-T', '60', '-f', $script, '-d', $node->connstr('postgres') ],
	'>', \my $out, '2>', \my $err);
wait_until($node, q(SELECT value > 100 FROM monitoring.metrics WHERE metric_name = 'storm_total'), what => 'a storm of increments');
kill 'KILL', $node->safe_psql('postgres', q(SELECT pid FROM pg_stat_activity 
	WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() LIMIT 1));
$storm->finish;
wait_until($node, q(SELECT count(*) FROM monitoring.metrics WHERE metric_name = 'storm_total'), expect => '0',
	what => 'after the crash it is not counted');
$node->safe_psql('postgres', q(SELECT monitoring.counter_inc('storm_total') FROM generate_series(1, 1000)));
is(samples($port)->{'storm_total{datname="postgres"}'}, 1000, 'the HTTP server is back, and says what was counted since');

done_testing();
