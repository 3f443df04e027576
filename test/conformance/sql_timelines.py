#!/usr/bin/python3
"""Alertmanager's acceptance timelines, played through SQL on the server that PGHOST and PGPORT name.

Every timeline is played in two ways, in steps of 100 ms on a virtual clock with the worker paused:

  rules   what is pushed are rows that rules read; monitoring.evaluate_alerts(at) does all the rest
  tables  what is pushed are rows of monitoring.alerts, with the times that their source gives and
          merged as Alertmanager merges them; monitoring_internal.route_alerts(at) does the rest

and each notification in the outbox is carried to its webhook as the courier would. Prints what
passed, failed and was skipped, and why; the status is 0 when nothing failed.

    sql_timelines.py FOLDER     with alertmanager-acceptance below it
"""

import argparse
import collections
import json
import pathlib
import re
import sys

import yaml

from sql_server import literal, pause_worker, run_sql, seconds

STEP_S = 0.1
RESOLVE_TIMEOUT_S = 300.0
CONFIG = "config_with_%s_for_webhook_host"
# The courier's first wait, at its shortest (include/monitoring/notify/retry.hpp); it doubles.
FIRST_WAIT_S = 0.25
COLD_START = ("dispatch.start-delay waits out a cold start, which does not happen here: groups, alerts "
              "and the notification log are rows and outlive restarts and reloads")
REWRITTEN = ("a source changes an alert's past or its annotations: rules are evaluated, their alerts are "
             "not pushed; played through the tables")


class Skip(Exception):
    """The timeline cannot be played in this way, on purpose."""


def array(texts):
    return "ARRAY[%s]::text[]" % ", ".join(map(literal, texts))


def instant(second):
    return "pg_temp.second(%.3f)" % second


def matchers(node, prefix=""):
    made = ['%s=%s' % (name, json.dumps(str(value))) for name, value in (node.get(prefix + "match") or {}).items()]
    made += ['%s=~%s' % (name, json.dumps(str(value))) for name, value in (node.get(prefix + "match_re") or {}).items()]
    return made + list(node.get(prefix + "matchers") or [])


class Config:
    """alertmanager.yml as calls of this extension."""

    def __init__(self, text):
        self.document = yaml.safe_load(text)
        self.webhooks = {}
        self.timeouts = {}
        self.resolve_timeout = RESOLVE_TIMEOUT_S
        if "resolve_timeout" in (self.document.get("global") or {}):
            self.resolve_timeout = seconds(self.document["global"]["resolve_timeout"])
        self.script = []
        for receiver in self.document["receivers"]:
            self._add_receiver(receiver)
        for rule in self.document.get("inhibit_rules") or []:
            self.script.append("SELECT monitoring.create_inhibit_rule(%s, %s, %s)" % (
                array(matchers(rule, "source_")), array(matchers(rule, "target_")), array(rule.get("equal") or [])))
        for interval in (self.document.get("time_intervals") or []) + (self.document.get("mute_time_intervals") or []):
            self.script.append("SELECT monitoring.create_time_interval(%s, %s)" % (
                literal(interval["name"]), literal(json.dumps(interval["time_intervals"]))))
        self._add_root(self.document["route"])

    def _add_receiver(self, receiver):
        """One of ours for each webhook."""
        self.webhooks[receiver["name"]] = []
        for key, entries in receiver.items():
            if key.endswith("_configs") and key != "webhook_configs":
                raise Skip("receivers that are no webhooks")
            for number, entry in enumerate(entries if key == "webhook_configs" else []):
                name = "%s/%d" % (receiver["name"], number)
                self.webhooks[receiver["name"]].append(name)
                self.timeouts[name] = seconds(entry["timeout"]) if "timeout" in entry else None
                self.script.append("SELECT monitoring.create_receiver(%s, 'webhook', '{\"url\": \"http://127.0.0.1:9/\"}', %s)" % (
                    literal(name), entry.get("send_resolved", True)))

    def _route(self, node, receiver, parent, keep_on):
        options = ["receiver => %s" % literal(receiver), "parent => %s" % parent,
                   "matchers => %s" % array(matchers(node)), "continue_matching => %s" % keep_on]
        for name in ("group_by", "mute_time_intervals", "active_time_intervals"):
            options.append("%s => %s" % (name, array(node.get(name) or [])))
        for name in ("group_wait", "group_interval", "repeat_interval"):
            if name in node:
                options.append("%s => interval '%.3f seconds'" % (name, seconds(node[name])))
        return "monitoring.create_route(%s)" % ", ".join(options)

    def _add_root(self, node):
        """A root whose receiver has several webhooks has a route for each."""
        webhooks = self.webhooks[node["receiver"]]
        children = node.get("routes") or []
        if len(webhooks) > 1 and children:
            raise Skip("a root with routes and several webhooks of its own")
        single = len(webhooks) == 1
        self.script.append("SELECT " + self._route(node, webhooks[0] if single else None, "NULL", False))
        for webhook in [] if single else webhooks:
            self.script.append("SELECT " + self._route({}, webhook, "0", True))
        for child in children:
            self._add_child(child, "0", node["receiver"])

    def _add_child(self, node, parent, inherited):
        receiver = node.get("receiver", inherited)
        webhooks = self.webhooks[receiver]
        for number, webhook in enumerate(webhooks):
            keep_on = bool(node.get("continue")) or number + 1 < len(webhooks)
            variable = "route_%d" % len(self.script)
            self.script.append("SELECT %s AS %s \\gset" % (self._route(node, webhook, parent, keep_on), variable))
            for child in node.get("routes") or []:
                self._add_child(child, ":" + variable, receiver)


