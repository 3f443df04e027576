"""Random and extreme values of every type that a function of the extension takes, as SQL."""

WORDS = """queue_processing api_call m1 avg max p95 rate increase last sql threshold webhook slack
pagerduty email sms sentry log warning critical info P0 counter gauge histogram database cluster > >=
!= ok alert keep resolve reader writer operator queues probes postgres node statements tables security
public monitoring pg_catalog pg_catalog.pg_class hour day week fuzz_rule fuzz_receiver fuzz_collector
fuzz_queue fuzz_interval fuzz_operator machine network""".split()

TEXTS = [
    "", " ", "'", '"', "\\", "%s%n%x", "a\nb", "\x01\x7f", "a.b.c", "é漢字🙂", "\u202e", "NULL", "null",
    "-- ", "/*", "$1", "$$", "* * * * *", "61 * * * *", "0 0 30 2 *", "1-59 seconds", "*/0 * * * *",
    "1 second", "2147483647 seconds", "9" * 40,
    'a="b"', 'a=~"("', 'a=~"x{1000}{1000}"', '{a="b",c!~"d"}', 'a="\\', "=", "{", "}",
    "{{ .Labels.x }}", "{{ range", '{{ reReplaceAll "(" "b" "c" }}', "{{ $labels.a }}{{ $value }}",
    "https://example.org/x", "http://[::1]:99999/", "tcp://", "smtp://a:b@c", "file:///etc/passwd",
    "/dev/null", "/dev/zero", "/proc/self/mem", "../x", "Europe/Berlin", "UTC", "Nowhere/Never",
    "SELECT 1 AS value", "SELECT 1 AS value; DROP TABLE x", "SELECT pg_sleep(20) AS value",
    "SELECT 1/0 AS value", "SELECT 'NaN'::float8 AS value, '{}'::jsonb AS labels", "SELECT $1 AS value",
    "SELECT generate_series(1, 1000000) AS value", "SELECT", "DELETE FROM pg_class", "COPY x TO STDOUT",
    "SELECT repeat('x', 1000000) AS label, 1 AS value", "SELECT NULL::float8 AS value",
    "SELECT monitoring.pause_worker(), 1 AS value",
    'a:\n  query: "SELECT 1"\n  metrics:\n    - v: {usage: GAUGE}', "a: &a [*a]", "? ", "- - - -", "a: !!x y",
]
LONG_TEXTS = ["repeat('x', 100000)", "repeat('{', 20000)", "repeat('(', 20000)", "repeat('[', 5000)",
              "repeat('{{ if true }}', 2000)", "repeat('a: ', 500)", "repeat(E'\\n', 100000)",
              "repeat('é', 70000)", "repeat('a,', 30000)"]
RAW_TEXTS = [b"\xff", b"\xc3", b"a\xf0\x9f", b"\xed\xa0\x80", b"\xc0\xaf"]

