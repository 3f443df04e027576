#pragma once
// For hooks, which let the server's errors pass as they are.

namespace monitoring::pg {

namespace detail {
/// In guard.cpp, which alone stands between the server and its errors.
void run_then(void (*body)(void*), void* body_argument, void (*last)(void*), void* last_argument);
}  // namespace detail

/// Runs body, then last, also when the server raises an error in body. That goes on as it is;
/// nothing is caught, copied or changed. Neither may throw, nor hold an object with a destructor.
template <class Body, class Last>
void run_then(Body&& body, Last&& last) {
  const auto run = [](auto* function) {
    return [](void* argument) { (*static_cast<decltype(function)>(argument))(); };
  };
  detail::run_then(run(&body), const_cast<void*>(static_cast<const void*>(&body)), run(&last),
                   const_cast<void*>(static_cast<const void*>(&last)));
}

}  // namespace monitoring::pg
