// SQL entry points that count: define_metric, counter_inc, gauge_set, gauge_add,
// histogram_observe, remove_metric.

#include "monitoring/pg/arguments.hpp"
#include "monitoring/pg/encoding.hpp"

extern "C" {
#include <catalog/pg_type.h>
#include <mb/pg_wchar.h>
#include <utils/builtins.h>
#include <utils/jsonb.h>
#include <utils/numeric.h>
}
// clang-format keeps the server's headers first.
#include <cmath>
#include <unordered_map>

#include "api/standby.hpp"
#include "monitoring/base/hash128.hpp"
#include "monitoring/hooks/counting.hpp"
#include "monitoring/hooks/defining.hpp"
#include "monitoring/measurements/metric_definitions.hpp"
#include "monitoring/pg/version.hpp"
#include "monitoring/shmem/registry.hpp"

using namespace monitoring;
using metrics::MetricType;
using shmem::Refusal;

namespace {

void require_preload() {
  if (shmem::registry_available()) return;
  throw pg::Report(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "monitoring counts nothing yet")
      .hint("Add monitoring to shared_preload_libraries and restart the server.");
}

[[noreturn]] void refuse(const Error& error) {
  throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, error);
}

[[noreturn]] void refuse(std::string message, std::string hint = {}) {
  throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, std::move(message)).hint(std::move(hint));
}

constexpr const char* kLabelsExample = R"({"route": "/users", "status": 200})";

// --- Labels --------------------------------------------------------------------------------------

std::string utf8(const char* text, int length) {
  return pg::utf8_of({text, static_cast<std::size_t>(length)});
}

std::string text_of(const JsonbValue& value) {
  switch (value.type) {
    case jbvString:
      return utf8(value.val.string.val, value.val.string.len);
    case jbvNumeric:
      return pg::call([&] {
        return DatumGetCString(
            DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric)));
      });
    case jbvBool:
      return value.val.boolean ? "true" : "false";
    case jbvNull:
      return "";
    default:
      refuse("the value of a label must be a string, a number or a boolean",
             "Write labels as, for example, '{\"route\": \"/users\", \"status\": 200}'.");
  }
}

/// The labels of an object as label bytes, checked.
std::string labels_of(Jsonb* json) {
  Labels labels;
  JsonbIterator* iterator = pg::call([&] { return JsonbIteratorInit(&json->root); });
  JsonbValue key;
  const auto next = [&](JsonbValue* value) {
    return pg::call([&] { return JsonbIteratorNext(&iterator, value, true); });
  };
  for (JsonbIteratorToken token = next(&key); token != WJB_DONE; token = next(&key)) {
    if (token != WJB_KEY) continue;
    const std::string name(key.val.string.val, static_cast<std::size_t>(key.val.string.len));
    if (const auto error = metrics::check_label_name(name)) refuse(*error);
    JsonbValue value;
    next(&value);
    labels.set(name, text_of(value));
  }
  std::string bytes = metrics::label_bytes(labels);
  if (bytes.size() > metrics::kLongestLabels) {
    refuse("labels take " + std::to_string(bytes.size()) + " bytes; the limit is " +
           std::to_string(metrics::kLongestLabels) + " bytes");
  }
  return bytes;
}

// --- The series of a call ------------------------------------------------------------------------

/// What a user calls a series: type, name and labels as they come.
struct Call {
  MetricType type;
  std::string_view name;
  Jsonb* labels;

  std::string_view label_bytes() const {
    return {reinterpret_cast<const char*>(&labels->root), VARSIZE(labels) - VARHDRSZ};
  }
  std::uint64_t hash() const {
    return hash128(label_bytes(), hash128(name, static_cast<std::uint64_t>(type)).low).low;
  }
};

