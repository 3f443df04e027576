#include "monitoring/pg/guard.hpp"

extern "C" {
#include <miscadmin.h>
#include <utils/memutils.h>
}
// clang-format keeps the server's header first.
#include <new>

#include "monitoring/pg/run_then.hpp"

namespace monitoring::pg {

namespace {

/// An error has a context of its own: FreeErrorData, in some minor releases, forgets strings that
/// CopyErrorData has copied. It is no child of a working context, whose reset would take it away.
MemoryContext new_error_context() {
  static MemoryContext parent = nullptr;
  if (parent == nullptr) {
    parent = AllocSetContextCreate(TopMemoryContext, "monitoring errors", ALLOCSET_SMALL_SIZES);
  }
  return AllocSetContextCreate(parent, "monitoring error", ALLOCSET_SMALL_SIZES);
}

void free_error(ErrorData* error) {
  MemoryContextDelete(GetMemoryChunkContext(error));
}

}  // namespace

PgError::PgError(ErrorData* data) try : held_(std::make_shared<Holder>(data)) {
} catch (...) {
  free_error(data);
}

PgError::Holder::~Holder() {
  if (data != nullptr) free_error(data);
}

Report::Report(int sqlstate, const Error& error)
    : sqlstate_(sqlstate), message_(error.message), hint_(error.hint) {
  if (error.position) detail_ = "At position " + std::to_string(*error.position + 1) + ".";
}

namespace detail {

namespace {

struct Call {
  void (*body)(void*);
  void* argument;
  /// std::exception_ptr lies outside of the guarded frame: nothing there has a destructor.
  std::exception_ptr* thrown;
};

/// Keeps C++ exceptions from passing through PG_TRY, which would leave its stack dangling.
void run_body(Call* call) noexcept {
  try {
    call->body(call->argument);
  } catch (...) {
    *call->thrown = std::current_exception();
  }
}

/// Copies the error being handled and clears it. nullptr if there was no memory for the copy.
ErrorData* take_error() {
  MemoryContext volatile context = nullptr;
  ErrorData* volatile error = nullptr;
  PG_TRY();
  {
    context = new_error_context();
    MemoryContextSwitchTo(context);
    error = CopyErrorData();
  }
  PG_CATCH();
  {
    if (context != nullptr) MemoryContextDelete(context);
  }
  PG_END_TRY();
  FlushErrorState();
  return error;
}

/// What an error takes away and the frames above still count on. The server sets the two counters
/// to zero with every error; a C++ frame that holds interrupts off lets go of them in a destructor,
/// and a counter below zero is a backend that nobody can cancel any more.
struct Surroundings {
  MemoryContext context = CurrentMemoryContext;
  uint32 interrupts_held_off = InterruptHoldoffCount;
  uint32 cancels_held_off = QueryCancelHoldoffCount;

  void restore() const {
    MemoryContextSwitchTo(context);
    InterruptHoldoffCount = interrupts_held_off;
    QueryCancelHoldoffCount = cancels_held_off;
    // A cancel is raised before signal barriers are looked at, with the flag for both cleared: who
    // waits for the barrier would wait until somebody signals this process again.
    InterruptPending = true;
  }
};

enum class Ending { returned, failed, failed_without_memory };

Ending run_under_try(Call* call, ErrorData** error) {
  volatile Ending ending = Ending::returned;
  PG_TRY();
  { run_body(call); }
  PG_CATCH();
  {
    *error = take_error();
    ending = *error != nullptr ? Ending::failed : Ending::failed_without_memory;
  }
  PG_END_TRY();
  return ending;
}

/// In a context of its own; nullptr if there was no memory for it.
ErrorData* make_error(int sqlstate, const char* message, const char* explanation,
                      const char* hint) noexcept {
  MemoryContext context = nullptr;
  const auto copy = [&](const char* from) {
    return from[0] != '\0' ? MemoryContextStrdup(context, from) : nullptr;
  };
  try {
    return call([&] {
      context = new_error_context();
      auto* error = static_cast<ErrorData*>(MemoryContextAllocZero(context, sizeof(ErrorData)));
      error->elevel = ERROR;
      error->sqlerrcode = sqlstate;
      error->message = copy(message);
      error->detail = copy(explanation);
      error->hint = copy(hint);
      return error;
    });
  } catch (...) {
    if (context != nullptr) MemoryContextDelete(context);
    return nullptr;
  }
}

}  // namespace

void run_guarded(void (*body)(void*), void* argument) {
  const Surroundings surroundings;
  std::exception_ptr thrown;
  Call call{body, argument, &thrown};
  ErrorData* error = nullptr;
  const Ending ending = run_under_try(&call, &error);
  if (ending == Ending::returned && !thrown) return;
  if (thrown) {
    MemoryContextSwitchTo(surroundings.context);
    std::rethrow_exception(std::move(thrown));
  }
  surroundings.restore();
  if (ending == Ending::failed_without_memory) throw std::bad_alloc();
  throw PgError(error);
}

void run_then(void (*body)(void*), void* body_argument, void (*last)(void*), void* last_argument) {
  PG_TRY();
  { body(body_argument); }
  PG_CATCH();
  {
    last(last_argument);
    PG_RE_THROW();
  }
  PG_END_TRY();
  last(last_argument);
}

void PendingError::record_current_exception() noexcept {
  try {
    throw;
  } catch (const PgError& error) {
    error_ = error.release();
    is_the_servers_ = true;
  } catch (const Report& report) {
    error_ = make_error(report.sqlstate(), report.what(), report.detail().c_str(),
                        report.hint().c_str());
  } catch (const std::bad_alloc&) {
    error_ = nullptr;
  } catch (const std::exception& error) {
    error_ = make_error(ERRCODE_INTERNAL_ERROR, error.what(), "", "");
  } catch (...) {
    error_ = make_error(ERRCODE_INTERNAL_ERROR, "unknown C++ exception", "", "");
  }
}

void PendingError::raise() {
  // The server copies what it is given and does not return, so this is freed with the next error.
  static ErrorData* last_raised = nullptr;
  if (last_raised != nullptr) free_error(last_raised);
  last_raised = error_;
  if (error_ == nullptr) ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
  if (!is_the_servers_) ThrowErrorData(error_);
  // ReThrowError leaves the counters alone, unlike ereport, and the receiver relies on zero.
  InterruptHoldoffCount = 0;
  QueryCancelHoldoffCount = 0;
  ReThrowError(error_);
}

}  // namespace detail

}  // namespace monitoring::pg
