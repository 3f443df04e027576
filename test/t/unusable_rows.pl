# One bad row costs itself, never the pass, in the passes that only worker and courier make: due
# collectors, their budget, due probes, packs, snapshots and the lease of notifications. The bad rows
# are such as a restore may leave: no trigger has seen them.
use strict;
use warnings;
use HttpReceiver;
use MonitoringTest;
use Test::More;

my $receiver = HttpReceiver->start;
my $url = $receiver->url('/hook');
my $node = new_node(preload => 1, conf => <<"EOC");
monitoring.allow_superuser_rules = on
monitoring.naptime = '1s'
monitoring.snapshot_interval = '1s'
monitoring.health_check_interval = '1s'
EOC
sub sql { my ($statement) = @_; return $node->safe_psql('postgres', $statement); }
sub restored { my ($statement) = @_; return sql("SET session_replication_role = replica; $statement"); }

# What refuses a row that nothing is wrong with otherwise, as a constraint of somebody's would.
sql(q(
	CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
		$$BEGIN RAISE EXCEPTION 'not this one' USING ERRCODE = 'check_violation'; END$$;
	CREATE TRIGGER refused BEFORE UPDATE ON monitoring.collectors FOR EACH ROW
		WHEN (OLD.collector_name = 'refused') EXECUTE FUNCTION refuse();
	CREATE TRIGGER refused BEFORE UPDATE ON monitoring.notifications FOR EACH ROW
		WHEN (OLD.group_key = 'refused') EXECUTE FUNCTION refuse();
	CREATE TRIGGER unrecorded BEFORE UPDATE ON monitoring.notifications FOR EACH ROW
		WHEN (OLD.group_key = 'unrecorded' AND NEW.status NOT IN ('sending', 'queued')) EXECUTE FUNCTION refuse();
	CREATE TRIGGER refused BEFORE INSERT ON monitoring.probe_results FOR EACH ROW
		WHEN (NEW.probe_name = 'refused') EXECUTE FUNCTION refuse();
	CREATE TABLE jobs (status text, created_at timestamptz)));

restored(q(
	INSERT INTO monitoring.collectors (collector_name, query, every, owner, owner_oid)
	SELECT n, 'SELECT 1 AS value', '1 second', current_user, current_user::regrole
	FROM unnest('{good,also good,far,refused,full,nothing,dear}'::text[]) AS n;
	UPDATE monitoring.collectors SET every = '178000000 years' WHERE collector_name = 'far';
	UPDATE monitoring.collectors SET every = '-1 year 365 days 6 hours' WHERE collector_name = 'nothing';
	UPDATE monitoring.collectors SET missed_runs = 9223372036854775807, last_run_at = now() - interval '1 day',
		next_run_at = now() - interval '1 day' WHERE collector_name = 'full';
	UPDATE monitoring.collectors SET last_duration_ms = '-1e308', average_duration_ms = '1e308'
	WHERE collector_name = 'dear'));
my $runs = q(SELECT count(*) FROM monitoring.collectors
	WHERE collector_name LIKE '%good' AND consecutive_failures = 0 AND last_run_at > created_at);