class Push:
    """What a step says of one alert."""

    def __init__(self, at, source, with_optional_end):
        self.at = at
        self.labels = source.get("labels") or {}
        self.annotations = source.get("annotations") or {}
        self.key = json.dumps(self.labels, sort_keys=True)
        self.start = self.end = None
        active = source.get("active") or []
        if active and active[0] > 0:
            self.start = active[0]
        if len(active) > 1:
            optional = re.fullmatch(r"optional:\+([0-9.]+)", str(active[1]))
            if not optional:
                self.end = active[1]
            elif with_optional_end:
                self.end = active[0] + float(optional.group(1))


class Alert:
    """An alert as Alertmanager keeps it: the defaults of its API, and types.Alert.Merge."""

    def __init__(self, push, resolve_timeout, known):
        self.timeout = push.end is None
        self.labels, self.annotations = push.labels, push.annotations
        self.start = next(time for time in (push.start, push.end, push.at) if time is not None)
        self.end = push.at + resolve_timeout if push.end is None else push.end
        if known is None or not (known.start < self.end < known.end or known.start < self.start < known.end):
            return
        self.start = min(self.start, known.start)
        keeps_end = known.end <= push.at if self.end <= push.at else not known.timeout
        if keeps_end:
            self.end = max(self.end, known.end)

    def row(self, now):
        resolved = self.end <= now
        return ("DELETE FROM monitoring.alerts WHERE labels = {labels};"
                " INSERT INTO monitoring.alerts (fingerprint, rule_id, rule_name, severity, labels, annotations,"
                "  state, origin, active_at, fired_at, resolved_at, written_at)"
                " VALUES (left(md5({labels}), 16), 0, {name}, 'none', {labels}, {annotations}, {state}, 'element',"
                "  {start}, {start}, {end}, {now})").format(
                    labels=literal(json.dumps(self.labels, sort_keys=True)),
                    annotations=literal(json.dumps(self.annotations)), name=literal(self.labels.get("alertname", "")),
                    state=literal("resolved" if resolved else "firing"), start=instant(self.start),
                    end=instant(self.end) if resolved else "NULL", now=instant(now))


def silence_of(code):
    times = re.search(r"Silence\(([0-9.]+), ([0-9.]+)\)", code)
    if not times:
        raise Skip("a silence that is not understood: " + code)
    made = ['%s%s%s' % (name, "=~" if kind else "=", json.dumps(value))
            for kind, name, value in re.findall(r'\.Match(RE)?\("([^"]*)", "([^"]*)"\)', code)]
    return "INSERT INTO monitoring.silences (matchers, starts_at, ends_at) VALUES (%s, %s, %s)" % (
        array(made), instant(float(times.group(1))), instant(float(times.group(2))))