JSONS = [
    "{}", "[]", "null", "true", '""', '"x"', "0", "-1", "1e400", "1e-400", "[[]]", "[null]", "[{}]", "{\"\": null}",
    '{"a": 1}', '{"a": [1, {"b": null}]}', '{"a": 9e131071}', '{"success_count": "99999999999999999999"}',
    '{"success_count": 1e30, "error_count": -1.5}', '{"queue": "emails", "le": "+Inf", "__name__": "x"}',
    '["KEYKEYKEYKEY", "x", "yyyyyyyy", "fillfillKEYKEYKEY"]', '{"url": "https://example.org/"}',
    '{"url": {"secret": "s"}}', '{"url": "https://example.org/", "headers": {"A": "b\\nc"}}',
    '{"api_url": "https://example.org/", "channel": 1}', '{"to": ["a@b"], "from": "x", "smarthost": "h:1"}',
    '[{"severity": "P0", "bound": 95}, {"severity": "P1", "bound": 80}]',
    '[{"severity": "P0", "bound": 1e308, "resolve_at": "x"}]', '[{"bound": null}]',
    '[{"receiver": "fuzz_receiver", "after": "5 minutes"}]', '[{"receiver": 1, "after": -1}]',
    '[{"times": [{"start_time": "00:00", "end_time": "24:00"}], "weekdays": ["monday:friday"]}]',
    '[{"days_of_month": ["-31:31"], "months": ["0:13"], "years": ["1:99999999999"], "location": "UTC"}]',
    '{"tables": {"jobs": "public.jobs"}}', '{"jobs": {"table": "pg_catalog.pg_class", "columns": {"id": "oid"}}}',
    '{"alerts": [{"labels": {"a": "b"}, "status": "firing"}], "status": "x"}',
    '{"alertname": "x", "severity": null}', '{"status": 12, "nested": {"a": {"b": {}}}}',
]
LONG_JSONS = [
    "(repeat('[', 3000) || repeat(']', 3000))::jsonb",
    "(repeat('{\"a\":', 3000) || '1' || repeat('}', 3000))::jsonb",
    "(SELECT jsonb_object_agg('k' || i, i) FROM generate_series(1, 5000) AS i)",
    "(SELECT jsonb_agg(i) FROM generate_series(1, 20000) AS i)",
    "jsonb_build_object('a', repeat('x', 1000000))", "jsonb_build_object(repeat('k', 70000), 1)",
    "(SELECT jsonb_object_agg('n' || i, NULL) FROM generate_series(1, 3000) AS i)",
]
INTERVALS = ["0", "1 microsecond", "-1 microsecond", "1 second", "5 minutes", "1 hour", "30 days", "1 month -30 days",
             "178000000 years", "-178000000 years", "2147483647 days", "-2147483648 days", "2562047788:00:54.775807",
             "-2562047788:00:54.775808", "2147483647 months", "300000 years"]
TIMES = ["infinity", "-infinity", "epoch", "4714-11-24 00:00:00+00 BC", "294276-12-31 23:59:59.999999+00", "now",
         "tomorrow", "2000-01-01", "1970-01-01", "0001-01-01", "9999-12-31 23:59:60", "2024-02-29"]
FLOATS = ["0", "-0", "1", "-1", "0.5", "95", "NaN", "Infinity", "-Infinity", "1.7976931348623157e308",
          "-1.7976931348623157e308", "5e-324", "1e300", "9007199254740993"]
INTEGERS = {"integer": ["0", "1", "-1", "2", "7", "366", "2147483647", "-2147483648"],
            "bigint": ["0", "1", "-1", "2", "4294967296", "9223372036854775807", "-9223372036854775808"]}
ARRAYS = {
    "text[]": ["{}", "{NULL}", "{\"\"}", "{a}", "{a,NULL,b}", "[5:6]={a,b}", "[-2147483648:-2147483647]={a,b}",
               "{{a,b},{c,d}}", "{{{a}}}", "{\"a=\\\"b\\\"\"}", "{\"a=~\\\"(\\\"\"}", "{...}", "{alertname,severity}",
               "{fuzz_interval}", "{fuzz_receiver}"],
    "double precision[]": ["{}", "{NULL}", "{1}", "{1,2,3}", "{3,2,1}", "{NaN,1,2}", "{Infinity,-Infinity,NaN}",
                           "[0:2]={1,2,3}", "[2147483644:2147483646]={1,2,3}", "{{1,2},{3,4}}", "{1,NULL,3}", "{-1,0,0}",
                           "{9e307,9e307,9e307}"],
    "timestamp with time zone[]": ["{}", "{NULL}", "{infinity}", "{-infinity,infinity}", "{epoch,NULL}", "{2000-01-01,now}",
                                   "{4714-11-24 00:00:00+00 BC}", "[5:6]={2024-01-01,2024-01-02}", "{{epoch,now},{now,epoch}}"],
    "interval[]": ["{}", "{NULL}", "{0}", "{-1 day}", "{1 hour,5 minutes}", "{300000 years}", "[3:3]={1 day}",
                   "{{1 day,1 hour},{1 hour,1 day}}"],
}
LONG_ARRAYS = {"text[]": ["array_fill('x'::text, ARRAY[50000])", "array_fill(NULL::text, ARRAY[1000], ARRAY[-5])",
                          "array_fill('a'::text, ARRAY[10,10,10,10])", "ARRAY[repeat('x', 100000)]"],
               "double precision[]": ["array_fill(1::float8, ARRAY[100000])",
                                      "(SELECT array_agg(i::float8) FROM generate_series(1, 201) AS i)"],
               "timestamp with time zone[]": ["array_fill(now(), ARRAY[10000])"],
               "interval[]": ["array_fill(interval '1 hour', ARRAY[10000])"]}
