"""The server that conformance cases are played on through psql, and how values are written in SQL."""

import re
import subprocess
import sys
import time

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}


def literal(value):
    return "NULL" if value is None else "'%s'" % str(value).replace("'", "''")


def seconds(text):
    """Of a duration such as 1m30s or 1ms."""
    return sum(int(count) * UNITS[unit] for count, unit in re.findall(r"(\d+)(ms|[smhdwy])", str(text)))


def psql(*arguments, **options):
    return subprocess.run(["psql", "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1",
                           "--dbname=postgres", *arguments], capture_output=True, text=True, check=False, **options)


def run_sql(lines):
    """What statements and meta-commands print, after the first \\o."""
    text = "".join(line + ("\n" if line.startswith("\\") or line.endswith("\\gset") else ";\n") for line in lines)
    answer = psql(input="\\o /dev/null\n" + text)
    if answer.returncode != 0:
        raise RuntimeError(answer.stderr.strip())
    return answer.stdout


def lines_of(text):
    return [line for line in text.splitlines() if line]


def pause_worker(limit_s=60):
    """Its own passes would hold the lock that those of the cases take."""
    deadline = time.monotonic() + limit_s
    while (answer := psql("--command=SELECT monitoring.pause_worker()")).returncode != 0:
        if time.monotonic() > deadline:
            sys.exit(answer.stderr)
        time.sleep(0.2)
