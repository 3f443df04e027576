#!/usr/bin/python3
"""Files of postgres_exporter's queries.yaml through import_collectors(), on the server that PGHOST and PGPORT name.

Every query becomes a collector, every column that is a metric one of the exporter's name, labels keep
theirs; and what works on this server gives exactly these.

    sql_exporter.py FOLDER     with postgres_exporter below it
"""

import argparse
import json
import pathlib
import sys

import yaml

from sql_server import literal, pause_worker, run_sql

OWNER = "exporter_owner"


def wanted_names(name, query):
    """By the exporter's rule: <query>_<column>."""
    suffixes = {"GAUGE": [""], "COUNTER": [""], "MAPPEDMETRIC": [""], "DURATION": ["_milliseconds"],
                "HISTOGRAM": ["_bucket", "_sum", "_count"]}
    return {"%s_%s%s" % (name, column, suffix) for entry in query.get("metrics") or []
            for column, options in entry.items() for suffix in suffixes.get(options["usage"], [])}


def labels_of(query):
    return {column for entry in query.get("metrics") or [] for column, options in entry.items()
            if options["usage"] == "LABEL"}


def imported(text):
    """{collector: its metric names}, {collector: [[metric, labels] that it gives now]}."""
    answer = run_sql([
        "BEGIN", "CREATE ROLE " + OWNER, "\\o",
        "SELECT jsonb_object_agg(collector_name, metric_names) FROM monitoring.import_collectors(%s, owner => '%s')"
        % (literal(text), OWNER),
        "SELECT monitoring.run_collector(collector_name) FROM monitoring.collectors", "\\o",
        "SELECT jsonb_object_agg(collector_name, coalesce(last_error, '')) FROM monitoring.collectors",
        "SELECT coalesce(jsonb_agg(jsonb_build_array(metric_name, tags)), '[]') FROM monitoring.pipeline_metrics"
        " WHERE metric_name ~ '^(%s)_'" % "|".join(yaml.safe_load(text)), "\\o /dev/null", "ROLLBACK"])
    lines = [json.loads(line) for line in answer.splitlines() if line[:1] in "{["]
    return lines[0], lines[1], lines[2]


def check(text):
    """What is wrong, or None; and the collectors that do not work on this server."""
    queries = yaml.safe_load(text)
    names, errors, samples = imported(text)
    for name, query in queries.items():
        if not wanted_names(name, query) <= set(names.get(name, [])):
            return "%s: %s, not %s" % (name, names.get(name), wanted_names(name, query)), {}
        for metric, labels in samples:
            if metric in wanted_names(name, query) and not set(labels) <= labels_of(query):
                return "%s: %s has the labels %s" % (name, metric, labels), {}
        given = {metric for metric, _ in samples}
        if not errors[name] and not wanted_names(name, query) <= given:
            return "%s gives %s only" % (name, sorted(given)), {}
    return None, {name: error for name, error in errors.items() if error}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    root = parser.parse_args().folder
    folder = root if root.name == "postgres_exporter" else root / "postgres_exporter"
    if not folder.is_dir():
        print("postgres_exporter: no such folder, not played on a server")
        return 0
    pause_worker()
    passed, failures = 0, []
    for file in sorted([*folder.rglob("*.yml"), *folder.rglob("*.yaml")]):
        try:
            wrong, broken = check(file.read_text(encoding="utf-8"))
        except RuntimeError as error:
            wrong, broken = str(error), {}
        passed += not wrong
        failures += [(file.name, wrong)] if wrong else []
        for name, error in broken.items():
            print("  %s: %s does not work on this server: %s" % (file.name, name, error))
    print("postgres_exporter's queries as collectors on a server: %d passed, %d failed" % (passed, len(failures)))
    for name, wrong in failures:
        print("  FAILED %s\n    %s" % (name, wrong))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