# Rows of tables, and what takes a value of any one type.
ROWS = {"monitoring.slo_definitions": ["(SELECT d FROM monitoring.slo_definitions AS d ORDER BY slo_name LIMIT 1)",
                                       "jsonb_populate_record(NULL::monitoring.slo_definitions, '{}')", "jsonb_populate_record(NULL::monitoring.slo_definitions, "
                                       "'{\"slo_name\": \"x\", \"objective_percent\": 100}')"],
        "anyelement": ["'x'::text", "NULL::text", "'{}'::text"]}


def quoted(text):
    """A literal that means the same whatever standard_conforming_strings says."""
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


class Values:
    """Makes values out of a random generator. `sketches`: valid ones, as hex."""

    def __init__(self, random, sketches, raw_bytes):
        self.random, self.sketches, self.raw_bytes = random, sketches, raw_bytes

    def value(self, sql_type):
        """One value as SQL, cast to its type."""
        if sql_type in ROWS:
            return self.random.choice(ROWS[sql_type])
        if sql_type == "internal" or self.random.random() < 0.07:
            return f"NULL::{sql_type}" if sql_type != "internal" else "NULL"
        maker = {"text": self._text, "name": self._name, "jsonb": self._json, "bytea": self._bytes,
                 "regclass": self._regclass}.get(sql_type)
        if maker:
            return maker()
        return self._of_list(sql_type)

    def _of_list(self, sql_type):
        pick = self.random.choice
        if sql_type in INTEGERS:
            return f"({pick(INTEGERS[sql_type])})::{sql_type}"
        if sql_type in ARRAYS:
            if self.random.random() < 0.15:
                return pick(LONG_ARRAYS[sql_type])
            return f"{quoted(pick(ARRAYS[sql_type]))}::{sql_type}"
        literal = {"double precision": FLOATS, "interval": INTERVALS, "timestamp with time zone": TIMES,
                   "boolean": ["true", "false"], "oid": ["0", "1", "1259", "4294967295"],
                   "numeric": ["0", "-1", "99.9", "100", "NaN", "1e300", "-1e-300"],
                   "uuid": ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"]}
        if sql_type not in literal:
            raise KeyError(f"the fuzzer knows no values of type {sql_type}: add some to values.py")
        return f"'{pick(literal[sql_type])}'::{sql_type}"

    def _text(self):
        dice = self.random.random()
        if dice < 0.5:
            return quoted(self.random.choice(WORDS)) + "::text"
        if dice < 0.9:
            if self.raw_bytes and self.random.random() < 0.3:
                return quoted(self.random.choice(RAW_TEXTS).decode("utf-8", "surrogateescape")) + "::text"
            return quoted(self.random.choice(TEXTS)) + "::text"
        return self.random.choice(LONG_TEXTS)

    def _name(self):
        return quoted(self.random.choice(["fuzz_operator", "public", "nobody at all", "", "a\"b", "x" * 70,
                                          "monitoring", "fuzz"])) + "::name"

    def _json(self):
        if self.random.random() < 0.12:
            return self.random.choice(LONG_JSONS)
        return quoted(self.random.choice(JSONS)) + "::jsonb"

    def _bytes(self):
        data = bytearray.fromhex(self.random.choice(self.sketches + ["", "00", "ff" * 40]))
        for _ in range(self.random.choice([0, 0, 1, 1, 2, 8])):
            if data:
                data[self.random.randrange(len(data))] = self.random.randrange(256)
        if self.random.random() < 0.2:
            data = data[:self.random.randrange(len(data) + 1)]
        return f"'\\x{data.hex()}'::bytea"

    def _regclass(self):
        return self.random.choice(["0::regclass", "4294967295::oid::regclass", "'pg_class'::regclass",
                                   "'monitoring.pipeline_metrics'::regclass", "'fuzz.odd'::regclass",
                                   "'monitoring.metrics'::regclass"])
