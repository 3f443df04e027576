// SQL entry points of the probes.

#include "monitoring/pg/trigger.hpp"
// clang-format keeps the server's headers first.
#include <nlohmann/json.hpp>
#include <string>

#include "monitoring/base/expression.hpp"
#include "monitoring/notify/url.hpp"
#include "monitoring/store/courier_wake.hpp"

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

bool is_header_value(const nlohmann::json& value) {
  if (value.is_string()) return true;
  return value.is_object() && value.size() == 1 && value.contains("secret") &&
         value.at("secret").is_string();
}

void check_headers(const std::string& text) {
  const auto headers = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!headers.is_object()) return;  // for the constraint to refuse
  for (const auto& [name, value] : headers.items()) {
    if (name.empty() || !is_header_value(value)) {
      throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE,
                       "header \"" + name + "\" has neither a text nor a secret")
          .hint(R"(Write {"Authorization": {"secret": "name"}}, or a text.)");
    }
    const bool breaks =
        value.is_string() && value.get<std::string>().find_first_of("\r\n") != std::string::npos;
    if (breaks || name.find_first_of("\r\n:") != std::string::npos) {
      throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE,
                       "header \"" + name + "\" holds a line break or a colon");
    }
  }
}

}  // namespace

/// Trigger BEFORE INSERT OR UPDATE FOR EACH ROW on monitoring.probes.
MONITORING_FUNCTION(monitoring_check_probe) {
  const pg::TriggerCall row(
      fcinfo, {"_check_probe", pg::TriggerTime::before, pg::kOnInsert | pg::kOnUpdate, 0});
  // What is new or changed is asked soon, also where no courier was needed so far.
  store::wake_courier_at_commit();
  // NULLs are for the constraints to refuse.
  if (const auto url = row.text("url")) check_url(*url);
  if (const auto body = row.text("expect_body")) check_expression(*body);
  if (const auto headers = row.jsonb("headers")) check_headers(*headers);
  return row.result();
}
