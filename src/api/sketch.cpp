// SQL functions over serialized sketches (bytea), for roll-ups and the views on them.

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <catalog/pg_type.h>
#include <fmgr.h>
#include <utils/array.h>
#include <utils/builtins.h>
#include <utils/palloc.h>
}
// clang-format keeps the server's headers first.
#include <cmath>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "api/aggregate_state.hpp"
#include "monitoring/metrics/sketch.hpp"
#include "monitoring/metrics/sketch_pile.hpp"
#include "monitoring/metrics/summary.hpp"
#include "monitoring/pg/version.hpp"

using namespace monitoring;

namespace {

/// The bytes live in the current memory context, or in the tuple that holds them.
std::string_view bytes_of(Datum value) {
  const bytea* bytes = pg::call([&] { return DatumGetByteaPP(value); });
  return {VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)};
}

Datum datum_of(const metrics::Sketch& sketch) {
  const std::string bytes = sketch.serialize();
  auto* value = pg::call([&] { return static_cast<bytea*>(palloc(VARHDRSZ + bytes.size())); });
  SET_VARSIZE(value, VARHDRSZ + bytes.size());
  bytes.copy(VARDATA(value), bytes.size());
  PG_RETURN_BYTEA_P(value);
}

[[noreturn]] void refuse(const Error& error) {
  throw pg::Report(ERRCODE_INVALID_BINARY_REPRESENTATION, error);
}

metrics::Sketch parse(Datum value) {
  monitoring::Result<metrics::Sketch> sketch = metrics::Sketch::parse(bytes_of(value));
  if (!sketch) refuse(sketch.error());
  return std::move(sketch).value();
}

/// The columns of rollup_state that a summary is made of, in the order of summary's arguments.
metrics::Moments moments_of(FunctionCallInfo fcinfo) {
  const auto real = [&](int i) { return PG_ARGISNULL(i) ? 0 : PG_GETARG_FLOAT8(i); };
  // Adopted rows may have a count and no sum.
  if (PG_ARGISNULL(0) || PG_ARGISNULL(1)) return {};
  return metrics::Moments::of_state(PG_GETARG_INT64(0), real(1), real(2), real(3), real(4));
}

