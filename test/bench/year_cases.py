"""A database that has been filled for a year: how long what is asked of it takes, and how that grows."""

import os
import subprocess

from harness import HERE, Sides, interleaved

# Of --rows: 250,000 rows come with 2,000 rules, 5,000 firing alerts and 2,000 routes.
PARTS = (100, 20, 4)
FIELDS = "id, about, question, at_most_ms, is_whole, statement"


def filled(bench, rows):
    sides = Sides(bench.started_at, "year_%d" % rows, document=False)
    for name in ("year.sql", "year_questions.sql"):
        subprocess.run(["psql", "--no-psqlrc", "--quiet", "--set=rows=%d" % rows, "--dbname", sides.names[0],
                        "--file", os.path.join(HERE, name)], check=True)
    return sides


def questions(session):
    lines = session.sql("SELECT concat_ws('|', %s) FROM public.year_questions ORDER BY id"
                        % FIELDS.replace("at_most_ms", "coalesce(at_most_ms::text, '')")).splitlines()
    return [line.split("|", 5) for line in lines]


def time_of(bench, session, statement, is_whole):
    """All rows are made, and none is sent."""
    if statement.startswith("SELECT * FROM"):
        statement = "SELECT count(*) FROM (%s OFFSET 0) AS asked" % statement
    runs = 1 if is_whole else bench.runs
    return interleaved(runs, lambda: session.time_ms(statement))[0]


def times(bench, rows):
    """{(about, question): milliseconds} at that size, in the order of the questions."""
    sides = filled(bench, rows)
    try:
        session = sides.ours
        found = {}
        for _, about, question, at_most, is_whole, statement in questions(session):
            if question == "a pass that finds all alerts":
                took = session.time_ms(statement)
            else:
                took = time_of(bench, session, statement, is_whole == "t")
            found[about.split("(")[0], question] = took, float(at_most) if at_most else None
        bench.table.agree("year %d: alerts that fire" % rows,
                          session.sql("SELECT count(*) FROM monitoring.alerts WHERE state = 'firing'"),
                          session.sql("SELECT 10 * count(*) FROM monitoring.alert_rules WHERE expr LIKE '%generate_series%'"))
        return found
    finally:
        sides.drop()


def year(bench):
    sizes = [max(1000, bench.rows // part) for part in PARTS]
    columns = [times(bench, rows) for rows in sizes]
    bench.table.several("year: rows of each kind", sizes, unit="")
    for key, (largest, at_most) in columns[-1].items():
        name = "%s, %s" % key
        figures = [column[key][0] for column in columns]
        bench.table.several("  " + name, figures)
        bench.table.single("    at the largest size", largest, at_most=at_most)
        grown = [after / before if before else 0 for before, after in zip(figures, figures[1:])]
        bench.table.several("    times what it took at the size before", grown, unit="")


CASES = [("year", year)]
