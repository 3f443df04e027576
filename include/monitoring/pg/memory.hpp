#pragma once
// A memory context for the length of a scope.

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <utils/memutils.h>
#include <utils/palloc.h>
}

namespace monitoring::pg {

/// Makes a context, switches to it, and on leaving the scope switches back and deletes it.
/// name: a literal, shown by pg_backend_memory_contexts. It is a child of the current context, and
/// must go before that one does: no end of a transaction within the scope.
class ScratchContext {
 public:
  explicit ScratchContext(const char* name) : outer_(CurrentMemoryContext) {
    context_ = call([&] {
      return AllocSetContextCreateInternal(CurrentMemoryContext, name, ALLOCSET_DEFAULT_SIZES);
    });
    MemoryContextSwitchTo(context_);
  }
  ~ScratchContext() {
    MemoryContextSwitchTo(outer_);
    MemoryContextDelete(context_);
  }
  ScratchContext(const ScratchContext&) = delete;
  ScratchContext& operator=(const ScratchContext&) = delete;

  /// Frees everything in it, which must not be in use any more.
  void reset() { MemoryContextReset(context_); }

 private:
  MemoryContext outer_;
  MemoryContext context_ = nullptr;
};

}  // namespace monitoring::pg
