#pragma once
// Result: the value of a parser or validator, or what was wrong with its input.
// Bad input is data (CONTRIBUTING.md, "Errors"): such code returns a Result and never throws.

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace monitoring {

/// What was wrong with an input, in the words shown to the user.
struct Error {
  std::string message;
  std::string hint;
  /// Byte offset into the input where the trouble starts, if there is such a place.
  std::optional<std::size_t> position;

  static Error at(std::size_t position, std::string message, std::string hint = {}) {
    return Error{std::move(message), std::move(hint), position};
  }
  static Error of(std::string message, std::string hint = {}) {
    return Error{std::move(message), std::move(hint), std::nullopt};
  }
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT implicit
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT implicit

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  /// Only when ok().
  const T& value() const& { return *std::get_if<0>(&state_); }
  T& value() & { return *std::get_if<0>(&state_); }
  T&& value() && { return std::move(*std::get_if<0>(&state_)); }
  const T& operator*() const& { return value(); }
  T& operator*() & { return value(); }
  const T* operator->() const { return std::get_if<0>(&state_); }
  T* operator->() { return std::get_if<0>(&state_); }

  /// Only when not ok().
  const Error& error() const { return *std::get_if<1>(&state_); }

 private:
  std::variant<T, Error> state_;
};

}  // namespace monitoring