class Timeline:
    """One scenario, and the SQL that plays it."""

    def __init__(self, scenario, with_optional_end):
        self.scenario = scenario
        self.config = Config(scenario[CONFIG])
        self.end = max(step["want_between"][1] for step in scenario["timeline"] if "want_between" in step)
        self.pushes, self.silences = [], []
        for step in scenario["timeline"]:
            if "push" in step:
                self.pushes += [Push(step["at"], source, with_optional_end) for source in step["push"]]
            elif "SetSilence" in step:
                self.silences.append((step["at"], silence_of(step["SetSilence"])))
            elif "want_between" not in step:
                raise Skip("a step that is not understood: " + json.dumps(step))

    def through_tables(self):
        """(pass, {time: [statements]})"""
        todo = collections.defaultdict(list)
        known = {}
        for push in sorted(self.pushes, key=lambda push: push.at):
            alert = known[push.key] = Alert(push, self.config.resolve_timeout, known.get(push.key))
            todo[push.at].append(alert.row(push.at))
            if alert.end > push.at:
                # Unless something was pushed since.
                todo[alert.end].append((push.key, alert))
        script = {}
        for at, statements in todo.items():
            script[at] = [one if isinstance(one, str) else one[1].row(at) for one in statements
                          if isinstance(one, str) or known[one[0]] is one[1]]
        return "monitoring_internal.route_alerts", script

    def through_rules(self):
        rows, names = [], collections.defaultdict(set)
        by_key = collections.defaultdict(list)
        for push in sorted(self.pushes, key=lambda push: push.at):
            by_key[push.key].append(push)
        for pushes in by_key.values():
            first, last = pushes[0], pushes[-1]
            ends = len(pushes) == 2 and last.end == last.at and last.annotations == first.annotations
            if first.annotations or first.start not in (None, first.at) or len(pushes) > 1 and not ends:
                raise Skip(REWRITTEN)
            until = last.end if last.end is not None else last.at + self.config.resolve_timeout
            rows.append((first.labels, first.at, until))
            names[first.labels["alertname"]] |= set(first.labels) - {"alertname"}
        script = ["CREATE TABLE public.pushed (labels jsonb, since timestamptz, until timestamptz)"]
        script += ["INSERT INTO public.pushed VALUES (%s, %s, %s)" % (literal(json.dumps(labels)), instant(since), instant(until))
                   for labels, since, until in rows]
        for alertname, columns in names.items():
            query = "SELECT %s 1 AS value FROM public.pushed WHERE labels ->> 'alertname' = %s AND since <= $1 AND $1 < until" % (
                "".join("labels ->> %s AS %s," % (literal(name), name) for name in sorted(columns)), literal(alertname))
            script.append("SELECT monitoring.create_alert(%s, %s, evaluate_every => '1 second')" % (literal(alertname), literal(query)))
        return "monitoring.evaluate_alerts", {0.0: script}

    def sql(self, way):
        function, todo = self.through_rules() if way == "rules" else self.through_tables()
        for at, statement in self.silences:
            todo.setdefault(at, []).append(statement)
        grid = {round(step * STEP_S, 3) for step in range(int(self.end / STEP_S) + 1)}
        lines = ["BEGIN", "SET LOCAL monitoring.allow_superuser_rules = on",
                 "CREATE FUNCTION pg_temp.second(number float8) RETURNS timestamptz LANGUAGE sql IMMUTABLE"
                 " RETURN '2051-01-01 00:00Z'::timestamptz + number * interval '1 second'"] + self.config.script
        for at in sorted(grid | {at for at in todo if at <= self.end}):
            lines += todo.get(at, [])
            lines.append("SELECT %s(%s)" % (function, instant(at)))
            lines.append("UPDATE monitoring.notifications SET status = 'sent' WHERE status = 'queued'")
        lines.append("\\o")
        lines.append("SELECT coalesce(json_agg(json_build_object('receiver', receiver, 'alerts', payload -> 'alerts',"
                     " 'at', extract(epoch FROM created_at - pg_temp.second(0))) ORDER BY id), '[]')"
                     " FROM monitoring.notifications WHERE created_at >= pg_temp.second(0)")
        lines.append("ROLLBACK")
        return lines

    def play(self, way):
        """Batches by receiver: [(second, alerts)]."""
        batches = collections.defaultdict(list)
        for told in json.loads(run_sql(self.sql(way))):
            batches[told["receiver"]].append((told["at"], told["alerts"]))
        return batches


class Misbehaviour:
    """How the last webhook misbehaves, read from the Go code that the timeline quotes."""

    def __init__(self, code):
        self.until, self.delay = 0.0, 0.0
        if code is None:
            return
        until = re.search(r"ts < ([0-9.]+)", code)
        if not until:
            raise Skip("unknown receiver_behaviour")
        self.until = float(until.group(1))
        self.delay = 1.0 if "time.Sleep(time.Second)" in code else 0.0

    def arrival(self, now, timeout):
        """When a notification is taken and kept, retries included; None where it is taken and lost."""
        wait = FIRST_WAIT_S
        while now < self.until:
            if timeout is None or self.delay <= timeout:
                return None
            now += timeout + wait
            wait *= 2
        return now


def second_of(text):
    """Seconds on the virtual clock of a time in a payload."""
    if text is None or text.startswith("0001"):
        return None
    match = re.fullmatch(r"2051-01-01T(\d\d):(\d\d):([0-9.]+)Z", text)
    return int(match.group(1)) * 3600 + int(match.group(2)) * 60 + float(match.group(3)) if match else -1e9


