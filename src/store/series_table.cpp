#include "series_table.hpp"

extern "C" {
#include <common/pg_prng.h>
#include <utils/builtins.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

namespace monitoring::store {

namespace {

std::string_view view_of(const JsonbValue& string) {
  return {string.val.string.val, static_cast<std::size_t>(string.val.string.len)};
}

/// Tells the entries of equal bytes in different hours and metrics apart.
std::uint64_t salt_of(std::int64_t hour, std::uint32_t metric) {
  return static_cast<std::uint64_t>(hour) * 0x9e3779b97f4a7c15ULL + metric;
}

std::string_view bytes_of(const Hash128& hash) {
  return {reinterpret_cast<const char*>(&hash), sizeof hash};
}

bool is_object(const Jsonb* json) {
  return json != nullptr && JB_ROOT_IS_OBJECT(json);
}

bool is_dimension(const MetricShape& shape, std::string_view key) {
  return std::find(shape.dimension_keys.begin(), shape.dimension_keys.end(), key) !=
         shape.dimension_keys.end();
}

/// The dimension tags as a jsonb object of their own. Raises server errors.
const Jsonb* dimensions_of(const MetricShape& shape, const Jsonb* tags) {
  JsonbParseState* state = nullptr;
  pushJsonbValue(&state, WJB_BEGIN_OBJECT, nullptr);
  for (const std::string& key : shape.dimension_keys) {
    JsonbValue value;
    if (getKeyJsonValueFromContainer(const_cast<JsonbContainer*>(&tags->root), key.data(),
                                     static_cast<int>(key.size()), &value) == nullptr) {
      continue;
    }
    JsonbValue name;
    name.type = jbvString;
    name.val.string.val = const_cast<char*>(key.data());
    name.val.string.len = static_cast<int>(key.size());
    pushJsonbValue(&state, WJB_KEY, &name);
    pushJsonbValue(&state, WJB_VALUE, &value);
  }
  return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, nullptr));
}

/// Appends bytes that stand for a value as it came.
void append_spelling(const JsonbValue& value, std::string* bytes) {
  const auto append = [bytes](const void* from, std::size_t size) {
    bytes->append(reinterpret_cast<const char*>(&size), sizeof size);
    bytes->append(static_cast<const char*>(from), size);
  };
  bytes->push_back(static_cast<char>(value.type));
  switch (value.type) {
    case jbvString:
      return append(value.val.string.val, static_cast<std::size_t>(value.val.string.len));
    case jbvNumeric:
      return append(value.val.numeric, VARSIZE_ANY(value.val.numeric));
    case jbvBinary:
      return append(value.val.binary.data, static_cast<std::size_t>(value.val.binary.len));
    case jbvBool:
      return bytes->push_back(value.val.boolean ? 't' : 'f');
    default:
      return;
  }
}

}  // namespace

std::int64_t hour_of(std::int64_t timestamp) {
  const std::int64_t hours = timestamp / kHourUs;
  return (timestamp % kHourUs < 0 ? hours - 1 : hours) * kHourUs;
}

SeriesTable::SeriesTable(std::unordered_map<std::string, MetricShape> shapes)
    : shapes_(std::move(shapes)),
      // Users choose tags: they must not be able to choose collisions.
      seed_(pg_prng_uint64(&pg_global_prng_state)),
      metric_ids_(seed_),
      measure_ids_(seed_),
      by_hash_(seed_),
      by_tags_(seed_),
      by_picked_(seed_) {}

void SeriesTable::add(const RawRow& row) {
  // Everything that may raise a server error comes before anything that changes this table.
  const std::int64_t hour = hour_of(row.timestamp);
  const std::uint32_t metric = metric_of(row.metric_name);
  if (metrics_[metric].shape.split && row.tags != nullptr) return add_split(row, hour, metric);
  add_value(series_of(hour, metric, row.tags), row.metric_value);
}

void SeriesTable::add_split(const RawRow& row, std::int64_t hour, std::uint32_t metric) {
  const auto* tags = reinterpret_cast<const Jsonb*>(pg_detoast_datum(row.tags));
  if (is_object(tags)) {
    Series& series = series_of_split(hour, metric, tags);
    add_value(series, row.metric_value);
    add_measures(series, metrics_[metric].shape, tags);
  } else {
    add_value(series_of(hour, metric, row.tags), row.metric_value);
  }
  if (static_cast<const void*>(tags) != row.tags) pfree(const_cast<Jsonb*>(tags));
}

void SeriesTable::add(const State& state) {
  Series& series = find_or_add(state.hour, metric_of(state.metric_name), state.dimensions,
                               state.dimensions_hash);
  add_measures(series, MetricShape{}, state.measures);
  series_bytes_ += static_cast<std::size_t>(series.values.merge(state.moments, *state.sketch));
}

std::uint32_t SeriesTable::metric_of(struct varlena* name) {
  struct varlena* plain = pg_detoast_datum_packed(name);
  const std::string_view text(VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain));
  // Most rows are of the same metric as the row before.
  if (!metrics_.empty() && metrics_[last_metric_].name == text) return last_metric_;
  if (const std::uint32_t* known = metric_ids_.find(text)) return last_metric_ = *known;
  const auto shape = shapes_.find(std::string(text));
  metrics_.push_back({std::string(text), shape != shapes_.end() ? shape->second : MetricShape{}});
  last_metric_ = static_cast<std::uint32_t>(metrics_.size() - 1);
  metric_ids_.insert({names_.keep(text), text.size()}, 0, last_metric_);
  return last_metric_;
}

