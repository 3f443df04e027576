#include "monitoring/template/value.hpp"

#include <algorithm>

namespace monitoring::templates {

namespace {

std::size_t deepest(std::size_t so_far, const Value& value) {
  return std::max(so_far, value.nesting());
}

}  // namespace

GoTime GoTime::from(Instant instant) {
  const auto micros = instant.time_since_epoch().count();
  auto seconds = micros / 1'000'000;
  auto rest = micros % 1'000'000;
  if (rest < 0) {
    rest += 1'000'000;
    --seconds;
  }
  return {seconds, static_cast<std::int32_t>(rest * 1000)};
}

Value Value::list(ListType type, std::vector<Value> items) {
  auto data = std::make_shared<ListData>();
  data->type = type;
  std::size_t inner = 0;
  for (const auto& item : items) inner = deepest(inner, item);
  data->nesting = inner + 1;
  data->items = std::move(items);
  Value value;
  value.data_ = List(std::move(data));
  return value;
}

Value Value::strings(const std::vector<std::string>& items) {
  return list(ListType::kStrings, {items.begin(), items.end()});
}

Value Value::map(MapType type, std::map<std::string, Value> entries) {
  auto data = std::make_shared<MapData>();
  data->type = type;
  std::size_t inner = 0;
  for (const auto& [key, entry] : entries) inner = deepest(inner, entry);
  data->nesting = inner + 1;
  data->entries = std::move(entries);
  Value value;
  value.data_ = Map(std::move(data));
  return value;
}

Value Value::map(MapType type, const Labels& labels) {
  std::map<std::string, Value> entries;
  for (const auto& [name, text] : labels) entries.emplace(name, text);
  return map(type, std::move(entries));
}

Value Value::object(std::string type_name, std::vector<std::pair<std::string, Value>> fields) {
  auto data = std::make_shared<ObjectData>();
  data->type_name = std::move(type_name);
  std::size_t inner = 0;
  for (const auto& [name, field] : fields) inner = deepest(inner, field);
  data->nesting = inner + 1;
  data->fields = std::move(fields);
  Value value;
  value.data_ = Object(std::move(data));
  return value;
}

const ListData* Value::as_list() const {
  const auto* list = as<List>();
  return list == nullptr ? nullptr : list->get();
}

const MapData* Value::as_map() const {
  const auto* map = as<Map>();
  return map == nullptr ? nullptr : map->get();
}

const ObjectData* Value::as_object() const {
  const auto* object = as<Object>();
  return object == nullptr ? nullptr : object->get();
}

const std::string* Value::text() const {
  if (const auto* safe = as<SafeText>()) return &safe->text;
  return as<std::string>();
}

std::string Value::type_name() const {
  static constexpr const char* kLists[] = {
      "[]interface {}",       "[]string",       "[]float64",      "[]int",
      "template.queryResult", "template.Pairs", "template.Alerts"};
  static constexpr const char* kMaps[] = {"map[string]interface {}", "map[string]string",
                                          "template.KV"};
  if (as<bool>() != nullptr) return "bool";
  if (as<std::int64_t>() != nullptr) return "int";
  if (as<double>() != nullptr) return "float64";
  if (as<std::string>() != nullptr) return "string";
  if (as<SafeText>() != nullptr) return "template.HTML";
  if (as<GoTime>() != nullptr) return "time.Time";
  if (as<GoDuration>() != nullptr) return "time.Duration";
  if (const auto* list = as_list()) return kLists[static_cast<std::size_t>(list->type)];
  if (const auto* map = as_map()) return kMaps[static_cast<std::size_t>(map->type)];
  if (const auto* object = as_object()) return object->type_name;
  return "<nil>";
}

bool Value::truth() const {
  if (const auto* flag = as<bool>()) return *flag;
  if (const auto* number = as<std::int64_t>()) return *number != 0;
  if (const auto* number = as<double>()) return *number != 0;
  if (const auto* string = text()) return !string->empty();
  if (const auto* duration = as<GoDuration>()) return duration->nanos != 0;
  if (const auto* list = as_list()) return !list->items.empty();
  if (const auto* map = as_map()) return !map->entries.empty();
  return !is_nil();  // a struct is always true
}

Value Value::pointee() const {
  const auto* object = as_object();
  if (object == nullptr || object->type_name.empty() || object->type_name[0] != '*') return *this;
  return Value::object(object->type_name.substr(1), object->fields);
}

std::size_t Value::nesting() const {
  if (const auto* list = as_list()) return list->nesting;
  if (const auto* map = as_map()) return map->nesting;
  if (const auto* object = as_object()) return object->nesting;
  return 0;
}

}  // namespace monitoring::templates
