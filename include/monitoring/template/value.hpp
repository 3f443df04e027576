#pragma once
// The values that templates work on: Go's types as far as Prometheus and Alertmanager hand them to
// text/template. Lists, maps and objects are immutable and shared, so that a Value is cheap to
// copy.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "monitoring/base/clock.hpp"
#include "monitoring/base/labels.hpp"

namespace monitoring::templates {

class Value;

/// The element type of a list decides its methods and its name in messages.
enum class ListType { kAny, kStrings, kFloats, kInts, kQueryResult, kPairs, kAlerts };
/// kStrings: map[string]string, a missing key is "". kKv: Alertmanager's KV, the same with methods.
enum class MapType { kAny, kStrings, kKv };

struct ListData {
  ListType type = ListType::kAny;
  std::vector<Value> items;
  std::size_t nesting = 1;  ///< levels of lists, maps and objects, this one included
};

struct MapData {
  MapType type = MapType::kAny;
  std::map<std::string, Value> entries;
  std::size_t nesting = 1;
};

/// A Go struct: named fields in order. Reading a field that it has not is an error.
struct ObjectData {
  std::string type_name;  ///< as Go shows it: "template.Alert", "*template.Data"
  std::vector<std::pair<std::string, Value>> fields;
  std::size_t nesting = 1;
};

/// A time.Time in UTC. Seconds from the Unix epoch reach back to Go's year 1.
struct GoTime {
  std::int64_t seconds = -62135596800;  ///< Go's zero time, 0001-01-01T00:00:00Z
  std::int32_t nanos = 0;
  static GoTime from(Instant instant);
};

/// A time.Duration.
struct GoDuration {
  std::int64_t nanos = 0;
};

/// Text that an HTML template does not escape again (template.HTML).
struct SafeText {
  std::string text;
};

class Value {
 public:
  using List = std::shared_ptr<const ListData>;
  using Map = std::shared_ptr<const MapData>;
  using Object = std::shared_ptr<const ObjectData>;

  /// Deeper values are refused by the functions that build them, so that recursion over a value is
  /// bounded.
  static constexpr std::size_t kMaxNesting = 64;

  Value() = default;  ///< Go's nil, and what a missing key of map[string]any gives: "<no value>"
  Value(bool value) : data_(value) {}                            // NOLINT implicit
  Value(int value) : data_(static_cast<std::int64_t>(value)) {}  // NOLINT implicit
  Value(std::int64_t value) : data_(value) {}                    // NOLINT implicit
  Value(double value) : data_(value) {}                          // NOLINT implicit
  Value(std::string value) : data_(std::move(value)) {}          // NOLINT implicit
  Value(std::string_view value) : data_(std::string(value)) {}   // NOLINT implicit
  Value(const char* value) : data_(std::string(value)) {}        // NOLINT implicit
  Value(GoTime value) : data_(value) {}                          // NOLINT implicit
  Value(GoDuration value) : data_(value) {}                      // NOLINT implicit
  Value(SafeText value) : data_(std::move(value)) {}             // NOLINT implicit

  static Value list(ListType type, std::vector<Value> items);
  static Value strings(const std::vector<std::string>& items);
  static Value map(MapType type, std::map<std::string, Value> entries);
  /// Labels or annotations: kStrings for rules, kKv for notifications.
  static Value map(MapType type, const Labels& labels);
  static Value object(std::string type_name, std::vector<std::pair<std::string, Value>> fields);

  template <class T>
  const T* as() const {
    return std::get_if<T>(&data_);
  }
  bool is_nil() const { return std::holds_alternative<std::monostate>(data_); }
  const ListData* as_list() const;
  const MapData* as_map() const;
  const ObjectData* as_object() const;
  /// The text of a string or of a SafeText, else null.
  const std::string* text() const;
  /// The type as Go's %T shows it.
  std::string type_name() const;
  /// Go's text/template truth: false for nil, false, 0, and the empty.
  bool truth() const;
  /// What an object that Go has a pointer to ("*template.Data") is itself; any other value as it
  /// is.
  Value pointee() const;
  std::size_t nesting() const;

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, SafeText, GoTime,
               GoDuration, List, Map, Object>
      data_;
};

}  // namespace monitoring::templates