wait_until($node, $runs, expect => 2, what => 'the good collectors run');
my $named = q(SELECT string_agg(details ->> 'object', ', ' ORDER BY details ->> 'object') FROM monitoring.worker_issues
	WHERE NOT resolved AND issue_type = 'unusable' AND worker_name = ');
wait_until($node, "${named}collectors'", expect => 'collector "far", collector "full", collector "nothing", collector "refused"',
	what => 'those that cannot be used are named');
my $last = sql(q(SELECT max(last_run_at) FROM monitoring.collectors WHERE collector_name = 'good'));
wait_until($node, "SELECT last_run_at > '$last' FROM monitoring.collectors WHERE collector_name = 'good'",
	what => 'and the good ones go on');
like(sql(q(SELECT public.get_system_health())), qr/collectors/, 'health says it');
is(sql(q(SELECT count(*) FROM monitoring.worker_issues WHERE NOT resolved AND worker_name = 'monitoring worker'
	AND issue_type IN ('collectors', 'collector-budget'))), 0, 'no duty fails');

# Probes.
restored("INSERT INTO monitoring.probes (probe_name, url, every) SELECT n, '$url', '1 second'
	FROM unnest('{good,far,refused}'::text[]) AS n;
	UPDATE monitoring.probes SET every = '178000000 years' WHERE probe_name = 'far'");
wait_until($node, q(SELECT count(*) > 2 FROM monitoring.probe_results WHERE probe_name = 'good'),
	what => 'the good probe is asked again and again');
wait_until($node, "${named}probes'", expect => 'probe "refused"', what => 'the bad one is named');
is(sql(q(SELECT success FROM monitoring.probe_state WHERE probe_name = 'good')), 't', 'and it answers');

# The outbox.
sql("SELECT monitoring.create_receiver('ops', 'webhook', '{\"url\": \"$url\"}')");
restored(q(
	INSERT INTO monitoring.notifications (receiver, kind, group_key, payload, created_at, attempts, queued_at)
	SELECT 'ops', 'webhook', k, p, now(), a, q FROM (VALUES
		('refused', '{"status": "firing"}'::jsonb, 0, now()), ('no object', '7', 0, now()),
		('good', '{"status": "firing"}', 0, now()), ('tried for ever', '{"status": "firing"}', 2147483647, now()),
		('unrecorded', '{"status": "firing"}', 0, now()), ('minus', '{"status": "firing"}', -2147483648, now()),
		('last', '{"status": "firing"}', 0, now())) AS v(k, p, a, q)));
sql(q(SELECT monitoring_internal.wake_worker()));
my $sent = q(SELECT string_agg(group_key, ', ' ORDER BY group_key) FROM monitoring.notifications
	WHERE status = 'sent' AND group_key <> 'no object' AND group_key NOT LIKE '{%');
wait_until($node, $sent, expect => 'good, last, minus, tried for ever', what => 'the good notifications are sent');
wait_until($node, q(SELECT count(*) = 2 FROM monitoring.worker_issues AS i JOIN monitoring.notifications AS n
	ON i.details ->> 'object' = format('notification "%s"', n.id) AND n.group_key IN ('refused', 'unrecorded')
	WHERE NOT i.resolved AND i.worker_name = 'courier'), what => 'the bad ones are named');
sql(q(INSERT INTO monitoring.notifications (receiver, kind, group_key, payload, created_at)
	VALUES ('ops', 'webhook', 'later', '{"status": "firing"}', now())));
wait_until($node, "SELECT ($sent) LIKE '%later%'", what => 'the next one is sent, too');

# Packs.
my $pack = sql(q(SELECT min(pack_name) FROM monitoring_internal.table_packs WHERE pack_name <> 'queues'));
restored("INSERT INTO monitoring_internal.enabled_packs (pack_name, with_alerts, mapping, owner, owner_oid)
	VALUES ('$pack', false, '[7]', current_user, current_user::regrole)");
is(sql(q(SELECT monitoring_internal.settle_packs() >= 0)), 't', 'packs are settled');

# Mended, it resolves by itself: after its rest, which is a minute.
sql(q(DROP TRIGGER refused ON monitoring.collectors; DROP TRIGGER refused ON monitoring.notifications;
	DROP TRIGGER unrecorded ON monitoring.notifications; DROP TRIGGER refused ON monitoring.probe_results));
restored(q(UPDATE monitoring.collectors SET every = '1 second', missed_runs = 0));
wait_until($node, "SELECT coalesce(($named" . "collectors'), '') || coalesce(($named" . "probes'), '')",
	expect => '', what => 'collectors and probes are used again');
wait_until($node, "SELECT ($sent) LIKE '%refused%'", what => 'the notification is sent');
# The one whose outcome could not be recorded is leased for some minutes yet.
wait_until($node, "SELECT ($named" . "courier') = (SELECT format('notification \"%s\"', id)
	FROM monitoring.notifications WHERE group_key = 'unrecorded')", what => 'its issue is resolved');
done_testing();
