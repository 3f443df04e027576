// SQL entry points of the probes.

#include "api/named_rows.hpp"
#include "api/secret_use.hpp"
#include "monitoring/base/json.hpp"
// clang-format keeps the server's headers first.
#include <string>

#include "monitoring/base/expression.hpp"
#include "monitoring/notify/http_headers.hpp"
#include "monitoring/notify/url.hpp"
#include "monitoring/outbox/courier_wake.hpp"
#include "monitoring/pg/arguments.hpp"

using namespace monitoring;

namespace {

/// Schemes of connections have the shape of http's, with a port.
void check_url(const std::string& url) {
  std::string shape = url;
  bool needs_port = false;
  for (const char* scheme : {"tcp://", "tls://", "smtp://", "smtps://"}) {
    const std::string prefix(scheme);
    if (url.compare(0, prefix.size(), prefix) != 0) continue;
    shape = "http://" + url.substr(prefix.size());
    needs_port = true;
  }
  const auto checked = notify::check_http_url(shape);
  if (!checked) {
    throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, checked.error())
        .hint("A probe's url is one of http, https, tcp, tls, smtp or smtps.");
  }
  if (needs_port && checked->port.empty()) {
    throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, "url names no port")
        .hint("Write it as, for example, tcp://db.example.org:5432.");
  }
}

void check_expression(const std::string& text) {
  const auto tried = has_match("", text);
  if (tried) return;
  throw pg::Report(ERRCODE_INVALID_REGULAR_EXPRESSION,
                   "expect_body is no RE2 expression: " + tried.error().message);
}

Json json_of(const std::string& text) {
  return Json::parse_or_null(text);
}

/// Of a row that the constraints may still refuse.
api::SecretUse use_of(const std::optional<std::string>& url,
                      const std::optional<std::string>& headers) {
  return api::use_of_probe(url.value_or(""), json_of(headers.value_or("{}")));
}

void check_headers(const std::string& text) {
  const auto headers = json_of(text);
  if (!headers.is_object()) return;  // for the constraint to refuse
  const auto error = notify::check_http_headers(headers);
  if (error) throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, *error);
}

}  // namespace

/// Trigger BEFORE INSERT OR UPDATE FOR EACH ROW on monitoring.probes.
MONITORING_FUNCTION(monitoring_check_probe) {
  pg::TriggerCall row(fcinfo,
                      {"check_probe", pg::TriggerTime::before, pg::kOnInsert | pg::kOnUpdate, 0});
  // What is new or changed is asked soon, also where no courier was needed so far.
  outbox::wake_courier_at_commit();
  // NULLs are for the constraints to refuse.
  if (const auto url = row.text("url")) check_url(*url);
  if (const auto body = row.text("expect_body")) check_expression(*body);
  if (const auto headers = row.jsonb("headers")) check_headers(*headers);
  std::optional<api::SecretUse> before;
  if (row.is_update()) before = use_of(row.old_text("url"), row.old_jsonb("headers"));
  api::settle_set_by(row, use_of(row.text("url"), row.jsonb("headers")), before);
  return row.result();
}

/// monitoring.create_probe(probe_name, url, method, every, timeout, expect_status, expect_body,
/// headers, body, max_redirects, uptime_target_percent, enabled, replace) -> void
MONITORING_FUNCTION(monitoring_create_probe) {
  const std::string name = pg::required_text(fcinfo, 0, "probe_name");
  pg::require(fcinfo, 12, "replace");
  std::string sql =
      "INSERT INTO monitoring.probes AS old (probe_name, url, method, every, timeout,"
      " expect_status, expect_body, headers, body, max_redirects, uptime_target_percent, enabled)"
      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
  if (PG_GETARG_BOOL(12)) {
    sql += api::replacing("probe_name",
                          {"url", "method", "every", "timeout", "expect_status", "expect_body",
                           "headers", "body", "max_redirects", "uptime_target_percent", "enabled"});
  }
  pg::Spi spi;
  api::make(api::kProbe, name, [&] {
    spi.execute(sql.c_str(),
                {pg::text(name), pg::argument(fcinfo, 1, TEXTOID), pg::argument(fcinfo, 2, TEXTOID),
                 pg::argument(fcinfo, 3, INTERVALOID), pg::argument(fcinfo, 4, INTERVALOID),
                 pg::argument(fcinfo, 5, INT4OID), pg::argument(fcinfo, 6, TEXTOID),
                 pg::argument(fcinfo, 7, JSONBOID), pg::argument(fcinfo, 8, TEXTOID),
                 pg::argument(fcinfo, 9, INT4OID), pg::argument(fcinfo, 10, NUMERICOID),
                 pg::argument(fcinfo, 11, BOOLOID)});
  });
  PG_RETURN_VOID();
}

/// monitoring.drop_probe(probe_name, if_exists) -> boolean
MONITORING_FUNCTION(monitoring_drop_probe) {
  PG_RETURN_BOOL(api::drop(fcinfo, api::kProbe));
}