/// The series that this process has counted on, by how they were written. One series may be written
/// in many ways (numbers, nulls, spaces), so both a spelling and all of them together are bounded:
/// what is not kept is only looked up again.
class KnownSeries {
 public:
  /// Often it is the one of the call before.
  shmem::Series* find(const Call& call) {
    if (last_ != nullptr && last_->is(call)) return last_->series;
    const auto entry = find_entry(call);
    if (entry == known_.end()) return nullptr;
    last_ = &entry->second;
    return last_->series;
  }
  void keep(const Call& call, shmem::Series* series) {
    const std::size_t size = kEntryBytes + call.name.size() + call.label_bytes().size();
    if (size > kLongestSpelling) return;
    if (bytes_ + size > kMostBytes) clear();
    const auto entry = known_.emplace(call.hash(), Known{call.type, std::string(call.name),
                                                         std::string(call.label_bytes()), series});
    bytes_ += size;
    last_ = &entry->second;
  }
  /// It was removed: the next call looks for it again.
  void forget(const Call& call) {
    const auto entry = find_entry(call);
    if (entry == known_.end()) return;
    last_ = nullptr;
    bytes_ -= kEntryBytes + entry->second.name.size() + entry->second.labels.size();
    known_.erase(entry);
  }

 private:
  struct Known {
    MetricType type;
    std::string name;
    std::string labels;
    shmem::Series* series;

    bool is(const Call& call) const {
      return type == call.type && name == call.name && labels == call.label_bytes();
    }
  };
  struct AsItIs {
    std::size_t operator()(std::uint64_t hash) const { return hash; }
  };
  using Map = std::unordered_multimap<std::uint64_t, Known, AsItIs>;

  /// What an entry takes beside its texts: the node, and its part of the table.
  static constexpr std::size_t kEntryBytes = sizeof(Known) + 48;
  static constexpr std::size_t kLongestSpelling = 8192;
  static constexpr std::size_t kMostBytes = std::size_t{4} << 20;

  Map::iterator find_entry(const Call& call) {
    const auto [begin, end] = known_.equal_range(call.hash());
    for (auto entry = begin; entry != end; ++entry) {
      if (entry->second.is(call)) return entry;
    }
    return known_.end();
  }
  void clear() {
    known_.clear();
    bytes_ = 0;
    last_ = nullptr;
  }

  Map known_;
  std::size_t bytes_ = 0;
  const Known* last_ = nullptr;
};

/// Lives as long as the process; made at its first use.
KnownSeries& known_series() {
  static KnownSeries& known = *new KnownSeries;
  return known;
}

[[noreturn]] void refuse_other_type(std::string_view name, MetricType wanted, MetricType present) {
  throw pg::Report(ERRCODE_WRONG_OBJECT_TYPE, "metric \"" + std::string(name) + "\" is a " +
                                                  std::string(metrics::type_name(present)) +
                                                  ", not a " +
                                                  std::string(metrics::type_name(wanted)))
      .hint(
          "Use another name, or remove the metric with monitoring.remove_metric() and define it "
          "anew.");
}

/// The metric's definition: the registry's, the table's, or none but the name and type.
measurements::MetricDefinition definition_of(const Call& call) {
  const std::optional<shmem::MetricFacts> facts = shmem::find_metric(MyDatabaseId, call.name);
  if (facts && facts->series_count > 0) {
    if (facts->type != call.type) refuse_other_type(call.name, call.type, facts->type);
    return {std::string(call.name), call.type, {}, {}, {}};
  }
  std::optional<measurements::MetricDefinition> definition =
      measurements::find_definition(call.name);
  if (!definition) return {std::string(call.name), call.type, {}, {}, {}};
  if (definition->type != call.type) refuse_other_type(call.name, call.type, definition->type);
  return *std::move(definition);
}

