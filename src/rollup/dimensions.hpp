#pragma once
// From the tags of a measurement to the dimensions that identify its series, and the measures that
// are summed.

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <utils/jsonb.h>
}
// clang-format keeps the server's headers first.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/base/hash128.hpp"

namespace monitoring::rollup {

// The functions that take server types may raise server errors: call them under pg::call.

/// 128 bits over a canonical form: equal for jsonb values that are equal, whatever the scale of
/// their numbers. Stored in tables. NULL (nullptr) differs from every value.
Hash128 dimensions_hash(const Jsonb* dimensions);

/// Where an entry of a jsonb container ends that begins at this offset.
inline std::uint32_t entry_end(JEntry entry, std::uint32_t begin) {
  return JBE_HAS_OFF(entry) ? JBE_OFFLENFLD(entry) : begin + JBE_OFFLENFLD(entry);
}

/// The value of an entry of a jsonb container, as its iterator would give it.
JsonbValue entry_value(JEntry entry, const char* base, std::uint32_t begin, std::uint32_t end);

/// Calls visit(key, value) for every pair of a jsonb object, in its order. Without the memory that
/// a JsonbIterator takes; values that are objects or arrays come as jbvBinary.
template <class Visit>
void for_each_pair(const Jsonb* object, Visit visit) {
  const JsonbContainer* container = &object->root;
  const std::uint32_t pairs = JsonContainerSize(container);
  const JEntry* entries = container->children;
  const char* base = reinterpret_cast<const char*>(entries + 2 * pairs);
  std::uint32_t key_at = 0;
  std::uint32_t value_at = pairs == 0 ? 0 : getJsonbOffset(container, static_cast<int>(pairs));
  for (std::uint32_t i = 0; i < pairs; ++i) {
    const std::uint32_t key_end = entry_end(entries[i], key_at);
    const std::uint32_t value_end = entry_end(entries[pairs + i], value_at);
    visit(std::string_view(base + key_at, key_end - key_at),
          entry_value(entries[pairs + i], base, value_at, value_end));
    key_at = key_end;
    value_at = value_end;
  }
}

/// A number in tags, as far as it can be summed: integers exactly, everything else as a double.
struct Measure {
  bool is_integer = true;
  std::int64_t integer = 0;
  double real = 0;
};

/// A number, or a string that casts to integer. False for everything else.
bool read_measure(const JsonbValue& value, Measure* measure);

/// The sum of the measures of one name.
class MeasureSum {
 public:
  void add(const Measure& measure);
  /// As JSON. Numbers that overflow bigint go on as doubles.
  std::string text() const;

 private:
  std::int64_t integers_ = 0;
  double reals_ = 0;
  bool has_reals_ = false;
};

}  // namespace monitoring::rollup
