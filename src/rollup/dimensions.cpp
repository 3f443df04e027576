#include "rollup/dimensions.hpp"

extern "C" {
#include <port/pg_bswap.h>
#include <utils/builtins.h>
#include <utils/fmgrprotos.h>
#include <utils/numeric.h>
#include <utils/uuid.h>
}
// clang-format keeps the server's headers first.
#include <charconv>
#include <cmath>
#include <cstring>
#include <string_view>

namespace monitoring::rollup {

namespace {

void append_text(StringInfo form, char kind, const char* text, int length) {
  appendStringInfoChar(form, kind);
  const std::uint32_t portable = pg_hton32(static_cast<std::uint32_t>(length));
  appendBinaryStringInfo(form, reinterpret_cast<const char*>(&portable), sizeof portable);
  appendBinaryStringInfo(form, text, length);
}

void append_scalar(StringInfo form, const JsonbValue& value) {
  switch (value.type) {
    case jbvString:
      return append_text(form, 's', value.val.string.val, value.val.string.len);
    case jbvNumeric: {
      char* digits = numeric_normalize(value.val.numeric);
      append_text(form, 'd', digits, static_cast<int>(std::strlen(digits)));
      return pfree(digits);
    }
    case jbvBool:
      return appendStringInfoChar(form, value.val.boolean ? 't' : 'f');
    default:
      return appendStringInfoChar(form, 'n');
  }
}

/// The canonical form: tokens in the order of jsonb (object keys are sorted there), numbers without
/// trailing zeros. Not meant for reading.
void append_canonical(StringInfo form, const Jsonb* json) {
  JsonbIterator* iterator = JsonbIteratorInit(const_cast<JsonbContainer*>(&json->root));
  JsonbValue value;
  JsonbIteratorToken token = WJB_DONE;
  while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE) {
    switch (token) {
      case WJB_KEY:
        append_text(form, 'k', value.val.string.val, value.val.string.len);
        break;
      case WJB_VALUE:
      case WJB_ELEM:
        append_scalar(form, value);
        break;
      case WJB_BEGIN_ARRAY:
        appendStringInfoChar(form, value.val.array.rawScalar ? '=' : '[');
        break;
      case WJB_BEGIN_OBJECT:
        appendStringInfoChar(form, '{');
        break;
      default:
        appendStringInfoChar(form, '.');
    }
  }
}

bool read_integer(std::string_view text, std::int64_t* integer) {
  constexpr std::string_view kSpace = " \t\n\r\f\v";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return false;
  text = text.substr(first, text.find_last_not_of(kSpace) - first + 1);
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *integer);
  return error == std::errc{} && end == text.data() + text.size();
}

/// Numbers from here on do not fit into bigint for certain.
constexpr double kBigintLimit = 9.2e18;

/// An integer below 10^16 as numerics are stored (numeric.c, NumericShort): sixteen bits of sign,
/// scale and weight, then digits of base 10,000, without zeros at either end. False: anything else.
bool read_short_integer(Numeric number, std::int64_t* integer) {
  constexpr std::uint16_t kFormMask = 0xe000;  // the form, and the sign of the short one
  constexpr std::uint16_t kPositive = 0x8000;
  constexpr std::uint16_t kNegative = 0xa000;
  constexpr std::uint16_t kWeightIsNegative = 0x0040;
  constexpr std::uint16_t kWeightMask = 0x003f;
  constexpr int kMostDigits = 4;

  std::uint16_t header;
  const char* at = VARDATA_ANY(number);
  std::memcpy(&header, at, sizeof header);
  at += sizeof header;
  const int digits = static_cast<int>((VARSIZE_ANY_EXHDR(number) - sizeof header) / sizeof(int16));
  const std::uint16_t form = header & kFormMask;
  if (form != kPositive && form != kNegative) return false;
  const int before_point = (header & kWeightMask) + 1;
  const bool is_fraction = (header & kWeightIsNegative) != 0 || digits > before_point;
  if (digits > 0 && (is_fraction || before_point > kMostDigits)) return false;

  std::int64_t value = 0;
  for (int i = 0; i < before_point && digits > 0; ++i) {
    std::int16_t digit = 0;
    if (i < digits) std::memcpy(&digit, at + i * sizeof digit, sizeof digit);
    value = value * 10000 + digit;
  }
  *integer = form == kNegative ? -value : value;
  return true;
}