/// nullptr where the registry refuses; it has counted that.
shmem::Series* look_up(const Call& call) {
  if (const auto error = metrics::check_metric_name(call.name)) refuse(*error);
  pg::require_object(call.labels, "labels", kLabelsExample);
  const std::string labels = labels_of(call.labels);
  const measurements::MetricDefinition definition = definition_of(call);
  const shmem::Found found = shmem::find_or_create(MyDatabaseId, definition.spec(), labels);
  if (found.refusal == Refusal::other_type) {
    refuse_other_type(call.name, call.type, shmem::find_metric(MyDatabaseId, call.name)->type);
  }
  return found.series;
}

/// The name is the first argument.
shmem::Series* series_of(FunctionCallInfo fcinfo, MetricType type, int labels_index) {
  require_preload();
  pg::require(fcinfo, 0, "name");
  pg::require(fcinfo, labels_index, "labels");
  const text* name = nullptr;
  Jsonb* labels = nullptr;
  pg::call([&] {
    name = PG_GETARG_TEXT_PP(0);
    labels = PG_GETARG_JSONB_P(labels_index);
  });
  const Call call = {
      type, {VARDATA_ANY(name), static_cast<std::size_t>(VARSIZE_ANY_EXHDR(name))}, labels};
  shmem::Series* const known = known_series().find(call);
  if (known != nullptr && shmem::alive(*known)) return known;
  if (known != nullptr) known_series().forget(call);
  shmem::Series* const series = look_up(call);
  if (series != nullptr) known_series().keep(call, series);
  return series;
}

double value_argument(FunctionCallInfo fcinfo, const char* name) {
  pg::require(fcinfo, 1, name);
  return PG_GETARG_FLOAT8(1);
}

// --- Definitions ---------------------------------------------------------------------------------

std::vector<double> bounds_argument(FunctionCallInfo fcinfo, int index) {
  if (PG_ARGISNULL(index)) return {};
  monitoring::Result<std::vector<double>> bounds =
      metrics::checked_bounds(pg::float8_list(fcinfo, index, "buckets"));
  if (!bounds) refuse(bounds.error());
  return std::move(bounds).value();
}

measurements::MetricDefinition definition_arguments(FunctionCallInfo fcinfo) {
  measurements::MetricDefinition definition;
  pg::require(fcinfo, 0, "name");
  definition.name = *pg::optional_text(fcinfo, 0);
  if (const auto error = metrics::check_metric_name(definition.name)) refuse(*error);
  const std::string type = pg::required_text(fcinfo, 1, "type");
  const auto parsed = metrics::parse_type(type);
  if (!parsed) refuse("unknown metric type \"" + type + "\"", "It is counter, gauge or histogram.");
  definition.type = *parsed;
  definition.help = pg::optional_text(fcinfo, 2).value_or("");
  definition.unit = pg::optional_text(fcinfo, 3).value_or("");
  definition.bounds = bounds_argument(fcinfo, 4);
  if (!definition.bounds.empty() && definition.type != MetricType::histogram) {
    refuse("only a histogram has buckets");
  }
  return definition;
}

/// Of a metric that has been counted: help and unit, at commit; type and buckets only if they are
/// the same.
void describe_counted(const measurements::MetricDefinition& definition) {
  const auto facts = shmem::find_metric(MyDatabaseId, definition.name);
  if (!facts) return;
  metrics::MetricSpec spec = definition.spec();
  if (spec.bounds == nullptr && spec.type == MetricType::histogram) {
    spec.bounds = metrics::kDefaultBounds;
    spec.bound_count = std::size(metrics::kDefaultBounds);
  }
  switch (shmem::check_definition(MyDatabaseId, spec)) {
    case Refusal::other_type:
      refuse_other_type(definition.name, definition.type, facts->type);
    case Refusal::other_bounds:
      throw pg::Report(ERRCODE_WRONG_OBJECT_TYPE,
                       "histogram \"" + definition.name + "\" has been counted with other buckets")
          .hint("Remove what it has counted with monitoring.remove_metric(), then define it anew.");
    default:
      hooks::define_at_commit(spec);
  }
}

