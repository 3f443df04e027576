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
#include <new>
#include <optional>
#include <string>
#include <string_view>

#include "monitoring/metrics/sketch.hpp"
#include "monitoring/metrics/sketch_tally.hpp"
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

metrics::Sketch parse(std::string_view bytes) {
  monitoring::Result<metrics::Sketch> sketch = metrics::Sketch::parse(bytes);
  if (!sketch) refuse(sketch.error());
  return std::move(sketch).value();
}

metrics::Sketch parse(Datum value) {
  return parse(bytes_of(value));
}

/// The columns of rollup_state that a summary is made of, in the order of _summary's arguments.
metrics::Moments moments_of(FunctionCallInfo fcinfo) {
  const auto real = [&](int i) { return PG_ARGISNULL(i) ? 0 : PG_GETARG_FLOAT8(i); };
  metrics::Moments moments;
  // Adopted rows may have a count and no sum.
  if (PG_ARGISNULL(0) || PG_ARGISNULL(1)) return moments;
  moments.count = static_cast<std::uint64_t>(PG_GETARG_INT64(0));
  moments.sum = real(1);
  moments.m2 = real(2);
  moments.min = real(3);
  moments.max = real(4);
  return moments;
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

/// The state of an aggregate. Its memory context owns it: the callback destroys the sketch, whose
/// buckets lie outside of any context.
struct State {
  MemoryContextCallback on_reset;
  metrics::Sketch sketch;
};

/// A copy of a serialized sketch, in the aggregate's context.
struct Piece {
  Piece* next;
  std::uint32_t length;

  char* bytes() { return reinterpret_cast<char*>(this + 1); }
  std::string_view view() { return {bytes(), length}; }
};

/// That of a quantile: the sketch, and pieces that are not merged into it. Few stay as they are,
/// which are all that most groups have; the end reads them in one go.
struct QuantileState : State {
  static constexpr int kMostPieces = 8;

  double quantile = 0;
  Piece* pieces = nullptr;
  int pieces_count = 0;
};

template <class Kind = State>
Kind* make_state(MemoryContext context) {
  void* room = pg::call([&] { return MemoryContextAlloc(context, sizeof(Kind)); });
  auto* state = new (room) Kind();
  state->on_reset.func = [](void* dying) { static_cast<Kind*>(dying)->~Kind(); };
  state->on_reset.arg = state;
  MemoryContextRegisterResetCallback(context, &state->on_reset);
  return state;
}

MemoryContext aggregate_context(FunctionCallInfo fcinfo) {
  MemoryContext context = nullptr;
  if (AggCheckCallContext(fcinfo, &context) != 0) return context;
  throw pg::Report(ERRCODE_FEATURE_NOT_SUPPORTED,
                   "aggregate function called in non-aggregate context");
}

State* state_argument(FunctionCallInfo fcinfo, int index) {
  return PG_ARGISNULL(index) ? nullptr : reinterpret_cast<State*>(PG_GETARG_POINTER(index));
}

double required_quantile(FunctionCallInfo fcinfo, int index) {
  const double quantile = PG_ARGISNULL(index) ? -1 : PG_GETARG_FLOAT8(index);
  if (quantile >= 0 && quantile <= 1) return quantile;
  throw pg::Report(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "quantile must be between 0 and 1");
}

Datum state_result(FunctionCallInfo fcinfo, State* state) {
  if (state == nullptr) PG_RETURN_NULL();
  PG_RETURN_POINTER(state);
}

void keep(QuantileState* state, MemoryContext context, std::string_view sketch) {
  auto* piece = pg::call([&] {
    return static_cast<Piece*>(MemoryContextAlloc(context, sizeof(Piece) + sketch.size()));
  });
  piece->next = state->pieces;
  piece->length = static_cast<std::uint32_t>(sketch.size());
  sketch.copy(piece->bytes(), sketch.size());
  state->pieces = piece;
  ++state->pieces_count;
}

/// Many pieces become one sketch, which is smaller.
void merge_pieces(QuantileState* state) {
  while (Piece* piece = state->pieces) {
    state->sketch.merge(parse(piece->view()));
    state->pieces = piece->next;
    pfree(piece);
  }
  state->pieces_count = 0;
}

void add(metrics::SketchTally* tally, std::string_view sketch) {
  if (const auto error = tally->add(sketch)) refuse(*error);
}

}  // namespace

/// monitoring._sketch_merge(bytea, bytea) -> bytea. NULL is the sketch of nothing.
MONITORING_FUNCTION(monitoring_sketch_merge) {
  if (PG_ARGISNULL(0) && PG_ARGISNULL(1)) PG_RETURN_NULL();
  metrics::Sketch merged;
  for (int i = 0; i < 2; ++i) {
    if (!PG_ARGISNULL(i)) merged.merge(parse(PG_GETARG_DATUM(i)));
  }
  return datum_of(merged);
}

