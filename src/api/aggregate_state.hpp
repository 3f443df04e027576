#pragma once
// States of aggregates that are C++ objects.

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <fmgr.h>
#include <utils/palloc.h>
}
// clang-format keeps the server's headers first.
#include <new>

namespace monitoring {

/// The context that the states of this call's aggregate live in.
inline MemoryContext aggregate_context(FunctionCallInfo fcinfo) {
  MemoryContext context = nullptr;
  if (AggCheckCallContext(fcinfo, &context) != 0) return context;
  throw pg::Report(ERRCODE_FEATURE_NOT_SUPPORTED,
                   "aggregate function called in non-aggregate context");
}

/// Makes a state that the context owns: its callback destroys the object, parts of which lie
/// outside of any context.
template <class State>
State* make_aggregate_state(MemoryContext context) {
  struct Owned {
    MemoryContextCallback on_reset;
    State state;
  };
  void* room = pg::call([&] { return MemoryContextAlloc(context, sizeof(Owned)); });
  auto* owned = new (room) Owned();
  owned->on_reset.func = [](void* dying) { static_cast<Owned*>(dying)->~Owned(); };
  owned->on_reset.arg = owned;
  MemoryContextRegisterResetCallback(context, &owned->on_reset);
  return &owned->state;
}

}  // namespace monitoring