Measure read_numeric(Numeric number) {
  Measure short_integer;
  if (read_short_integer(number, &short_integer.integer)) return short_integer;
  const Datum datum = NumericGetDatum(number);
  // An integer as it is usually written has no scale, which is known at once.
  const bool whole = DatumGetInt32(DirectFunctionCall1(numeric_scale, datum)) == 0 ||
                     DatumGetInt32(DirectFunctionCall1(numeric_min_scale, datum)) == 0;
  Measure measure;
  if (whole) {
    // Most measures are small counts. The way over float8 prints the number and reads it again.
    bool too_big = false;
    measure.integer = numeric_int4_opt_error(number, &too_big);
    if (!too_big) return measure;
  }
  measure.real = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, datum));
  measure.is_integer = whole && std::fabs(measure.real) < kBigintLimit;
  if (measure.is_integer) {
    measure.integer = DatumGetInt64(DirectFunctionCall1(numeric_int8, datum));
  }
  return measure;
}

}  // namespace

Hash128 dimensions_hash(const Jsonb* dimensions) {
  if (dimensions == nullptr) return hash128("NULL");
  StringInfoData form;
  initStringInfo(&form);
  append_canonical(&form, dimensions);
  const Hash128 hash = hash128({form.data, static_cast<std::size_t>(form.len)});
  pfree(form.data);
  return hash;
}

JsonbValue entry_value(JEntry entry, const char* base, std::uint32_t begin, std::uint32_t end) {
  // The server's structs have no const; nothing is written through them.
  char* const at = const_cast<char*>(base) + begin;
  char* const aligned = const_cast<char*>(base) + INTALIGN(begin);
  JsonbValue value;
  if (JBE_ISSTRING(entry)) {
    value.type = jbvString;
    value.val.string.val = at;
    value.val.string.len = static_cast<int>(end - begin);
  } else if (JBE_ISNUMERIC(entry)) {
    value.type = jbvNumeric;
    value.val.numeric = reinterpret_cast<Numeric>(aligned);
  } else if (JBE_ISBOOL(entry)) {
    value.type = jbvBool;
    value.val.boolean = JBE_ISBOOL_TRUE(entry);
  } else if (JBE_ISNULL(entry)) {
    value.type = jbvNull;
  } else {
    value.type = jbvBinary;
    value.val.binary.data = reinterpret_cast<JsonbContainer*>(aligned);
    value.val.binary.len = static_cast<int>(base + end - aligned);
  }
  return value;
}

bool read_measure(const JsonbValue& value, Measure* measure) {
  if (value.type == jbvNumeric) {
    *measure = read_numeric(value.val.numeric);
    return true;
  }
  if (value.type != jbvString) return false;
  *measure = Measure{};
  return read_integer({value.val.string.val, static_cast<std::size_t>(value.val.string.len)},
                      &measure->integer);
}

void MeasureSum::add(const Measure& measure) {
  if (measure.is_integer && !__builtin_add_overflow(integers_, measure.integer, &integers_)) return;
  // After an overflow the wrapped sum is of no use: undo it, and go on in doubles.
  if (measure.is_integer) {
    integers_ = static_cast<std::int64_t>(static_cast<std::uint64_t>(integers_) -
                                          static_cast<std::uint64_t>(measure.integer));
  }
  has_reals_ = true;
  reals_ += measure.is_integer ? static_cast<double>(measure.integer) : measure.real;
}

std::string MeasureSum::text() const {
  if (!has_reals_) return std::to_string(integers_);
  const double sum = reals_ + static_cast<double>(integers_);
  if (!std::isfinite(sum)) return "null";
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, sum).ptr;
  return {digits, end};
}

}  // namespace monitoring::rollup

MONITORING_FUNCTION(monitoring_dimensions_hash) {
  return monitoring::pg::call([&]() -> Datum {
    const Jsonb* dimensions = PG_ARGISNULL(0) ? nullptr : PG_GETARG_JSONB_P(0);
    const monitoring::Hash128 hash = monitoring::rollup::dimensions_hash(dimensions);
    auto* uuid = static_cast<pg_uuid_t*>(palloc(sizeof(pg_uuid_t)));
    static_assert(sizeof hash == sizeof *uuid);
    std::memcpy(uuid, &hash, sizeof *uuid);
    return PointerGetDatum(uuid);
  });
}

/// monitoring_internal.measure_tag(tags jsonb, tag text) -> float8
MONITORING_FUNCTION(monitoring_measure_tag) {
  monitoring::rollup::Measure measure;
  const bool found = monitoring::pg::call([&] {
    Jsonb* tags = PG_GETARG_JSONB_P(0);
    const auto* name = PG_GETARG_TEXT_PP(1);
    JsonbValue value;
    return JB_ROOT_IS_OBJECT(tags) &&
           getKeyJsonValueFromContainer(&tags->root, VARDATA_ANY(name),
                                        static_cast<int>(VARSIZE_ANY_EXHDR(name)),
                                        &value) != nullptr &&
           monitoring::rollup::read_measure(value, &measure);
  });
  if (!found) PG_RETURN_NULL();
  PG_RETURN_FLOAT8(measure.is_integer ? static_cast<double>(measure.integer) : measure.real);
}
