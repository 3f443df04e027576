#include "monitoring/probes/probes.hpp"

#include "monitoring/pg/intervals.hpp"
#include "monitoring/pg/prepared.hpp"

extern "C" {
#include <catalog/pg_type.h>
}

#include "monitoring/base/run_grid.hpp"
#include "monitoring/issues/unusable.hpp"

namespace monitoring::probes {

namespace {

std::optional<int> small_integer(const pg::Rows& rows, std::uint64_t row, int column) {
  const auto value = rows.int8(row, column);
  if (!value) return std::nullopt;
  return static_cast<int>(*value);
}

void postpone(pg::Spi& spi, const std::string& name, Instant next) {
  static pg::Prepared statement(
      "INSERT INTO monitoring.probe_state AS s (probe_name, next_probe_at) VALUES ($1, $2)"
      " ON CONFLICT (probe_name) DO UPDATE SET next_probe_at = excluded.next_probe_at",
      {TEXTOID, TIMESTAMPTZOID});
  statement.query(spi, {pg::text(name), pg::timestamptz(next)});
}

}  // namespace

std::vector<ProbedService> probed_services(pg::Spi& spi, Instant now) {
  static pg::Prepared statement(
      "SELECT p.probe_name,"
      " CASE WHEN s.probed_at >= $1 - least(3 * least(p.every, interval '100 years')"
      "  + least(p.timeout, interval '100 years'), interval '400 years') THEN s.success END,"
      " s.duration_ms, s.error"
      " FROM monitoring.probes p LEFT JOIN monitoring.probe_state s USING (probe_name)"
      " WHERE p.enabled ORDER BY p.probe_name",
      {TIMESTAMPTZOID});
  const pg::Rows rows = statement.query(spi, {pg::timestamptz(now)});
  std::vector<ProbedService> services;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    services.push_back(
        {*rows.text(row, 1), rows.boolean(row, 2), rows.float8(row, 3), rows.text(row, 4)});
  }
  return services;
}

namespace {

/// $3 are those that rest, $4 the only one to be looked at, or NULL.
std::vector<DueProbe> take_due(pg::Spi& spi, Instant now, std::size_t most,
                               const std::vector<std::string>& left_out, const pg::Param& only) {
  static pg::Prepared statement(
      "SELECT p.probe_name, p.url, p.method, p.headers::text, p.body,"
      " p.timeout, p.expect_status, p.expect_body,"
      " p.max_redirects, coalesce(s.next_probe_at, $1),"
      " p.every, p.set_by_oid::int8"
      " FROM monitoring.probes p LEFT JOIN monitoring.probe_state s USING (probe_name)"
      " WHERE p.enabled AND (coalesce(s.next_probe_at, $1) <= $1"
      "  OR s.next_probe_at > $1 + least(p.every, interval '100 years'))"
      " AND p.probe_name <> ALL ($3) AND ($4 IS NULL OR p.probe_name = $4)"
      " ORDER BY 10, p.probe_name LIMIT $2 FOR SHARE OF p SKIP LOCKED",
      {TIMESTAMPTZOID, INT8OID, TEXTARRAYOID, TEXTOID});
  const pg::Rows rows =
      statement.query(spi, {pg::timestamptz(now), pg::int8(static_cast<std::int64_t>(most)),
                            pg::text_array(left_out), only});
  std::vector<DueProbe> due;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    DueProbe probe;
    probe.name = *rows.text(row, 1);
    probe.url = *rows.text(row, 2);
    probe.method = *rows.text(row, 3);
    probe.headers = *rows.text(row, 4);
    probe.body = *rows.text(row, 5);
    probe.timeout = *pg::interval_at(rows, row, 6);
    probe.expect_status = small_integer(rows, row, 7);
    probe.expect_body = rows.text(row, 8);
    probe.max_redirects = *small_integer(rows, row, 9);
    probe.set_by = static_cast<Oid>(*rows.int8(row, 12));
    const NextRun next = next_run(probe.name, *rows.timestamptz(row, 10), now,
                                  *pg::interval_at(rows, row, 11), 0, Duration(0));
    postpone(spi, probe.name, next.at);
    due.push_back(std::move(probe));
  }
  return due;
}

