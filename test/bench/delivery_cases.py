"""Delivery: queued, leased, sent to a receiver on loopback (receiver.cpp) and recorded."""

import subprocess
import time
import urllib.request

from harness import Sides, SqlError, pgbench

# What an evaluation calls for each notification; the label tells the receiver when that was.
QUEUE = """SELECT count(monitoring_internal.queue_notification('%s', gen_random_uuid()::text,
  jsonb_build_object('alerts', jsonb_build_array(jsonb_build_object('labels', jsonb_build_object('alertname', 'Bench',
    'queued_us', (extract(epoch FROM clock_timestamp()) * 1000000)::bigint::text)))))) FROM generate_series(1, %d)"""
UNSENT = "SELECT count(*) FROM monitoring.notifications WHERE receiver = 'fast' AND status IN ('queued', 'sending', 'retrying')"
RECORDED = """SELECT count(*) FROM monitoring.notifications AS n JOIN monitoring.notification_attempts AS a
  ON a.notification_id = n.id WHERE n.receiver = 'fast' AND n.status = 'sent' AND a.outcome = 'sent'"""
RATE = """SELECT count(*) / extract(epoch FROM max(attempted_at) - min(attempted_at - duration_ms * interval '1 ms'))
  FROM monitoring.notification_attempts"""
COURIER = "SELECT max(pid) FROM monitoring.worker_status WHERE role = 'courier' AND database = current_database()"
SLOW = 100


class Receiver:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = "http://127.0.0.1:%d" % int(self.process.stdout.readline())

    def stats(self):
        """{path: (requests, median age, 95th percentile)} since the last call; ages in milliseconds."""
        with urllib.request.urlopen(self.url + "/stats") as answer:
            lines = answer.read().decode().splitlines()
        words = (line.split() for line in lines)
        return {path: (int(count), int(median) / 1000, int(late) / 1000) for path, count, median, late in words}

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Courier:
    """The courier's process, as the kernel counts it."""

    def __init__(self, session):
        self.pid = int(session.sql(COURIER))

    def cpu_us(self):
        with open("/proc/%d/schedstat" % self.pid, encoding="ascii") as file:
            return int(file.read().split()[0]) / 1000

    def own_kb(self):
        """Memory of its own, without what it shares with the server."""
        with open("/proc/%d/status" % self.pid, encoding="ascii") as file:
            return int(next(line for line in file if line.startswith("RssAnon")).split()[1])


def wait_until_sent(session, limit_s=300):
    deadline = time.monotonic() + limit_s
    while session.sql(UNSENT) != "0":
        if time.monotonic() > deadline:
            raise SqlError("not delivered after %d s" % limit_s)
        time.sleep(0.2)


def forget(session):
    """Before each measurement, because the benchmark's server has no autovacuum."""
    session.sql("DELETE FROM monitoring.notifications WHERE status = 'sent'")
    session.sql("VACUUM monitoring.notifications")
    session.sql("VACUUM monitoring.notification_attempts")


def deliver(bench, sides, receiver, count, name):
    """Queues so many by `count` calls and waits; compares what was queued, recorded and received."""
    session = sides.ours
    forget(session)
    receiver.stats()
    queued = count()
    wait_until_sent(session)
    bench.table.agree("delivery: %s: recorded" % name, int(session.sql(RECORDED)), queued)
    requests, median, late = receiver.stats()["/fast"]
    bench.table.agree("delivery: %s: received" % name, requests, queued)
    return float(session.sql(RATE)), median, late


def backlog(bench, sides, receiver):
    """All queued by one transaction: the courier alone, as fast as it goes."""
    count = max(200, bench.rows // 25)

    def queue():
        sides.ours.sql(QUEUE % ("fast", count))
        return count

    deliver(bench, sides, receiver, queue, "warming up")
    courier = Courier(sides.ours)
    cpu_us, own_kb = courier.cpu_us(), courier.own_kb()
    rate, _, _ = deliver(bench, sides, receiver, queue, "backlog")
    bench.table.single("delivery: a backlog of %d, recorded" % count, rate, unit="/s", at_least=5000)
    bench.table.single("delivery: CPU time of the courier for each", (courier.cpu_us() - cpu_us) / count, unit="us")
    bench.table.single("delivery: its memory after as many again, more", courier.own_kb() - own_kb, unit="kB", at_most=1024)


def stream(bench, sides, receiver):
    """Queued by another session meanwhile, in transactions of 100."""
    size = 100
    rate, _, _ = deliver(bench, sides, receiver,
                         lambda: size * pgbench(sides.names[0], QUEUE % ("fast", size) + ";\n", bench.seconds, clients=1)[0],
                         "stream")
    bench.table.single("delivery: queued meanwhile, 100 a transaction, recorded", rate, unit="/s")


def trickle(bench, sides, receiver, name):
    """At 100 a second, each a transaction; the age when it arrives includes the transaction itself."""
    _, median, late = deliver(bench, sides, receiver,
                              lambda: pgbench(sides.names[0], QUEUE % ("fast", 1) + ";\n", 3 * bench.seconds, clients=1, rate=100)[0],
                              name)
    bench.table.single("delivery: %s, to the receiver, median" % name, median)
    bench.table.single("delivery: %s, to the receiver, 95th percentile" % name, late, at_most=20)


def delivery(bench):
    if not bench.receiver:
        return
    receiver = Receiver(bench.receiver)
    sides = Sides(bench.started_at, "delivery", worker=True, document=False)
    try:
        # By its other name the same program is another destination.
        for name, url in (("fast", receiver.url), ("slow", receiver.url.replace("127.0.0.1", "localhost"))):
            sides.ours.sql("SELECT monitoring.create_receiver('%s', 'webhook', '{\"url\": \"%s/%s\"}')" % (name, url, name))
        backlog(bench, sides, receiver)
        stream(bench, sides, receiver)
        trickle(bench, sides, receiver, "100 a second")
        sides.ours.sql(QUEUE % ("slow", SLOW))
        trickle(bench, sides, receiver, "100 a second beside a receiver that takes 5 s")
        bench.table.agree("delivery: the slow receiver is still at it",
                          sides.ours.sql("SELECT count(*) > 0 FROM monitoring.notifications WHERE status = 'sending'"), "t")
    finally:
        sides.drop()
        receiver.close()


CASES = [("delivery", delivery)]