/// Of a function (start, second, count).
template <class Make>
Datum made_bounds(FunctionCallInfo fcinfo, const char* second, Make&& make) {
  pg::require(fcinfo, 0, "start");
  pg::require(fcinfo, 1, second);
  pg::require(fcinfo, 2, "count");
  const monitoring::Result<std::vector<double>> bounds =
      make(PG_GETARG_FLOAT8(0), PG_GETARG_FLOAT8(1), PG_GETARG_INT32(2));
  if (!bounds) refuse(bounds.error());
  return pg::float8_array(*bounds).value;
}

}  // namespace

/// monitoring.define_metric(name, type, help, unit, buckets, snapshot)
MONITORING_FUNCTION(monitoring_define_metric) {
  const measurements::MetricDefinition definition = definition_arguments(fcinfo);
  if (shmem::registry_available()) describe_counted(definition);
  pg::Spi spi;
  measurements::write_definition(spi, definition,
                                 PG_ARGISNULL(5) ? std::nullopt : std::optional(PG_GETARG_BOOL(5)));
  PG_RETURN_VOID();
}

/// monitoring.linear_buckets(start, width, count) -> float8[]
MONITORING_FUNCTION(monitoring_linear_buckets) {
  return made_bounds(fcinfo, "width", metrics::linear_bounds);
}

/// monitoring.exponential_buckets(start, factor, count) -> float8[]
MONITORING_FUNCTION(monitoring_exponential_buckets) {
  return made_bounds(fcinfo, "factor", metrics::exponential_bounds);
}

/// monitoring.remove_metric(name) -> bigint
MONITORING_FUNCTION(monitoring_remove_metric) {
  require_preload();
  // A standby counts for itself, and has no other transactions.
  if (!RecoveryInProgress()) api::refuse_in_read_only("remove_metric()");
  const std::string name = pg::required_text(fcinfo, 0, "name");
  PG_RETURN_INT64(shmem::remove_metric(MyDatabaseId, name));
}

/// monitoring.counter_inc(name, by, labels, transactional)
MONITORING_FUNCTION(monitoring_counter_inc) {
  const double by = value_argument(fcinfo, "by");
  if (!(by >= 0) || std::isinf(by)) {
    refuse("the increment of a counter must be finite and not negative",
           "Use a gauge for what goes down.");
  }
  pg::require(fcinfo, 3, "transactional");
  shmem::Series* const series = series_of(fcinfo, MetricType::counter, 2);
  if (series == nullptr) PG_RETURN_VOID();
  if (PG_GETARG_BOOL(3)) {
    hooks::add_at_commit(*series, by);
  } else {
    shmem::add(*series, by);
  }
  PG_RETURN_VOID();
}

/// monitoring.gauge_set(name, value, labels)
MONITORING_FUNCTION(monitoring_gauge_set) {
  const double value = value_argument(fcinfo, "value");
  shmem::Series* const series = series_of(fcinfo, MetricType::gauge, 2);
  if (series != nullptr) shmem::set(*series, value);
  PG_RETURN_VOID();
}

/// monitoring.gauge_add(name, delta, labels)
MONITORING_FUNCTION(monitoring_gauge_add) {
  const double delta = value_argument(fcinfo, "delta");
  shmem::Series* const series = series_of(fcinfo, MetricType::gauge, 2);
  if (series != nullptr) shmem::add(*series, delta);
  PG_RETURN_VOID();
}

/// monitoring.histogram_observe(name, value, labels)
MONITORING_FUNCTION(monitoring_histogram_observe) {
  const double value = value_argument(fcinfo, "value");
  if (std::isnan(value)) refuse("a histogram cannot observe NaN");
  shmem::Series* const series = series_of(fcinfo, MetricType::histogram, 2);
  if (series != nullptr) shmem::observe(*series, value);
  PG_RETURN_VOID();
}
