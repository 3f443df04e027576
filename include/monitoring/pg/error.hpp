#pragma once
// Errors that cross the boundary between C++ and Postgres. See src/pg/README.md.

#include "monitoring/pg/postgres.hpp"
// clang-format keeps the server's header first.
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "monitoring/base/result.hpp"

namespace monitoring::pg {

/// An ereport(ERROR) of the server, caught by pg::call and on its way up through C++ frames. It
/// keeps all of the ErrorData: SQLSTATE, message, detail, hint, context, positions.
class PgError final : public std::exception {
 public:
  /// Takes ownership of a copy that has a memory context of its own, and deletes that in the end.
  explicit PgError(ErrorData* data);

  const char* what() const noexcept override { return or_empty(held_->data->message); }
  int sqlstate() const noexcept { return held_->data->sqlerrcode; }
  /// The five characters of the SQLSTATE.
  std::string sqlstate_text() const { return unpack_sql_state(sqlstate()); }
  std::string message() const { return what(); }
  std::string detail() const { return or_empty(held_->data->detail); }
  std::string hint() const { return or_empty(held_->data->hint); }
  std::string context() const { return or_empty(held_->data->context); }
  /// The server's function that raised it. No SQL can choose it.
  std::string_view raised_by() const { return or_empty(held_->data->funcname); }

  /// Hands the ErrorData over; this exception, and every copy of it, is only good for dying then.
  ErrorData* release() const noexcept { return std::exchange(held_->data, nullptr); }

 private:
  struct Holder {
    ErrorData* data;
    explicit Holder(ErrorData* held) : data(held) {}
    Holder(const Holder&) = delete;
    Holder& operator=(const Holder&) = delete;
    ~Holder();
  };

  static const char* or_empty(const char* text) noexcept { return text != nullptr ? text : ""; }

  /// Shared, because exceptions are copied; the last copy frees the ErrorData.
  std::shared_ptr<Holder> held_;
};

/// An error of our own, thrown by C++ code and reported to the user with this SQLSTATE.
///   throw Report(ERRCODE_INVALID_PARAMETER_VALUE, "retention must not be negative")
///       .hint("Use 0 to remove everything.");
class Report final : public std::exception {
 public:
  Report(int sqlstate, std::string message) : sqlstate_(sqlstate), message_(std::move(message)) {}
  /// The Error of a parser or validator, at its position.
  Report(int sqlstate, const Error& error);

  Report&& detail(std::string text) && {
    detail_ = std::move(text);
    return std::move(*this);
  }
  Report&& hint(std::string text) && {
    hint_ = std::move(text);
    return std::move(*this);
  }

  const char* what() const noexcept override { return message_.c_str(); }
  int sqlstate() const noexcept { return sqlstate_; }
  const std::string& detail() const noexcept { return detail_; }
  const std::string& hint() const noexcept { return hint_; }

 private:
  int sqlstate_;
  std::string message_;
  std::string detail_;
  std::string hint_;
};

}  // namespace monitoring::pg