void SeriesTable::add_value(Series& series, double value) {
  series_bytes_ += static_cast<std::size_t>(series.values.add(value));
}

Series* SeriesTable::find(const SeriesIndex& in, std::string_view bytes, std::int64_t hour,
                          std::uint32_t metric) {
  Series* const* found = in.find(bytes, salt_of(hour, metric), [&](const Series* series) {
    return series->hour == hour && series->metric == metric;
  });
  return found != nullptr ? *found : nullptr;
}

Series& SeriesTable::series_of(std::int64_t hour, std::uint32_t metric, struct varlena* tags) {
  if (tags == nullptr) return find_or_add(hour, metric, nullptr);
  // Most tags are known and stored with a short header: they are looked up where they lie, and
  // copied to where a jsonb can be read only when they are new.
  struct varlena* packed = pg_detoast_datum_packed(tags);
  const std::string_view bytes(VARDATA_ANY(packed), VARSIZE_ANY_EXHDR(packed));
  Series* series = find(by_tags_, bytes, hour, metric);
  if (series == nullptr) {
    auto* dimensions = reinterpret_cast<Jsonb*>(pg_detoast_datum(packed));
    series = &find_or_add(hour, metric, dimensions);
    by_tags_.insert({kept_.keep(bytes), bytes.size()}, salt_of(hour, metric), series);
    if (packed != reinterpret_cast<struct varlena*>(dimensions)) pfree(dimensions);
  }
  if (packed != tags) pfree(packed);
  return *series;
}

Series& SeriesTable::series_of_split(std::int64_t hour, std::uint32_t metric, const Jsonb* tags) {
  const MetricShape& shape = metrics_[metric].shape;
  picked_.clear();
  for (const std::string& key : shape.dimension_keys) {
    JsonbValue value;
    const bool present =
        getKeyJsonValueFromContainer(const_cast<JsonbContainer*>(&tags->root), key.data(),
                                     static_cast<int>(key.size()), &value) != nullptr;
    picked_.push_back(present ? '+' : '-');
    if (present) append_spelling(value, &picked_);
  }
  if (Series* known = find(by_picked_, picked_, hour, metric)) return *known;
  Series& series = find_or_add(hour, metric, dimensions_of(shape, tags));
  by_picked_.insert({kept_.keep(picked_), picked_.size()}, salt_of(hour, metric), &series);
  return series;
}

Series& SeriesTable::find_or_add(std::int64_t hour, std::uint32_t metric, const Jsonb* dimensions) {
  return find_or_add(hour, metric, dimensions, dimensions_hash(dimensions));
}

Series& SeriesTable::find_or_add(std::int64_t hour, std::uint32_t metric, const Jsonb* dimensions,
                                 const Hash128& hash) {
  if (Series* known = find(by_hash_, bytes_of(hash), hour, metric)) return *known;
  Series& added = series_.emplace_back();
  added.hour = hour;
  added.metric = metric;
  added.dimensions_hash = hash;
  if (dimensions != nullptr) {
    added.dimensions = reinterpret_cast<const Jsonb*>(
        kept_.keep({reinterpret_cast<const char*>(dimensions), VARSIZE_ANY(dimensions)}));
  }
  series_bytes_ += sizeof(Series);
  by_hash_.insert(bytes_of(added.dimensions_hash), salt_of(hour, metric), &added);
  return added;
}

void SeriesTable::add_measures(Series& series, const MetricShape& shape, const Jsonb* tags) {
  JsonbIterator* iterator = JsonbIteratorInit(const_cast<JsonbContainer*>(&tags->root));
  JsonbValue key;
  JsonbValue value;
  JsonbIteratorToken token = JsonbIteratorNext(&iterator, &key, true);
  while ((token = JsonbIteratorNext(&iterator, &key, true)) == WJB_KEY) {
    JsonbIteratorNext(&iterator, &value, true);
    Measure measure;
    if (is_dimension(shape, view_of(key)) || !read_measure(value, &measure)) continue;
    const std::uint32_t id = measure_id(view_of(key));
    if (series.measures == nullptr) {
      series.measures = std::make_unique<std::vector<std::pair<std::uint32_t, MeasureSum>>>();
    }
    auto at = std::find_if(series.measures->begin(), series.measures->end(),
                           [&](const auto& entry) { return entry.first == id; });
    if (at == series.measures->end()) {
      series.measures->emplace_back(id, MeasureSum{});
      at = series.measures->end() - 1;
    }
    at->second.add(measure);
  }
}

std::uint32_t SeriesTable::measure_id(std::string_view name) {
  if (const std::uint32_t* known = measure_ids_.find(name)) return *known;
  measure_names_.emplace_back(name);
  const auto id = static_cast<std::uint32_t>(measure_names_.size() - 1);
  measure_ids_.insert({names_.keep(name), name.size()}, 0, id);
  return id;
}

std::string SeriesTable::measures_json(const Series& series) const {
  if (series.measures == nullptr) return "{}";
  std::string json = "{";
  for (const auto& [id, sum] : *series.measures) {
    if (json.size() > 1) json += ',';
    json += nlohmann::json(measure_names_[id])
                .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    json += ':';
    json += sum.text();
  }
  return json + "}";
}

std::size_t SeriesTable::memory_bytes() const {
  return series_bytes_ + kept_.memory_bytes() + by_hash_.memory_bytes() + by_tags_.memory_bytes() +
         by_picked_.memory_bytes();
}

void SeriesTable::clear() {
  series_.clear();
  series_bytes_ = 0;
  kept_.clear();
  by_hash_.clear();
  by_tags_.clear();
  by_picked_.clear();
}

}  // namespace monitoring::store
