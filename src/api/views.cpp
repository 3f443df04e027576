// What the views on queues and APIs need to be quick.

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <fmgr.h>
#include <utils/builtins.h>
#include <utils/jsonb.h>
#include <utils/numeric.h>
}
// clang-format keeps the server's headers first.
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string_view>

using namespace monitoring;

namespace {

constexpr std::size_t kMostDigits = 18;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\v\f\r";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::optional<std::int64_t> integer_of(std::string_view text) {
  text = trimmed(text);
  const bool has_sign = !text.empty() && (text[0] == '+' || text[0] == '-');
  const bool negative = has_sign && text[0] == '-';
  if (has_sign) text.remove_prefix(1);
  if (text.empty() || text.size() > kMostDigits) return std::nullopt;
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  const auto magnitude = static_cast<std::int64_t>(value);
  return negative ? -magnitude : magnitude;
}

/// The text of a tag that is a number or a string; of any other, none. Under pg::call.
std::string_view text_of_tag(Jsonb* tags, const text* name) {
  JsonbValue value;
  if (!JB_ROOT_IS_OBJECT(tags)) return {};
  if (getKeyJsonValueFromContainer(&tags->root, VARDATA_ANY(name),
                                   static_cast<int>(VARSIZE_ANY_EXHDR(name)), &value) == nullptr) {
    return {};
  }
  if (value.type == jbvString) {
    return {value.val.string.val, static_cast<std::size_t>(value.val.string.len)};
  }
  if (value.type != jbvNumeric) return {};
  return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric)));
}

}  // namespace

/// monitoring_internal.integer_tag(tags jsonb, tag text) -> bigint
MONITORING_FUNCTION(monitoring_integer_tag) {
  const std::string_view written =
      pg::call([&] { return text_of_tag(PG_GETARG_JSONB_P(0), PG_GETARG_TEXT_PP(1)); });
  const std::optional<std::int64_t> value = integer_of(written);
  if (!value) PG_RETURN_NULL();
  PG_RETURN_INT64(*value);
}

/// monitoring_internal.whole(float8) -> bigint
MONITORING_FUNCTION(monitoring_whole) {
  const double value = std::nearbyint(PG_GETARG_FLOAT8(0));
  // The double that is nearest to the last bigint is beyond it.
  if (value >= -static_cast<double>(PG_INT64_MIN)) PG_RETURN_INT64(PG_INT64_MAX);
  if (!(value > static_cast<double>(PG_INT64_MIN))) PG_RETURN_INT64(PG_INT64_MIN);
  PG_RETURN_INT64(static_cast<std::int64_t>(value));
}