def same_alert(wanted, got, tolerance, way):
    labels = dict(got["labels"])
    if way == "rules" and "severity" not in wanted.get("labels", {}):
        del labels["severity"]
    active = wanted.get("active") or []
    start = active[0] if active else None
    end = active[1] if len(active) > 1 and not isinstance(active[1], str) else None
    got_end = second_of(got["endsAt"]) if got["status"] == "resolved" else None
    return (labels == wanted.get("labels", {}) and got["annotations"] == wanted.get("annotations", {})
            and (start is None or abs(second_of(got["startsAt"]) - start) <= tolerance)
            and (end is None) == (got_end is None) and (end is None or abs(got_end - end) <= tolerance))


def compare(scenario, kept, way):
    """What is wrong, or None."""
    tolerance = scenario["tolerance_ms"] / 1000 + 1e-6
    wanted = collections.Counter()
    for step in scenario["timeline"]:
        if "want_between" not in step:
            continue
        earliest, latest = step["want_between"]
        wanted[step["collector"]] += len(step["alerts"])
        if not any(earliest <= at <= latest and len(alerts) == len(step["alerts"])
                   and all(any(same_alert(alert, got, tolerance, way) for got in alerts) for alert in step["alerts"])
                   for at, alerts in kept[step["collector"]]):
            return "%s wants %s\n    received %s" % (step["collector"], json.dumps(step), json.dumps(kept[step["collector"]]))
    for collector, count in wanted.items():
        got = sum(len(alerts) for _, alerts in kept[collector])
        if got != count:
            return "%s wants %d alerts in all, received %s" % (collector, count, json.dumps(kept[collector]))
    return None


def check(scenario, way, with_optional_end):
    """What is wrong, or None. Raises Skip."""
    if scenario["extra_args"] is not None:
        raise Skip(COLD_START if "start-delay" in scenario["extra_args"] else "unknown command line arguments")
    timeline = Timeline(scenario, with_optional_end)
    collectors = sorted({step["collector"] for step in scenario["timeline"] if "collector" in step})
    webhooks = [name for names in timeline.config.webhooks.values() for name in names]
    if len(webhooks) != len(collectors):
        raise Skip("%d webhooks for %d collectors" % (len(webhooks), len(collectors)))
    misbehaviour = Misbehaviour(scenario["receiver_behaviour"])
    batches = timeline.play(way)
    kept = {}
    for collector, webhook in zip(collectors, webhooks):
        behaviour = misbehaviour if collector == collectors[-1] else Misbehaviour(None)
        arrived = [(behaviour.arrival(at, timeline.config.timeouts[webhook]), alerts) for at, alerts in batches[webhook]]
        kept[collector] = [(at, alerts) for at, alerts in arrived if at is not None]
    return compare(scenario, kept, way)


def run(folder, way):
    """Prints one suite; returns (ran, failed)."""
    passed, failures, skips = 0, [], collections.defaultdict(list)
    for file in sorted(folder.rglob("*.json")):
        for scenario in json.loads(file.read_text(encoding="utf-8")):
            variants = [False, True] if "optional:" in json.dumps(scenario["timeline"]) else [False]
            for with_end in variants:
                name = scenario["name"] + (" with ends" if with_end else "")
                try:
                    wrong = check(scenario, way, with_end)
                except Skip as reason:
                    skips[str(reason)].append(name)
                    continue
                except RuntimeError as error:
                    wrong = str(error)
                if wrong:
                    failures.append((name, wrong))
                else:
                    passed += 1
    print("alertmanager-acceptance through %s on a server: %d passed, %d failed, %d skipped"
          % (way, passed, len(failures), sum(map(len, skips.values()))))
    for name, wrong in failures:
        print("  FAILED %s\n    %s" % (name, wrong))
    for reason, names in skips.items():
        print("  skipped %d: %s\n%s" % (len(names), reason, "\n".join("    " + name for name in names)))
    return passed + len(failures), len(failures)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    root = parser.parse_args().folder
    folder = root / "alertmanager-acceptance"
    if not folder.is_dir():
        folder = root if root.name == "alertmanager-acceptance" else None
    if folder is None:
        print("alertmanager-acceptance: no such folder, not played on a server")
        return 0
    pause_worker()
    results = [run(folder, way) for way in ("rules", "tables")]
    return 1 if any(failed for _, failed in results) or not any(ran for ran, _ in results) else 0


if __name__ == "__main__":
    sys.exit(main())
