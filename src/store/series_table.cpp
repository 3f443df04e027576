#include "series_table.hpp"

extern "C" {
#include <utils/builtins.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

namespace monitoring::store {

namespace {

/// Beyond this many spellings of tags the table stops remembering them: it still finds series by
/// their canonical hash, only more slowly.
constexpr std::size_t kMaxAliases = 2'000'000;

std::string_view view_of(const JsonbValue& string) {
  return {string.val.string.val, static_cast<std::size_t>(string.val.string.len)};
}

Hash128 combine(Hash128 hash, std::int64_t hour, std::uint32_t metric) {
  struct {
    Hash128 hash;
    std::int64_t hour;
    std::uint64_t metric;
  } key{hash, hour, metric};
  static_assert(std::has_unique_object_representations_v<decltype(key)>);
  return hash128({reinterpret_cast<const char*>(&key), sizeof key});
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

void add_value(Series& series, double value) {
  series.moments.add(value);
  if (std::isfinite(value)) series.sketch.add(value);
}

/// The bytes that stand for a value as it came, mixed into a running hash.
Hash128 mix_value(Hash128 hash, const JsonbValue& value) {
  const std::uint64_t seed = hash.low ^ (hash.high << 1) ^ static_cast<std::uint64_t>(value.type);
  switch (value.type) {
    case jbvString:
      return hash128(view_of(value), seed);
    case jbvNumeric:
      return hash128(
          {reinterpret_cast<const char*>(value.val.numeric), VARSIZE_ANY(value.val.numeric)}, seed);
    case jbvBool:
      return hash128(value.val.boolean ? "t" : "f", seed);
    case jbvBinary:
      return hash128({reinterpret_cast<const char*>(value.val.binary.data),
                      static_cast<std::size_t>(value.val.binary.len)},
                     seed);
    default:
      return hash128("n", seed);
  }
}

}  // namespace

std::int64_t hour_of(std::int64_t timestamp) {
  const std::int64_t hours = timestamp / kHourUs;
  return (timestamp % kHourUs < 0 ? hours - 1 : hours) * kHourUs;
}

std::uint32_t HashIndex::find(Hash128 key) const {
  if (slots_.empty()) return kNone;
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = key.low & mask;; at = (at + 1) & mask) {
    if (slots_[at].value == kNone) return kNone;
    if (slots_[at].key == key) return slots_[at].value;
  }
}

void HashIndex::insert(Hash128 key, std::uint32_t value) {
  if (used_ * 4 >= slots_.size() * 3) grow();
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = key.low & mask;
  while (slots_[at].value != kNone) at = (at + 1) & mask;
  slots_[at] = {key, value};
  ++used_;
}

void HashIndex::grow() {
  std::vector<Slot> old(std::max<std::size_t>(slots_.size() * 2, 1024));
  old.swap(slots_);
  used_ = 0;
  for (const Slot& slot : old) {
    if (slot.value != kNone) insert(slot.key, slot.value);
  }
}

void HashIndex::clear() {
  slots_.clear();
  slots_.shrink_to_fit();
  used_ = 0;
}

SeriesTable::SeriesTable(std::unordered_map<std::string, MetricShape> shapes)
    : shapes_(std::move(shapes)) {}

void SeriesTable::add(const RawRow& row) {
  // Everything that may raise a server error comes before anything that changes this table.
  const std::uint32_t metric = metric_of(row.metric_name);
  if (metrics_[metric].shape.split && row.tags != nullptr) return add_split(row, metric);
  add_value(series_of(hour_of(row.timestamp), metric, row.tags), row.metric_value);
}

void SeriesTable::add_split(const RawRow& row, std::uint32_t metric) {
  const auto* tags = reinterpret_cast<const Jsonb*>(pg_detoast_datum(row.tags));
  const std::int64_t hour = hour_of(row.timestamp);
  if (is_object(tags)) {
    Series& series = series_of_split(hour, metric, tags);
    add_value(series, row.metric_value);
    add_measures(series, metrics_[metric], tags);
  } else {
    add_value(series_of(hour, metric, row.tags), row.metric_value);
  }
  if (static_cast<const void*>(tags) != row.tags) pfree(const_cast<Jsonb*>(tags));
}

std::uint32_t SeriesTable::metric_of(const struct varlena* name) {
  struct varlena* plain = pg_detoast_datum_packed(const_cast<struct varlena*>(name));
  const std::string_view text(VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain));
  // Most rows are of the same metric as the row before.
  if (!metrics_.empty() && metrics_[last_metric_].name == text) return last_metric_;
  const Hash128 key = hash128(text);
  const std::uint32_t known = metric_ids_.find(key);
  if (known != HashIndex::kNone) return last_metric_ = known;
  const auto shape = shapes_.find(std::string(text));
  metrics_.push_back({std::string(text), shape != shapes_.end() ? shape->second : MetricShape{}});
  last_metric_ = static_cast<std::uint32_t>(metrics_.size() - 1);
  metric_ids_.insert(key, last_metric_);
  return last_metric_;
}

Series& SeriesTable::series_of(std::int64_t hour, std::uint32_t metric, struct varlena* tags) {
  // Most tags are known and stored with a short header: they are looked up where they lie, and
  // copied to where a jsonb can be read only when they are new.
  struct varlena* packed = tags == nullptr ? nullptr : pg_detoast_datum_packed(tags);
  const Hash128 bytes = packed == nullptr
                            ? Hash128{1, 0}
                            : hash128({VARDATA_ANY(packed), VARSIZE_ANY_EXHDR(packed)}, 2);
  const Hash128 alias = combine(bytes, hour, metric);
  std::uint32_t position = aliases_.find(alias);
  if (position == HashIndex::kNone) {
    const auto* dimensions =
        packed == nullptr ? nullptr : reinterpret_cast<const Jsonb*>(pg_detoast_datum(packed));
    position = find_or_add(alias, hour, metric, dimensions);
    if (packed != reinterpret_cast<const struct varlena*>(dimensions)) {
      pfree(const_cast<Jsonb*>(dimensions));
    }
  }
  if (packed != tags) pfree(packed);
  return series_[position];
}

Series& SeriesTable::series_of_split(std::int64_t hour, std::uint32_t metric, const Jsonb* tags) {
  const MetricShape& shape = metrics_[metric].shape;
  Hash128 bytes{3, 0};
  for (const std::string& key : shape.dimension_keys) {
    JsonbValue value;
    const bool present =
        getKeyJsonValueFromContainer(const_cast<JsonbContainer*>(&tags->root), key.data(),
                                     static_cast<int>(key.size()), &value) != nullptr;
    bytes = present ? mix_value(bytes, value) : hash128("missing", bytes.low);
  }
  const Hash128 alias = combine(bytes, hour, metric);
  const std::uint32_t known = aliases_.find(alias);
  if (known != HashIndex::kNone) return series_[known];
  return series_[find_or_add(alias, hour, metric, dimensions_of(shape, tags))];
}

std::uint32_t SeriesTable::find_or_add(Hash128 alias, std::int64_t hour, std::uint32_t metric,
                                       const Jsonb* dimensions) {
  const Hash128 hash = dimensions_hash(dimensions);
  const Hash128 key = combine(hash, hour, metric);
  std::uint32_t position = by_dimensions_.find(key);
  if (position == HashIndex::kNone) {
    position = static_cast<std::uint32_t>(series_.size());
    Series& added = series_.emplace_back();
    added.hour = hour;
    added.metric = metric;
    added.dimensions_hash = hash;
    added.dimensions = keep(dimensions);
    by_dimensions_.insert(key, position);
  }
  if (aliases_.size() < kMaxAliases) aliases_.insert(alias, position);
  return position;
}

void SeriesTable::add_measures(Series& series, const Metric& metric, const Jsonb* tags) {
  JsonbIterator* iterator = JsonbIteratorInit(const_cast<JsonbContainer*>(&tags->root));
  JsonbValue key;
  JsonbValue value;
  JsonbIteratorToken token = JsonbIteratorNext(&iterator, &key, true);
  while ((token = JsonbIteratorNext(&iterator, &key, true)) == WJB_KEY) {
    JsonbIteratorNext(&iterator, &value, true);
    Measure measure;
    if (is_dimension(metric.shape, view_of(key)) || !read_measure(value, &measure)) continue;
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
  const Hash128 key = hash128(name);
  const std::uint32_t known = measure_ids_.find(key);
  if (known != HashIndex::kNone) return known;
  measure_names_.emplace_back(name);
  const auto id = static_cast<std::uint32_t>(measure_names_.size() - 1);
  measure_ids_.insert(key, id);
  return id;
}

const Jsonb* SeriesTable::keep(const Jsonb* json) {
  if (json == nullptr) return nullptr;
  const std::size_t bytes = VARSIZE_ANY(json);
  // new char[] is aligned for anything, as a jsonb must be.
  kept_.push_back(std::unique_ptr<char[]>(new char[bytes]));
  std::memcpy(kept_.back().get(), json, bytes);
  kept_bytes_ += bytes + 2 * sizeof(void*);
  return reinterpret_cast<const Jsonb*>(kept_.back().get());
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
  // A sketch with more than two buckets has a heap block; a few hundred bytes is typical.
  constexpr std::size_t kPerSeries = sizeof(Series) + 100;
  return series_.size() * kPerSeries + kept_bytes_ + aliases_.memory_bytes() +
         by_dimensions_.memory_bytes();
}

void SeriesTable::clear() {
  series_.clear();
  aliases_.clear();
  by_dimensions_.clear();
  kept_.clear();
  kept_bytes_ = 0;
}

}  // namespace monitoring::store
