#include "routing_config.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "time_zones.hpp"

namespace monitoring::store {

namespace {

using nlohmann::json;

/// The root's receiver where none is configured. No text in the database holds a NUL, so no
/// receiver has this name.
const std::string& nobody() {
  static const std::string name(1, '\0');
  return name;
}

[[noreturn]] void fail(const std::string& what, const Error& error) {
  throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, what + ": " + error.message).hint(error.hint);
}

template <class T>
T checked(Result<T> result, const std::string& what) {
  if (!result) fail(what, result.error());
  return std::move(result).value();
}

notify::Matchers matchers_at(const pg::Rows& rows, std::uint64_t row, int column,
                             const std::string& what) {
  return checked(notify::parse_matcher_list(text_list(*rows.text(row, column))), what);
}

std::optional<Duration> microseconds_at(const pg::Rows& rows, std::uint64_t row, int column) {
  const auto count = rows.int8(row, column);
  if (!count) return std::nullopt;
  return Duration(*count);
}

notify::RouteTree load_routes(pg::Spi& spi) {
  const pg::Rows rows = spi.query(
      "SELECT id, parent, receiver, to_json(matchers)::text, continue_matching,"
      " to_json(group_by)::text,"
      " (extract(epoch FROM group_wait) * 1000000)::int8,"
      " (extract(epoch FROM group_interval) * 1000000)::int8,"
      " (extract(epoch FROM repeat_interval) * 1000000)::int8,"
      " to_json(mute_time_intervals)::text, to_json(active_time_intervals)::text"
      " FROM monitoring.effective_routes ORDER BY sort_order, id");
  std::vector<notify::RouteSpec> specs;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    notify::RouteSpec spec;
    spec.id = *rows.int8(row, 1);
    spec.parent = rows.int8(row, 2);
    spec.receiver = rows.text(row, 3).value_or(spec.parent ? std::string() : nobody());
    spec.matchers = matchers_at(rows, row, 4, "route " + std::to_string(spec.id));
    spec.continue_matching = *rows.boolean(row, 5);
    spec.group_by = text_list(*rows.text(row, 6));
    spec.group_wait = microseconds_at(rows, row, 7);
    spec.group_interval = microseconds_at(rows, row, 8);
    spec.repeat_interval = microseconds_at(rows, row, 9);
    spec.mute_time_intervals = text_list(*rows.text(row, 10));
    spec.active_time_intervals = text_list(*rows.text(row, 11));
    specs.push_back(std::move(spec));
  }
  return checked(notify::RouteTree::build(specs), "routes");
}

std::vector<notify::InhibitRule> load_inhibit_rules(pg::Spi& spi) {
  const pg::Rows rows = spi.query(
      "SELECT coalesce(nullif(rule_name, ''), id::text), to_json(source_matchers)::text,"
      " to_json(target_matchers)::text, to_json(equal_labels)::text"
      " FROM monitoring.inhibit_rules ORDER BY id");
  std::vector<notify::InhibitRule> rules;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    notify::InhibitRule rule;
    rule.name = *rows.text(row, 1);
    const std::string what = "inhibition rule \"" + rule.name + "\"";
    rule.source = matchers_at(rows, row, 2, what + ", source");
    rule.target = matchers_at(rows, row, 3, what + ", target");
    rule.equal = text_list(*rows.text(row, 4));
    rules.push_back(std::move(rule));
  }
  return rules;
}

notify::TimeIntervals load_time_intervals(pg::Spi& spi) {
  const pg::Rows rows =
      spi.query("SELECT interval_name, intervals::text FROM monitoring.time_intervals");
  notify::TimeIntervals intervals;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    const std::string name = *rows.text(row, 1);
    intervals[name] = checked(notify::parse_time_intervals(*rows.text(row, 2), ServerTimeZones()),
                              "time interval \"" + name + "\"");
  }
  return intervals;
}

std::vector<notify::Silence> load_silences(pg::Spi& spi, std::optional<Instant> now) {
  // One that was ended before it began holds never; there is nothing to check.
  const pg::Rows rows = spi.query(
      "SELECT id::text, to_json(matchers)::text, starts_at, ends_at, until_resolved, matched"
      " FROM monitoring.silences WHERE ends_at > coalesce($1, '-infinity') AND ends_at > starts_at"
      " ORDER BY created_at, id",
      {pg::timestamptz(now)});
  std::vector<notify::Silence> silences;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    notify::Silence silence;
    silence.id = *rows.text(row, 1);
    const std::string what = "silence " + silence.id;
    silence.matchers = matchers_at(rows, row, 2, what);
    silence.starts_at = *rows.timestamptz(row, 3);
    silence.ends_at = *rows.timestamptz(row, 4);
    silence.until_resolved = *rows.boolean(row, 5);
    silence.matched = *rows.boolean(row, 6);
    if (const auto error = notify::check_silence(silence)) fail(what, *error);
    silences.push_back(std::move(silence));
  }
  return silences;
}

std::vector<notify::EscalationPolicy> load_policies(pg::Spi& spi) {
  const pg::Rows rows = spi.query(
      "SELECT policy_name, to_json(matchers)::text, ("
      "  SELECT coalesce(json_agg(json_build_object("
      "   'after', (extract(epoch FROM (s.step ->> 'after')::interval) * 1000000)::int8,"
      "   'receiver', s.step ->> 'receiver') ORDER BY s.place), '[]')::text"
      "  FROM jsonb_array_elements(steps) WITH ORDINALITY s(step, place))"
      " FROM monitoring.escalations ORDER BY sort_order, policy_name");
  std::vector<notify::EscalationPolicy> policies;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    notify::EscalationPolicy policy;
    policy.name = *rows.text(row, 1);
    const std::string what = "escalation policy \"" + policy.name + "\"";
    policy.matchers = matchers_at(rows, row, 2, what);
    for (const json& step : json::parse(*rows.text(row, 3), nullptr, false)) {
      if (!step["after"].is_number_integer() || !step["receiver"].is_string()) {
        fail(what, Error::of("every step has \"after\", an interval, and \"receiver\", a name"));
      }
      policy.steps.push_back(
          {Duration(step["after"].get<std::int64_t>()), step["receiver"].get<std::string>()});
    }
    if (const auto error = notify::check_policy(policy)) {
      throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, *error);
    }
    policies.push_back(std::move(policy));
  }
  return policies;
}

}  // namespace

RoutingConfig load_routing(pg::Spi& spi, std::optional<Instant> now) {
  return {load_routes(spi), load_inhibit_rules(spi), load_time_intervals(spi),
          load_silences(spi, now), load_policies(spi)};
}

std::optional<std::string> receiver_of(const notify::RouteOptions& options) {
  if (options.receiver == nobody()) return std::nullopt;
  return options.receiver;
}

std::vector<std::string> text_list(const std::string& text) {
  std::vector<std::string> list;
  const json array = json::parse(text, nullptr, /*allow_exceptions=*/false);
  for (const json& element : array) {
    list.push_back(element.is_string() ? element.get<std::string>() : std::string());
  }
  return list;
}

Labels labels_of(const std::string& text) {
  Labels labels;
  const json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return labels;
  for (const auto& [name, value] : object.items()) {
    labels.set(name, value.is_string() ? value.get<std::string>() : value.dump());
  }
  return labels;
}

std::string labels_json(const Labels& labels) {
  json object = json::object();
  for (const auto& [name, value] : labels) object[name] = value;
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace monitoring::store
