#pragma once
// The two crossings between C++ and Postgres.
//
//   pg::call([&] { ... })      C++ calls the server. An ereport(ERROR) inside becomes a PgError.
//   MONITORING_FUNCTION(name)  The server calls C++. Any exception becomes an ereport(ERROR).
//   pg::enter([&] { ... })     The same for a hook, a callback, or the main of a worker.
//
// An ereport(ERROR) is a siglongjmp: it skips destructors. So the body of pg::call holds no object
// with a destructor, captures by reference, and returns something trivially destructible.

#include "monitoring/pg/error.hpp"
// clang-format keeps the server's header first.
#include <exception>
#include <type_traits>
#include <utility>

namespace monitoring::pg {

namespace detail {

/// Runs body(argument) under PG_TRY; throws PgError if the server raised an error, or whatever
/// C++ exception the body threw.
void run_guarded(void (*body)(void*), void* argument);

/// One error between the catch block and the ereport. raise() jumps over it: no destructor.
class PendingError {
 public:
  /// Takes over the exception being handled. Call it inside a catch block only.
  void record_current_exception() noexcept;
  /// Raises what was recorded, by siglongjmp. Call it outside of every catch block only.
  [[noreturn]] void raise();

 private:
  ErrorData* error_ = nullptr;   ///< nullptr: out of memory
  bool is_the_servers_ = false;  ///< it was reported before, and its context is complete
};

}  // namespace detail

template <class Body>
auto call(Body&& body) -> std::invoke_result_t<Body> {
  using Value = std::invoke_result_t<Body>;
  if constexpr (std::is_void_v<Value>) {
    detail::run_guarded(
        [](void* argument) { (*static_cast<std::remove_reference_t<Body>*>(argument))(); },
        const_cast<void*>(static_cast<const void*>(&body)));
  } else {
    static_assert(std::is_trivially_destructible_v<Value>,
                  "a siglongjmp would skip the destructor of this value");
    struct Frame {
      std::remove_reference_t<Body>* body;
      Value value;
    } frame{&body, Value{}};
    detail::run_guarded(
        [](void* argument) {
          auto* in = static_cast<Frame*>(argument);
          in->value = (*in->body)();
        },
        &frame);
    return frame.value;
  }
}

template <class Body>
auto enter(Body&& body) -> std::invoke_result_t<Body> {
  detail::PendingError pending;
  try {
    return body();
  } catch (...) {
    pending.record_current_exception();
  }
  pending.raise();
}

}  // namespace monitoring::pg

/// Defines a SQL-callable function; its body may throw. Inside, `fcinfo` is the call.
#define MONITORING_FUNCTION(name)                                                        \
  extern "C" {                                                                           \
  PGDLLEXPORT Datum name(PG_FUNCTION_ARGS);                                              \
  PG_FUNCTION_INFO_V1(name);                                                             \
  }                                                                                      \
  static Datum name##_body(FunctionCallInfo fcinfo);                                     \
  extern "C" Datum name(FunctionCallInfo fcinfo) {                                       \
    return ::monitoring::pg::enter([fcinfo]() -> Datum { return name##_body(fcinfo); }); \
  }                                                                                      \
  static Datum name##_body([[maybe_unused]] FunctionCallInfo fcinfo)
