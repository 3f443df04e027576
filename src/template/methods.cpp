// Methods: those of Alertmanager's KV, Pairs and Alerts, and of Go's time.Time and time.Duration.

#include "template/functions.hpp"
#include "template/go_text.hpp"
#include "template/go_time.hpp"

namespace monitoring::templates {

namespace {

const MapData& kv(const FunctionCall& call) {
  return *call.arguments[0].as_map();
}
const ListData& items(const FunctionCall& call) {
  return *call.arguments[0].as_list();
}
const GoTime& time(const FunctionCall& call) {
  return *call.arguments[0].as<GoTime>();
}

Value pair(const std::string& name, const Value& value) {
  return Value::object("template.Pair", {{"Name", name}, {"Value", value}});
}

/// By name, but alertname first: as Alertmanager shows labels.
Value sorted_pairs(FunctionCall& call) {
  static const std::string kFirst = "alertname";
  const auto& entries = kv(call).entries;
  std::vector<Value> pairs;
  const auto first = entries.find(kFirst);
  if (first != entries.end()) pairs.push_back(pair(kFirst, first->second));
  for (const auto& [name, value] : entries) {
    if (name != kFirst) pairs.push_back(pair(name, value));
  }
  return Value::list(ListType::kPairs, std::move(pairs));
}

Value pick(const ListData& pairs, std::string_view field) {
  std::vector<Value> picked;
  for (const auto& item : pairs.items) picked.push_back(*find_field(*item.as_object(), field));
  return Value::list(ListType::kStrings, std::move(picked));
}

Value kv_names(FunctionCall& call) {
  return pick(*sorted_pairs(call).as_list(), "Name");
}
Value kv_values(FunctionCall& call) {
  return pick(*sorted_pairs(call).as_list(), "Value");
}

Value kv_remove(FunctionCall& call) {
  auto entries = kv(call).entries;
  for (const auto& name : call.arguments[1].as_list()->items) entries.erase(*name.text());
  return Value::map(MapType::kKv, std::move(entries));
}

Value pair_names(FunctionCall& call) {
  return pick(items(call), "Name");
}
Value pair_values(FunctionCall& call) {
  return pick(items(call), "Value");
}

Value alerts_with_status(const ListData& alerts, std::string_view status) {
  std::vector<Value> found;
  for (const auto& alert : alerts.items) {
    const auto* text = find_field(*alert.as_object(), "Status")->text();
    if (text != nullptr && *text == status) found.push_back(alert);
  }
  return Value::list(ListType::kAlerts, std::move(found));
}

Value firing(FunctionCall& call) {
  return alerts_with_status(items(call), "firing");
}
Value resolved(FunctionCall& call) {
  return alerts_with_status(items(call), "resolved");
}

Value time_format(FunctionCall& call) {
  return format_go_time(time(call), call.text(1));
}
Value time_itself(FunctionCall& call) {
  return time(call);
}
Value time_text(FunctionCall& call) {
  return go_time_text(time(call));
}
Value time_unix(FunctionCall& call) {
  return time(call).seconds;
}

Value time_is_zero(FunctionCall& call) {
  return time(call).seconds == GoTime{}.seconds && time(call).nanos == 0;
}

Value time_year(FunctionCall& call) {
  return civil_time(time(call)).year;
}
Value time_month(FunctionCall& call) {
  return std::string(month_name(civil_time(time(call)).month));
}
Value time_day(FunctionCall& call) {
  return civil_time(time(call)).day;
}
Value time_hour(FunctionCall& call) {
  return civil_time(time(call)).hour;
}
Value time_minute(FunctionCall& call) {
  return civil_time(time(call)).minute;
}
Value time_second(FunctionCall& call) {
  return civil_time(time(call)).second;
}
Value time_weekday(FunctionCall& call) {
  return std::string(weekday_name(civil_time(time(call)).weekday));
}

/// Clamped to what a time.Duration can hold, as in Go.
Value time_sub(FunctionCall& call) {
  const auto& other = *call.arguments[1].as<GoTime>();
  const auto seconds = time(call).seconds - other.seconds;
  constexpr std::int64_t kMost = 9223372036;
  if (seconds >= kMost) return GoDuration{INT64_MAX};
  if (seconds <= -kMost) return GoDuration{INT64_MIN};
  return GoDuration{seconds * 1'000'000'000 + time(call).nanos - other.nanos};
}

double nanos(const FunctionCall& call) {
  return static_cast<double>(call.arguments[0].as<GoDuration>()->nanos);
}
Value duration_seconds(FunctionCall& call) {
  return nanos(call) / 1e9;
}
Value duration_minutes(FunctionCall& call) {
  return nanos(call) / 60e9;
}
Value duration_hours(FunctionCall& call) {
  return nanos(call) / 3600e9;
}
Value duration_text(FunctionCall& call) {
  return go_duration_text(*call.arguments[0].as<GoDuration>());
}

constexpr FunctionSpec kKvMethods[] = {{"SortedPairs", "a", sorted_pairs},
                                       {"Names", "a", kv_names},
                                       {"Values", "a", kv_values},
                                       {"Remove", "al", kv_remove}};

constexpr FunctionSpec kPairsMethods[] = {{"Names", "a", pair_names}, {"Values", "a", pair_values}};

constexpr FunctionSpec kAlertsMethods[] = {{"Firing", "a", firing}, {"Resolved", "a", resolved}};

constexpr FunctionSpec kTimeMethods[] = {
    {"Format", "as", time_format}, {"String", "a", time_text},     {"UTC", "a", time_itself},
    {"Local", "a", time_itself},   {"Unix", "a", time_unix},       {"IsZero", "a", time_is_zero},
    {"Year", "a", time_year},      {"Month", "a", time_month},     {"Day", "a", time_day},
    {"Hour", "a", time_hour},      {"Minute", "a", time_minute},   {"Second", "a", time_second},
    {"Sub", "at", time_sub},       {"Weekday", "a", time_weekday},
};

constexpr FunctionSpec kDurationMethods[] = {{"Seconds", "a", duration_seconds},
                                             {"Minutes", "a", duration_minutes},
                                             {"Hours", "a", duration_hours},
                                             {"String", "a", duration_text}};

}  // namespace

const Value* find_field(const ObjectData& object, std::string_view name) {
  for (const auto& [field, value] : object.fields) {
    if (field == name) return &value;
  }
  return nullptr;
}

const FunctionSpec* find_method(const Value& receiver, std::string_view name) {
  if (receiver.as<GoTime>() != nullptr) return find_in(kTimeMethods, name);
  if (receiver.as<GoDuration>() != nullptr) return find_in(kDurationMethods, name);
  const auto* map = receiver.as_map();
  if (map != nullptr && map->type == MapType::kKv) return find_in(kKvMethods, name);
  const auto* list = receiver.as_list();
  if (list == nullptr) return nullptr;
  if (list->type == ListType::kPairs) return find_in(kPairsMethods, name);
  if (list->type == ListType::kAlerts) return find_in(kAlertsMethods, name);
  return nullptr;
}

}  // namespace monitoring::templates
