#!/usr/bin/env python3
"""make bench: the extension beside the document's plain SQL, on the server that PGHOST and PGPORT name.

Prints one table: name, ours, other, ratio, target. Where a target is not met the table says so and
the status stays 0: a slow machine is not a fault. Where the sides disagree on an answer, it is 1.
"""

import argparse
import json
import re
import subprocess
import sys
import time

import alert_cases
import collector_cases
import delivery_cases
import hook_cases
import ingest_cases
import read_cases
import registry_cases
import rollup_cases
import server_cases
import size_cases
import year_cases
from harness import MAINTENANCE, Session, Table, machine

def rooms(bench):
    """The code without Postgres: Google Benchmark's medians of CPU time."""
    if not bench.rooms:
        return
    answer = subprocess.run(
        [bench.rooms, "--benchmark_format=json", "--benchmark_repetitions=%d" % max(3, bench.runs),
         "--benchmark_min_time=0.1", "--benchmark_report_aggregates_only=true"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    for one in json.loads(answer.stdout)["benchmarks"]:
        if one["aggregate_name"] == "median":
            bench.table.single(one["run_name"].replace("_", " "), one["cpu_time"], unit=one["time_unit"])


CASES = ([("rooms", rooms)] + rollup_cases.CASES + ingest_cases.CASES + registry_cases.CASES + read_cases.CASES
         + size_cases.CASES + alert_cases.CASES + collector_cases.CASES + delivery_cases.CASES + hook_cases.CASES
         + server_cases.CASES + year_cases.CASES)


class Bench:
    """Sizes, the instant that both sides take for now, and the table."""

    def __init__(self, arguments):
        self.rows = arguments.rows
        self.sizes = arguments.sizes or sorted({max(1000, self.rows // part) for part in (100, 10, 1)})
        self.runs = arguments.runs
        self.series = min(arguments.series, max(10, self.rows // 5))
        self.seconds = arguments.seconds
        self.noop = arguments.noop
        self.rooms = arguments.rooms
        self.receiver = arguments.receiver
        self.table = Table()
        session = Session(MAINTENANCE)
        self.started_at = session.sql("SELECT now()")
        self.last_hour = session.sql("SELECT date_trunc('hour', now(), 'UTC') - interval '1 hour'")
        self.version = session.sql("SHOW server_version")
        session.close()


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--filter", default="", help="regular expression: run these cases only")
    parser.add_argument("--rows", type=int, default=1000000, help="rows of the big cases")
    parser.add_argument("--sizes", type=lambda text: sorted(map(int, text.split(","))),
                        help="rows of the scaling table, separated by commas; a hundredth, a tenth and all of --rows")
    parser.add_argument("--series", type=int, default=1000, help="series of an ordinary hour")
    parser.add_argument("--runs", type=int, default=3, help="runs that a median is taken of")
    parser.add_argument("--seconds", type=int, default=2, help="length of one run of pgbench")
    parser.add_argument("--noop", help="library of the function that does nothing (noop.c)")
    parser.add_argument("--rooms", help="program of the benchmarks without Postgres (rooms_bench.cpp)")
    parser.add_argument("--receiver", help="program that receives notifications (receiver.cpp)")
    parser.add_argument("--answers-only", action="store_true",
                        help="print whether the sides agree, and no figures")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    bench = Bench(arguments)
    chosen = [case for case in CASES if re.search(arguments.filter, case[0])]
    if not chosen:
        print("no case matches %r; there are: %s" % (arguments.filter, ", ".join(name for name, _ in CASES)))
        return 2
    for name, case in chosen:
        print("running %s: " % name, end="", file=sys.stderr, flush=True)
        begun = time.monotonic()
        case(bench)
        print("%.0f s" % (time.monotonic() - begun), file=sys.stderr)
    if not arguments.answers_only:
        print("\n%s\n\nPostgreSQL %s; %d rows, medians of %d runs\n%s"
              % (bench.table.text(), bench.version, bench.rows, bench.runs, machine()))
    print("answers: %d compared, %d differ" % (bench.table.checks, len(bench.table.failures)))
    for failure in bench.table.failures:
        print("DIFFERS " + failure)
    return 1 if bench.table.failures else 0


sys.exit(main())
