#!/usr/bin/python3
"""Alerting rules of compliance-alert-generator as SQL rules, on the server that PGHOST and PGPORT name.

The folder holds rules in Prometheus's format and a specification in words. Of every rule that SQL can
say, made of a selector and a threshold, each state of the specification is looked at on a virtual
clock: inactive, pending for as long as `for` says, firing, resolved; with the labels and annotations
that it is to have. Other expressions are PromQL, which this extension does not speak yet: skipped.

    sql_rules.py FOLDER     with compliance-alert-generator below it
"""

import argparse
import collections
import json
import pathlib
import re
import sys

import yaml

from sql_server import lines_of, literal, pause_worker, run_sql, seconds

PROMQL = "the expression is more than a selector and a threshold: language 'promql' is not there yet"
SELECTOR = re.compile(r'\{((?:\w+="[^"]*"(?:, *)?)+)\} > ([0-9.]+)')


class Skip(Exception):
    """SQL cannot say it."""


class Rule:
    """A rule, its query, and what its alert is to look like."""

    def __init__(self, group, source):
        found = SELECTOR.fullmatch(" ".join(str(source["expr"]).split()))
        if not found:
            raise Skip(PROMQL)
        series = dict(re.findall(r'(\w+)="([^"]*)"', found.group(1)))
        self.name = source["alert"]
        self.threshold = float(found.group(2))
        self.interval = seconds(group.get("interval", "1m"))
        self.wait = seconds(source.get("for", "0s"))
        self.labels = source.get("labels") or {}
        self.annotations = source.get("annotations") or {}
        # Prometheus's own, and those that the rule overrides.
        self.columns = {name: value for name, value in series.items()
                        if name not in ("__name__", "alertname") and name not in self.labels}

    def create(self):
        columns = "".join("%s AS %s, " % (literal(value), name) for name, value in self.columns.items())
        query = "SELECT %svalue FROM public.sample WHERE value > %s" % (columns, self.threshold)
        return "SELECT monitoring.create_alert(%s, %s, for_duration => interval '%f seconds', labels => %s, annotations => %s)" % (
            literal(self.name), literal(query), self.wait, literal(json.dumps(self.labels)), literal(json.dumps(self.annotations)))

    def plan(self):
        """[(second, value, state that is wanted)], one for each evaluation."""
        steps = [(0, self.threshold, None)]
        begins = self.interval
        evaluations = int(self.wait // self.interval) + 3
        for number in range(evaluations):
            held = number * self.interval
            steps.append((begins + held, self.threshold + 1, "firing" if held >= self.wait else "pending"))
        steps.append((begins + evaluations * self.interval, self.threshold, "resolved"))
        return steps

    def check(self):
        """What is wrong, or None."""
        lines = ["BEGIN", "SET LOCAL monitoring.allow_superuser_rules = on", "CREATE TABLE public.sample (value float8)",
                 "INSERT INTO public.sample VALUES (0)", self.create()]
        for second, value, _ in self.plan():
            at = "timestamptz '2051-01-01 00:00Z' + interval '%f seconds'" % second
            lines += ["UPDATE public.sample SET value = %s" % value, "SELECT monitoring.evaluate_alerts(%s)" % at,
                      "\\o", "SELECT coalesce((SELECT jsonb_build_object('state', state, 'labels', labels - 'severity',"
                      " 'annotations', annotations) FROM monitoring.alerts WHERE rule_name = %s), '{}')" % literal(self.name),
                      "\\o /dev/null"]
        answers = [json.loads(line) for line in lines_of(run_sql(lines + ["ROLLBACK"]))]
        for (second, _, wanted), got in zip(self.plan(), answers):
            if got.get("state") != wanted:
                return "after %g s it is %s, not %s" % (second, got.get("state"), wanted)
            if wanted and got["labels"] != {**self.columns, **self.labels, "alertname": self.name}:
                return "its labels are %s" % got["labels"]
            if wanted and got["annotations"] != self.annotations:
                return "its annotations are %s" % got["annotations"]
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    root = parser.parse_args().folder
    folder = root if root.name == "compliance-alert-generator" else root / "compliance-alert-generator"
    if not folder.is_dir():
        print("compliance-alert-generator: no such folder, not played on a server")
        return 0
    pause_worker()
    passed, failures, skips = 0, [], collections.defaultdict(list)
    for file in sorted([*folder.rglob("*.yml"), *folder.rglob("*.yaml")]):
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]:
            for source in group["rules"]:
                name = "%s: %s" % (file.name, source.get("alert", source.get("record")))
                try:
                    if "alert" not in source:
                        raise Skip("a recording rule")
                    wrong = Rule(group, source).check()
                except Skip as reason:
                    skips[str(reason)].append(name)
                    continue
                except RuntimeError as error:
                    wrong = str(error)
                passed += not wrong
                failures += [(name, wrong)] if wrong else []
    print("compliance-alert-generator as SQL rules on a server: %d passed, %d failed, %d skipped"
          % (passed, len(failures), sum(map(len, skips.values()))))
    for name, wrong in failures:
        print("  FAILED %s\n    %s" % (name, wrong))
    for reason, names in skips.items():
        print("  skipped %d: %s\n%s" % (len(names), reason, "\n".join("    " + name for name in names)))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