/// monitoring._sketch_quantile(bytea, float8) -> float8. NULL if the sketch is empty.
MONITORING_FUNCTION(monitoring_sketch_quantile) {
  const double q = required_quantile(fcinfo, 1);
  const metrics::Sketch sketch = parse(PG_GETARG_DATUM(0));
  if (sketch.empty()) PG_RETURN_NULL();
  return Float8GetDatum(sketch.quantile(q));
}

/// Transition of monitoring._sketch_agg(float8): NULL, NaN and infinities are skipped.
MONITORING_FUNCTION(monitoring_sketch_add) {
  State* state = state_argument(fcinfo, 0);
  if (PG_ARGISNULL(1) || !std::isfinite(PG_GETARG_FLOAT8(1))) return state_result(fcinfo, state);
  if (state == nullptr) state = make_state(aggregate_context(fcinfo));
  state->sketch.add(PG_GETARG_FLOAT8(1));
  PG_RETURN_POINTER(state);
}

/// Transition of monitoring._sketch_merge_agg(bytea): NULL is skipped.
MONITORING_FUNCTION(monitoring_sketch_add_sketch) {
  State* state = state_argument(fcinfo, 0);
  if (PG_ARGISNULL(1)) return state_result(fcinfo, state);
  if (state == nullptr) state = make_state(aggregate_context(fcinfo));
  state->sketch.merge(parse(PG_GETARG_DATUM(1)));
  PG_RETURN_POINTER(state);
}

/// Transition of monitoring._sketch_quantile_agg(bytea, float8, float8): a sketch, a single value,
/// or both; NULL, NaN and infinities are skipped.
MONITORING_FUNCTION(monitoring_sketch_add_piece) {
  auto* state = static_cast<QuantileState*>(state_argument(fcinfo, 0));
  const bool has_value = !PG_ARGISNULL(2) && std::isfinite(PG_GETARG_FLOAT8(2));
  if (PG_ARGISNULL(1) && !has_value) return state_result(fcinfo, state);
  const MemoryContext context = aggregate_context(fcinfo);
  if (state == nullptr) {
    state = make_state<QuantileState>(context);
    state->quantile = required_quantile(fcinfo, 3);
  }
  if (!PG_ARGISNULL(1)) {
    if (state->pieces_count == QuantileState::kMostPieces) merge_pieces(state);
    keep(state, context, bytes_of(PG_GETARG_DATUM(1)));
  }
  if (has_value) state->sketch.add(PG_GETARG_FLOAT8(2));
  PG_RETURN_POINTER(state);
}

/// Its result.
MONITORING_FUNCTION(monitoring_sketch_quantile_of) {
  const auto* state = static_cast<const QuantileState*>(state_argument(fcinfo, 0));
  if (state == nullptr) PG_RETURN_NULL();
  metrics::SketchTally tally;
  for (Piece* piece = state->pieces; piece != nullptr; piece = piece->next) {
    add(&tally, piece->view());
  }
  if (!state->sketch.empty()) add(&tally, state->sketch.serialize());
  if (tally.empty()) PG_RETURN_NULL();
  return Float8GetDatum(tally.quantile(state->quantile));
}

/// Joins the states of two parallel workers.
MONITORING_FUNCTION(monitoring_sketch_combine) {
  State* state = state_argument(fcinfo, 0);
  const State* other = state_argument(fcinfo, 1);
  if (other == nullptr) return state_result(fcinfo, state);
  if (state == nullptr) state = make_state(aggregate_context(fcinfo));
  state->sketch.merge(other->sketch);
  PG_RETURN_POINTER(state);
}

/// A state for another process, and the result of both aggregates.
MONITORING_FUNCTION(monitoring_sketch_serialize) {
  const State* state = state_argument(fcinfo, 0);
  if (state == nullptr) PG_RETURN_NULL();
  return datum_of(state->sketch);
}

MONITORING_FUNCTION(monitoring_sketch_deserialize) {
  aggregate_context(fcinfo);  // refuses a direct call
  State* state = make_state(CurrentMemoryContext);
  state->sketch = parse(PG_GETARG_DATUM(0));
  PG_RETURN_POINTER(state);
}

MONITORING_FUNCTION(monitoring_summary) {
  const metrics::Sketch sketch = PG_ARGISNULL(5) ? metrics::Sketch() : parse(PG_GETARG_DATUM(5));
  return array_of(metrics::summary_of(moments_of(fcinfo), sketch));
}