/// What this process could not use, to ask or to record.
issues::RestingObjects& resting_probes() {
  static auto* const resting = new issues::RestingObjects("probes", "unusable", "probe");
  return *resting;
}

void record_probe(pg::Spi& spi, const ProbeResult& result) {
  static pg::Prepared statement(
      "WITH state AS ("
      " UPDATE monitoring.probe_state SET probed_at = $2, success = $3,"
      "  success_changed_at = CASE WHEN success IS DISTINCT FROM $3 THEN $2"
      "   ELSE success_changed_at END,"
      "  duration_ms = $4, http_status = $5, certificate_expires_at = $6, error = $7"
      " WHERE probe_name = $1 RETURNING 1"
      "), day AS ("
      " INSERT INTO monitoring.probe_days AS d (probe_name, day, probes, successes)"
      " SELECT $1, ($2 AT TIME ZONE 'UTC')::date, 1, $3::int FROM state"
      " ON CONFLICT (probe_name, day) DO UPDATE"
      " SET probes = d.probes + 1, successes = d.successes + excluded.successes"
      ") INSERT INTO monitoring.probe_results"
      "  (probe_name, probed_at, success, duration_ms, http_status, error)"
      " SELECT $1, $2, $3, $4, $5, $7 FROM state",
      {TEXTOID, TIMESTAMPTZOID, BOOLOID, FLOAT8OID, INT4OID, TIMESTAMPTZOID, TEXTOID});
  const pg::Param status =
      result.http_status ? pg::int4(*result.http_status) : pg::null_of(INT4OID);
  statement.query(spi, {pg::text(result.name), pg::timestamptz(result.probed_at),
                        pg::boolean(!result.error.has_value()),
                        pg::float8(static_cast<double>(result.duration.count()) / 1000), status,
                        pg::timestamptz(result.certificate_expires_at), pg::text(result.error)});
}

}  // namespace

std::vector<DueProbe> take_due_probes(pg::Spi& spi, Instant now, std::size_t most) {
  issues::RestingObjects& resting = resting_probes();
  const std::vector<std::string> left_out = resting.keys(now);
  std::vector<DueProbe> due;
  const auto failure =
      issues::try_alone([&] { due = take_due(spi, now, most, left_out, pg::null_of(TEXTOID)); });
  if (failure) {
    due.clear();
    const pg::Rows names = spi.query(
        "SELECT probe_name FROM monitoring.probes WHERE enabled AND probe_name <> ALL ($1)"
        " ORDER BY probe_name",
        {pg::text_array(left_out)});
    for (std::uint64_t row = 0; row < names.size() && due.size() < most; ++row) {
      const std::string name = *names.text(row, 1);
      resting.attempt(name, now, [&] {
        for (auto& probe : take_due(spi, now, 1, left_out, pg::text(name))) due.push_back(probe);
      });
    }
  }
  resting.settle(spi, now);
  return due;
}

void record_probes(pg::Spi& spi, const std::vector<ProbeResult>& results, Instant now) {
  if (results.empty()) return;
  issues::RestingObjects& resting = resting_probes();
  const auto record_all = [&] {
    for (const ProbeResult& result : results) record_probe(spi, result);
  };
  const bool failed = issues::try_alone(record_all).has_value();
  for (const ProbeResult& result : results) {
    const auto record = [&] { record_probe(spi, result); };
    if (!failed || resting.attempt(result.name, now, record)) resting.forget(result.name);
  }
}

/// One that is further away than its interval was reckoned by a clock that has been set back since.
std::optional<Instant> next_probe_at(pg::Spi& spi) {
  const pg::Rows rows = spi.query(
      "SELECT min(CASE WHEN s.next_probe_at <= clock_timestamp()"
      "   + least(p.every, interval '100 years') THEN s.next_probe_at"
      "  ELSE p.created_at END) FROM monitoring.probes p"
      " LEFT JOIN monitoring.probe_state s USING (probe_name) WHERE p.enabled");
  return rows.timestamptz(0, 1);
}

}  // namespace monitoring::probes
