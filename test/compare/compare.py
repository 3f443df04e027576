"""What the packs say, beside what postgres_exporter and node_exporter say of the same server.

compare.py POSTGRES_EXPORTER NODE_EXPORTER PACKS.md; the server is that of PGHOST and PGPORT. Both are
asked before and after the packs, a few times. A value that is outside of both answers each time differs.
What PACKS.md has a row for is as documented; anything else is a failure."""

import contextlib
import fnmatch
import math
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request

ROUNDS = 3
# Of the magnitude: gauges such as free memory wander between and around two looks.
SLACK = 0.02
# The programs themselves, not what they look at.
OWN = re.compile(r"(go|process|promhttp)_|(node|postgres)_exporter_build_info|node_scrape_collector_")
SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)")
# Of a metric that nobody has described.
NO_HELP = "Defined by its first use."
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)",?')


def psql(sql):
    answer = subprocess.run(["psql", "--no-psqlrc", "--quiet", "--no-align", "--tuples-only",
                             "--set=ON_ERROR_STOP=1", "--dbname=postgres"],
                            input=sql, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        sys.exit(answer.stderr)
    return answer.stdout


class Answer:
    """One exposition: types and help by metric, values by metric and labels."""

    def __init__(self, text):
        self.types, self.help, self.series = {}, {}, {}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, self.types[name] = line.split(" ", 3)
                self.series.setdefault(name, {})
            elif line.startswith("# HELP "):
                _, _, name, self.help[name] = (line + " ").split(" ", 3)
            elif line and not line.startswith("#"):
                self._add(*SAMPLE.fullmatch(line).groups())

    def _add(self, name, labels, value):
        # The older exporter says with every metric which server it asks, and it asks only one. An
        # empty label is none.
        found = {(key, text) for key, text in LABEL.findall(labels or "") if key != "server" and text != ""}
        self.series.setdefault(name, {})[frozenset(found)] = float(value)

    def label_names(self, name):
        return {key for labels in self.series[name] for key, _ in labels}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ask(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        return answer.read().decode()


@contextlib.contextmanager
def running(program, **environment):
    port = free_port()
    process = subprocess.Popen([program, f"--web.listen-address=127.0.0.1:{port}"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, env={**os.environ, **environment})
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                ask(port)
                break
            except OSError as error:
                if time.monotonic() > deadline or process.poll() is not None:
                    sys.exit(f"{program} does not answer: {error}")
                time.sleep(0.2)
        yield port
    finally:
        process.kill()
        process.wait()


def packs(port):
    """What the server exposes once the worker has run every collector anew."""
    since = psql("SELECT clock_timestamp()").strip()
    deadline = time.monotonic() + 120
    while waiting := psql(f"""SELECT collector_name, last_error FROM monitoring.collectors
                              WHERE pack_name IS NOT NULL AND (last_run_at > '{since}') IS NOT TRUE"""):
        if time.monotonic() > deadline:
            sys.exit(f"the worker does not run\n{waiting}")
        time.sleep(0.1)
    return Answer(ask(port))


def is_between(value, before, after):
    numbers = [number for number in (before, after) if number is not None]
    if any(math.isnan(number) for number in numbers):
        return math.isnan(value)
    low, high = min(numbers), max(numbers)
    slack = (high - low) + SLACK * max(abs(low), abs(high), abs(value))
    return low - slack <= value <= high + slack


class Documented:
    """The tables of a page: by heading, names with wildcards and what is said of them."""

    def __init__(self, path):
        self.rows = {}
        heading = None
        with open(path, encoding="utf-8") as page:
            for line in page:
                if line.startswith("#"):
                    heading = line.strip("# \n")
                elif line.startswith("|"):
                    names, what = line.split("|")[1:3]
                    self.rows.setdefault(heading, []).append((re.findall(r"`([^`]+)`", names), what))

    def has(self, heading, name, kind=""):
        return any(kind in what and any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
                   for patterns, what in self.rows.get(heading, []))


def labels_text(labels):
    return "{" + ",".join(f'{key}="{value}"' for key, value in sorted(labels)) + "}"


def series_text(series):
    return f"{len(series)}, as {labels_text(min(series, key=sorted))}"


def series_differences(name, rounds):
    """Those that one side has each time, and the other never."""
    missing = set.intersection(*(set(before.series[name]) & set(after.series[name]) - set(ours.series[name])
                                 for before, ours, after in rounds))
    if missing:
        yield "missing series", series_text(missing)
    more = set.intersection(*(set(ours.series[name]) - set(before.series[name]) - set(after.series[name])
                              for before, ours, after in rounds))
    if more:
        yield "more series", series_text(more)


def value_differences(name, rounds):
    for labels in sorted(rounds[-1][1].series[name], key=sorted):
        looks = [tuple(answer.series[name].get(labels) for answer in answers) for answers in rounds]
        looks = [look for look in looks if look[1] is not None and (look[0] is not None or look[2] is not None)]
        if looks and not any(is_between(value, before, after) for before, value, after in looks):
            before, value, after = looks[-1]
            yield "value", f"{labels_text(labels)} {value:g}, beside {before} and {after}"


def differences(name, rounds):
    """What the packs say else of a metric that both have: kind and text."""
    there, here, _ = rounds[-1]
    types = there.types[name], here.types[name]
    if types[0] not in (types[1], "untyped"):
        yield "type", f"{types[1]} instead of {types[0]}"
    if here.help.get(name, "").strip() in ("", NO_HELP):
        yield "help", "none"
    if there.series[name] and there.label_names(name) != here.label_names(name):
        yield "labels", f"{sorted(here.label_names(name))} instead of {sorted(there.label_names(name))}"
    yield from series_differences(name, rounds)
    yield from value_differences(name, rounds)


def report(title, lines):
    print(f"\n{title}: {len(lines)}")
    for line in lines:
        print(f"  {line}")


def compare(program, rounds, documented):
    """Prints what there is to say; whether all of it is documented."""
    there = {name for before, _, _ in rounds for name in before.types if not OWN.match(name)}
    both = sorted(name for name in there if all(name in answer.types for answers in rounds for answer in answers))
    missing = sorted(there - set(rounds[-1][1].types))
    found = {name: list(differences(name, rounds)) for name in both}
    different = [(name, kind, text) for name in both for kind, text in found[name]]
    unknown = [one for one in different if not documented.has("Different", *one[:2])]
    print(f"\n{program}: {len(there)} metrics, {len(both)} of them here, "
          f"{sum(not what for what in found.values())} without any difference")
    report("missing here, as documented", [name for name in missing if documented.has("Missing", name)])
    report("missing here", undocumented := [name for name in missing if not documented.has("Missing", name)])
    report("different, as documented", [": ".join(one) for one in different if one not in unknown])
    report("different", [": ".join(one) for one in unknown])
    return not undocumented and not unknown


def main():
    postgres_exporter, node_exporter, page = sys.argv[1:]
    source = f"user=postgres host={os.environ['PGHOST']} port={os.environ['PGPORT']} dbname=postgres"
    own_port = int(psql("SHOW monitoring.http_port"))
    rounds = {"postgres_exporter": [], "node_exporter": []}
    with running(postgres_exporter, DATA_SOURCE_NAME=source) as postgres, running(node_exporter) as node:
        for _ in range(ROUNDS):
            before = Answer(ask(postgres)), Answer(ask(node))
            ours = packs(own_port)
            after = Answer(ask(postgres)), Answer(ask(node))
            for index, program in enumerate(rounds):
                rounds[program].append((before[index], ours, after[index]))
    documented = Documented(page)
    agree = [compare(program, answers, documented) for program, answers in rounds.items()]
    sys.exit(0 if all(agree) else 1)


main()
