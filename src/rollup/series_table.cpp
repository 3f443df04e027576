#include "rollup/series_table.hpp"

extern "C" {
#include <common/pg_prng.h>
#include <utils/builtins.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <cstring>

#include "monitoring/base/json.hpp"

namespace monitoring::rollup {

namespace {

/// Tells the entries of equal bytes in different hours and metrics apart.
std::uint64_t salt_of(std::int64_t hour, std::uint32_t metric) {
  return static_cast<std::uint64_t>(hour) * 0x9e3779b97f4a7c15ULL + metric;
}

std::string_view bytes_of(const Hash128& hash) {
  return {reinterpret_cast<const char*>(&hash), sizeof hash};
}

/// Neither NULL nor compressed nor out of line: its bytes can be read where they lie.
bool is_inline(const struct varlena* value) {
  return value != nullptr && (VARATT_IS_SHORT(value) || VARATT_IS_4B_U(value));
}

std::string_view bytes_of(const struct varlena* value) {
  return {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

bool is_object(const Jsonb* json) {
  return json != nullptr && JB_ROOT_IS_OBJECT(json);
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

SeriesTable::SeriesTable(std::unordered_map<std::string, MetricShape> shapes)
    : shapes_(std::move(shapes)),
      // Users choose tags: they must not be able to choose collisions.
      seed_(pg_prng_uint64(&pg_global_prng_state)),
      metric_ids_(seed_),
      measure_ids_(seed_),
      by_hash_(seed_),
      by_tags_(seed_),
      by_picked_(seed_) {}

void SeriesTable::add(const measurements::RawRow* rows, int count) {
  constexpr int kAtOnce = 48;
  Look looks[kAtOnce];
  std::int64_t hour = 0;
  for (int first = 0; first < count; first += kAtOnce) {
    const int end = std::min(first + kAtOnce, count);
    int looked_up = 0;
    for (int i = first; i < end; ++i) {
      const measurements::RawRow& row = rows[i];
      if (!is_in_hour(row.timestamp, hour)) hour = hour_of(row.timestamp);
      const std::uint32_t metric = metric_of(row.metric_name);
      if (!is_inline(row.tags) || metrics_[metric].shape.split) {
        add_one(row, hour, metric);
        continue;
      }
      const std::string_view tags = bytes_of(row.tags);
      const std::uint64_t hash = by_tags_.hash_of(tags, salt_of(hour, metric));
      by_tags_.prefetch(hash);
      looks[looked_up++] = {&row, tags, hour, hash, metric, {}};
    }
    for (int i = 0; i < looked_up; ++i) {
      looks[i].candidate = by_tags_.candidate(looks[i].hash);
      if (looks[i].candidate.bytes != nullptr) looks[i].candidate.value->fetch_ahead();
    }
    for (int i = 0; i < looked_up; ++i) {
      const Look& look = looks[i];
      Series& series = look.is_candidate() ? *look.candidate.value
                                           : series_of(look.hour, look.metric, look.row->tags);
      add_value(series, look.row->metric_value);
    }
  }
}

void SeriesTable::add_one(const measurements::RawRow& row, std::int64_t hour,
                          std::uint32_t metric) {
  if (metrics_[metric].shape.split && row.tags != nullptr) return add_split(row, hour, metric);
  add_value(series_of(hour, metric, row.tags), row.metric_value);
}

void SeriesTable::add_split(const measurements::RawRow& row, std::int64_t hour,
                            std::uint32_t metric) {
  auto* tags = reinterpret_cast<Jsonb*>(pg_detoast_datum(row.tags));
  if (is_object(tags)) {
    Series& series = series_of_split(hour, metric, tags);
    add_value(series, row.metric_value);
    for (const auto& [id, measure] : measures_) add_measure(series, id, measure);
  } else {
    add_value(series_of(hour, metric, row.tags), row.metric_value);
  }
  if (reinterpret_cast<struct varlena*>(tags) != row.tags) pfree(tags);
}

void SeriesTable::add(const State& state) {
  Series& series = find_or_add(state.hour, metric_of(state.metric_name), state.dimensions,
                               state.dimensions_hash);
  merge(series, state.moments, *state.sketch, state.measures);
}

void SeriesTable::merge(Series& series, const metrics::Moments& moments,
                        const metrics::Sketch& sketch, const Jsonb* measures) {
  if (measures != nullptr) {
    for_each_pair(measures, [&](std::string_view name, const JsonbValue& value) {
      Measure measure;
      if (read_measure(value, &measure)) add_measure(series, measure_id(name), measure);
    });
  }
  series_bytes_ += static_cast<std::size_t>(series.values.merge(moments, sketch));
}

/// Most rows are of few metrics: those are found by the ends of their names.
std::uint32_t SeriesTable::metric_of(struct varlena* name) {
  const std::string_view text = bytes_of(is_inline(name) ? name : pg_detoast_datum_packed(name));
  if (text.empty()) return find_or_add_metric(text);
  const auto ends =
      static_cast<std::size_t>(text.front()) + 5UL * static_cast<std::size_t>(text.back());
  Recent& recent = recent_metrics_[(ends + text.size()) % recent_metrics_.size()];
  const bool is_known =
      recent.name.size() == text.size() && same_bytes(recent.name.data(), text.data(), text.size());
  if (is_known) return recent.metric;
  const std::uint32_t metric = find_or_add_metric(text);
  recent = {metrics_[metric].kept_name, metric};
  return metric;
}

std::uint32_t SeriesTable::find_or_add_metric(std::string_view name) {
  if (const std::uint32_t* known = metric_ids_.find(name)) return *known;
  const auto shape = shapes_.find(std::string(name));
  const std::string_view kept{names_.keep(name), name.size()};
  metrics_.push_back(
      {std::string(name), kept, shape != shapes_.end() ? shape->second : MetricShape{}, {}});
  const auto added = static_cast<std::uint32_t>(metrics_.size() - 1);
  metric_ids_.insert(kept, 0, added);
  return added;
}

void SeriesTable::add_value(Series& series, double value) {
  series_bytes_ += static_cast<std::size_t>(series.values.add(value));
}

Series* SeriesTable::find(const SeriesIndex& in, std::string_view bytes, std::int64_t hour,
                          std::uint32_t metric) {
  return find_hashed(in, in.hash_of(bytes, salt_of(hour, metric)), bytes, hour, metric);
}

Series* SeriesTable::find_hashed(const SeriesIndex& in, std::uint64_t hash, std::string_view bytes,
                                 std::int64_t hour, std::uint32_t metric) {
  Series* const* found = in.find_hashed(hash, bytes, [&](const Series* series) {
    return series->hour == hour && series->metric == metric;
  });
  return found != nullptr ? *found : nullptr;
}

Series& SeriesTable::series_of(std::int64_t hour, std::uint32_t metric, struct varlena* tags) {
  if (tags == nullptr) return find_or_add(hour, metric, nullptr);
  // Most tags are known and stored with a short header: they are looked up where they lie, and
  // copied to where a jsonb can be read only when they are new.
  struct varlena* packed = pg_detoast_datum_packed(tags);
  const std::string_view bytes = bytes_of(packed);
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

/// Leaves the measures among the tags in measures_.
Series& SeriesTable::series_of_split(std::int64_t hour, std::uint32_t metric, const Jsonb* tags) {
  picked_.clear();
  measures_.clear();
  std::size_t position = 0;
  for_each_pair(tags, [&](std::string_view key, const JsonbValue& value) {
    const Role& role = role_of(metrics_[metric], position++, key);
    Measure measure;
    if (role.is_dimension) {
      picked_.append(reinterpret_cast<const char*>(&role.id), sizeof role.id);
      append_spelling(value, &picked_);
    } else if (read_measure(value, &measure)) {
      measures_.emplace_back(role.id, measure);
    }
  });
  if (Series* known = find(by_picked_, picked_, hour, metric)) return *known;
  Series& series = find_or_add(hour, metric, dimensions_of(metrics_[metric].shape, tags));
  by_picked_.insert({kept_.keep(picked_), picked_.size()}, salt_of(hour, metric), &series);
  return series;
}

const SeriesTable::Role& SeriesTable::role_of(Metric& metric, std::size_t position,
                                              std::string_view key) {
  auto& roles = metric.roles;
  if (position < roles.size() && roles[position].key == key) return roles[position];
  const auto& dimensions = metric.shape.dimension_keys;
  const auto place = std::find(dimensions.begin(), dimensions.end(), key);
  const bool is_dimension = place != dimensions.end();
  const auto id =
      is_dimension ? static_cast<std::uint32_t>(place - dimensions.begin()) : measure_id(key);
  if (position == roles.size()) roles.emplace_back();
  roles[position] = {std::string(key), is_dimension, id};
  return roles[position];
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

void SeriesTable::add_measure(Series& series, std::uint32_t id, const Measure& measure) {
  if (series.measures == nullptr) {
    series.measures = std::make_unique<std::vector<std::pair<std::uint32_t, MeasureSum>>>();
  }
  auto at = std::find_if(series.measures->begin(), series.measures->end(),
                         [id](const auto& entry) { return entry.first == id; });
  if (at == series.measures->end()) at = series.measures->insert(at, {id, MeasureSum{}});
  at->second.add(measure);
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
    json += Json(measure_names_[id]).dump();
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

}  // namespace monitoring::rollup