Datum array_of(const metrics::Summary& summary) {
  const std::optional<double> figures[] = {summary.average, summary.stddev, summary.p50,
                                           summary.p95, summary.p99};
  constexpr int kFigures = std::size(figures);
  return pg::call([&] {
    Datum values[kFigures];
    bool nulls[kFigures];
    for (int i = 0; i < kFigures; ++i) {
      values[i] = Float8GetDatum(figures[i].value_or(0));
      nulls[i] = !figures[i];
    }
    int length = kFigures;
    int lower = 1;
    return PointerGetDatum(construct_md_array(values, nulls, 1, &length, &lower, FLOAT8OID, 8,
                                              FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
  });
}

/// The state of the aggregate that gives a quantile; that of the others is a sketch.
struct QuantileState {
  double quantile = 0;
  metrics::SketchPile pile;
};

template <class State = metrics::Sketch>
State* state_argument(FunctionCallInfo fcinfo, int index) {
  return PG_ARGISNULL(index) ? nullptr : reinterpret_cast<State*>(PG_GETARG_POINTER(index));
}

double required_quantile(FunctionCallInfo fcinfo, int index) {
  const double quantile = PG_ARGISNULL(index) ? -1 : PG_GETARG_FLOAT8(index);
  if (quantile >= 0 && quantile <= 1) return quantile;
  throw pg::Report(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "quantile must be between 0 and 1");
}

Datum state_result(FunctionCallInfo fcinfo, void* state) {
  if (state == nullptr) PG_RETURN_NULL();
  PG_RETURN_POINTER(state);
}

}  // namespace

/// monitoring_internal.sketch_merge(bytea, bytea) -> bytea. NULL is the sketch of nothing.
MONITORING_FUNCTION(monitoring_sketch_merge) {
  if (PG_ARGISNULL(0) && PG_ARGISNULL(1)) PG_RETURN_NULL();
  metrics::Sketch merged;
  for (int i = 0; i < 2; ++i) {
    if (!PG_ARGISNULL(i)) merged.merge(parse(PG_GETARG_DATUM(i)));
  }
  return datum_of(merged);
}

/// monitoring_internal.sketch_quantile(bytea, float8) -> float8. NULL if the sketch is empty.
MONITORING_FUNCTION(monitoring_sketch_quantile) {
  const double q = required_quantile(fcinfo, 1);
  const metrics::Sketch sketch = parse(PG_GETARG_DATUM(0));
  if (sketch.empty()) PG_RETURN_NULL();
  return Float8GetDatum(sketch.quantile(q));
}

/// Transition of monitoring_internal.sketch_agg(float8): NULL, NaN and infinities are skipped.
MONITORING_FUNCTION(monitoring_sketch_add) {
  metrics::Sketch* state = state_argument(fcinfo, 0);
  if (PG_ARGISNULL(1) || !std::isfinite(PG_GETARG_FLOAT8(1))) return state_result(fcinfo, state);
  if (state == nullptr) state = make_aggregate_state<metrics::Sketch>(aggregate_context(fcinfo));
  state->add(PG_GETARG_FLOAT8(1));
  PG_RETURN_POINTER(state);
}

/// Transition of monitoring_internal.sketch_merge_agg(bytea): NULL is skipped.
MONITORING_FUNCTION(monitoring_sketch_add_sketch) {
  metrics::Sketch* state = state_argument(fcinfo, 0);
  if (PG_ARGISNULL(1)) return state_result(fcinfo, state);
  if (state == nullptr) state = make_aggregate_state<metrics::Sketch>(aggregate_context(fcinfo));
  state->merge(parse(PG_GETARG_DATUM(1)));
  PG_RETURN_POINTER(state);
}

/// Transition of monitoring_internal.sketch_quantile_agg(bytea, float8, float8): a sketch, a single
/// value, or both; NULL, NaN and infinities are skipped.
MONITORING_FUNCTION(monitoring_sketch_add_piece) {
  auto* state = state_argument<QuantileState>(fcinfo, 0);
  const bool has_value = !PG_ARGISNULL(2) && std::isfinite(PG_GETARG_FLOAT8(2));
  if (PG_ARGISNULL(1) && !has_value) return state_result(fcinfo, state);
  if (state == nullptr) {
    state = make_aggregate_state<QuantileState>(aggregate_context(fcinfo));
    state->quantile = required_quantile(fcinfo, 3);
  }
  if (has_value) state->pile.add(PG_GETARG_FLOAT8(2));
  if (PG_ARGISNULL(1)) PG_RETURN_POINTER(state);
  if (const auto error = state->pile.add(bytes_of(PG_GETARG_DATUM(1)))) refuse(*error);
  PG_RETURN_POINTER(state);
}

/// Its result.
MONITORING_FUNCTION(monitoring_sketch_quantile_of) {
  const auto* state = state_argument<QuantileState>(fcinfo, 0);
  if (state == nullptr) PG_RETURN_NULL();
  const monitoring::Result<double> value = state->pile.quantile(state->quantile);
  if (!value) refuse(value.error());
  if (std::isnan(*value)) PG_RETURN_NULL();
  return Float8GetDatum(*value);
}

/// Joins the states of two parallel workers.
MONITORING_FUNCTION(monitoring_sketch_combine) {
  metrics::Sketch* state = state_argument(fcinfo, 0);
  const metrics::Sketch* other = state_argument(fcinfo, 1);
  if (other == nullptr) return state_result(fcinfo, state);
  if (state == nullptr) state = make_aggregate_state<metrics::Sketch>(aggregate_context(fcinfo));
  state->merge(*other);
  PG_RETURN_POINTER(state);
}

/// A state for another process, and the result of both aggregates.
MONITORING_FUNCTION(monitoring_sketch_serialize) {
  const metrics::Sketch* state = state_argument(fcinfo, 0);
  if (state == nullptr) PG_RETURN_NULL();
  return datum_of(*state);
}

MONITORING_FUNCTION(monitoring_sketch_deserialize) {
  aggregate_context(fcinfo);  // refuses a direct call
  metrics::Sketch* state = make_aggregate_state<metrics::Sketch>(CurrentMemoryContext);
  *state = parse(PG_GETARG_DATUM(0));
  PG_RETURN_POINTER(state);
}

MONITORING_FUNCTION(monitoring_summary) {
  const metrics::Sketch sketch = PG_ARGISNULL(5) ? metrics::Sketch() : parse(PG_GETARG_DATUM(5));
  return array_of(metrics::summary_of(moments_of(fcinfo), sketch));
}
