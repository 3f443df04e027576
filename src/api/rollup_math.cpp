// Immutable helpers of the roll-up statements: sums, variances and measures of two states together.

#include "monitoring/metrics/moments.hpp"
#include "monitoring/pg/spi.hpp"

extern "C" {
#include <catalog/pg_type.h>
#include <utils/array.h>
#include <utils/builtins.h>
#include <utils/jsonb.h>
#include <utils/numeric.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <cmath>
#include <cstring>

namespace monitoring {

namespace {

double merged_m2(const metrics::Moments& a, const metrics::Moments& b) {
  metrics::Moments both = a;
  both.merge(b);
  return both.m2;
}

/// Counts up to here are kept exactly by a double, and no cast to an integer overflows.
constexpr double kMostExactCount = 9007199254740992.0;

struct Accumulated {
  double count, sum, m2;
};

Accumulated read_accumulated(Datum array) {
  return pg::call([&] {
    ArrayType* state = DatumGetArrayTypeP(array);
    if (ARR_NDIM(state) != 1 || ARR_DIMS(state)[0] != 3 || ARR_HASNULL(state)) {
      ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                      errmsg("the state of monitoring_internal.m2 must be {count, sum, m2}")));
    }
    const auto* values = reinterpret_cast<const double*>(ARR_DATA_PTR(state));
    if (!(values[0] >= 0 && values[0] <= kMostExactCount)) {
      ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                      errmsg("the count of a state of monitoring_internal.m2 is out of range")));
    }
    return Accumulated{values[0], values[1], values[2]};
  });
}

Datum array_of(const Accumulated& state) {
  return pg::call([&] {
    Datum values[3] = {Float8GetDatum(state.count), Float8GetDatum(state.sum),
                       Float8GetDatum(state.m2)};
    return PointerGetDatum(
        construct_array(values, 3, FLOAT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
  });
}

/// What is no object has no measures; only objects may be asked for a key. Under pg::call.
void require_measures(const Jsonb* json) {
  if (JB_ROOT_IS_OBJECT(json)) return;
  ereport(ERROR,
          (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("measures must be a JSON object"),
           errhint("Write them as, for example, '{\"success_count\": 3}'.")));
}

/// Adds b to a, both objects of numbers; other values are left out. Under pg::call.
Jsonb* add_measures(Jsonb* a, Jsonb* b) {
  JsonbParseState* state = nullptr;
  pushJsonbValue(&state, WJB_BEGIN_OBJECT, nullptr);
  for (Jsonb* side : {a, b}) {
    const Jsonb* other = side == a ? b : a;
    JsonbIterator* iterator = JsonbIteratorInit(&side->root);
    JsonbValue key;
    JsonbValue value;
    JsonbIteratorNext(&iterator, &key, true);  // the object begins
    while (JsonbIteratorNext(&iterator, &key, true) == WJB_KEY) {
      JsonbIteratorNext(&iterator, &value, true);
      JsonbValue theirs;
      const bool in_both = getKeyJsonValueFromContainer(const_cast<JsonbContainer*>(&other->root),
                                                        key.val.string.val, key.val.string.len,
                                                        &theirs) != nullptr &&
                           theirs.type == jbvNumeric;
      if (value.type != jbvNumeric || (in_both && side == b)) continue;
      if (in_both) {
        value.val.numeric = numeric_add_opt_error(value.val.numeric, theirs.val.numeric, nullptr);
      }
      pushJsonbValue(&state, WJB_KEY, &key);
      pushJsonbValue(&state, WJB_VALUE, &value);
    }
  }
  return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, nullptr));
}

/// Of an object.
bool is_empty(const Jsonb* json) {
  return JB_ROOT_COUNT(json) == 0;
}

}  // namespace

}  // namespace monitoring

MONITORING_FUNCTION(monitoring_sum_add) {
  return Float8GetDatum(PG_GETARG_FLOAT8(0) + PG_GETARG_FLOAT8(1));
}

MONITORING_FUNCTION(monitoring_m2_merge) {
  using monitoring::metrics::Moments;
  return Float8GetDatum(monitoring::merged_m2(
      Moments::of_state(PG_GETARG_INT64(0), PG_GETARG_FLOAT8(1), PG_GETARG_FLOAT8(2)),
      Moments::of_state(PG_GETARG_INT64(3), PG_GETARG_FLOAT8(4), PG_GETARG_FLOAT8(5))));
}

MONITORING_FUNCTION(monitoring_m2_accumulate) {
  using monitoring::metrics::Moments;
  // A series without finite values adds nothing.
  if (PG_ARGISNULL(1) || PG_GETARG_INT64(1) <= 0 || PG_ARGISNULL(2) || PG_ARGISNULL(3)) {
    if (PG_ARGISNULL(0)) PG_RETURN_NULL();
    return PG_GETARG_DATUM(0);
  }
  const std::int64_t count = PG_GETARG_INT64(1);
  const double sum = PG_GETARG_FLOAT8(2);
  const double m2 = PG_GETARG_FLOAT8(3);
  if (PG_ARGISNULL(0)) {
    const double first = std::min(static_cast<double>(count), monitoring::kMostExactCount);
    return monitoring::array_of({first, sum, m2});
  }
  const monitoring::Accumulated state = monitoring::read_accumulated(PG_GETARG_DATUM(0));
  const double merged = monitoring::merged_m2(
      Moments::of_state(static_cast<std::int64_t>(state.count), state.sum, state.m2),
      Moments::of_state(count, sum, m2));
  const double total =
      std::min(state.count + static_cast<double>(count), monitoring::kMostExactCount);
  return monitoring::array_of({total, state.sum + sum, merged});
}

MONITORING_FUNCTION(monitoring_measures_add) {
  return monitoring::pg::call([&]() -> Datum {
    Jsonb* a = PG_GETARG_JSONB_P(0);
    Jsonb* b = PG_GETARG_JSONB_P(1);
    monitoring::require_measures(a);
    monitoring::require_measures(b);
    if (monitoring::is_empty(b)) return JsonbPGetDatum(a);
    if (monitoring::is_empty(a)) return JsonbPGetDatum(b);
    return JsonbPGetDatum(monitoring::add_measures(a, b));
  });
}
