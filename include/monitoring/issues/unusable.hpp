#pragma once
// What a pass could not use, a row, a rule, a receiver, a zone or a value, and why. It costs itself
// and never the pass: the pass leaves it out, goes on, and says so in one issue for each object,
// which resolves when a later pass of the same kind can use it again.

#include "monitoring/pg/spi.hpp"
#include "monitoring/pg/transaction.hpp"
// clang-format keeps the server's header first.
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/base/clock.hpp"

namespace monitoring::issues {

/// Runs body in a subtransaction, and undoes it if it fails; says why it did. Passes run all of
/// their work so, and only if that fails each piece: a subtransaction for every piece would be
/// dear.
template <class Body>
std::optional<std::string> try_alone(Body&& body) {
  try {
    const auto error = pg::attempt(body);
    if (error) return error->message();
    return std::nullopt;
  } catch (const pg::Report& report) {
    return report.what();
  }
}

/// The issues of one kind of pass. They have its worker and type; `details` says which object, so
/// that health can name it.
class UnusableObjects {
 public:
  UnusableObjects(std::string_view worker_name, std::string_view issue_type);

  /// The object is named as a user would name it: receiver "ops". The first reason counts.
  void add(std::string_view object, std::string_view reason);
  /// Runs body in a subtransaction. If it fails it has not happened, and the object is added; false
  /// then. A cancel and a request to stop are thrown on.
  template <class Body>
  bool attempt(std::string_view object, Body&& body) {
    const auto failure = try_alone(body);
    if (failure) add(object, *failure);
    return !failure;
  }
  bool empty() const { return objects_.empty(); }

  /// Makes the open issues those of what was added: new ones are opened, others are updated or
  /// resolved. Only the first kMostNamed are named, one more issue says how many others there are.
  void settle(pg::Spi& spi) const;

  static constexpr std::size_t kMostNamed = 20;

 private:
  struct Object {
    std::string name;
    std::string reason;
  };

  std::string worker_name_;
  std::string issue_type_;
  std::vector<Object> objects_;
};

/// The same for passes that come every second or more often: what could not be used rests for a
/// minute before it is tried again. In the memory of the process, so that nothing has to be written
/// to a row that cannot be written.
class RestingObjects {
 public:
  /// `noun` is what one of them is called: collector "a".
  RestingObjects(std::string_view worker_name, std::string_view issue_type, std::string_view noun);

  /// The keys of those that are to be left out now.
  std::vector<std::string> keys(Instant now);
  /// Runs body in a subtransaction. If it fails it has not happened, and the object rests; false
  /// then.
  template <class Body>
  bool attempt(const std::string& key, Instant now, Body&& body) {
    const auto failure = try_alone(body);
    if (failure) add(key, now, *failure);
    return !failure;
  }
  void add(const std::string& key, Instant now, const std::string& reason);
  /// It was used.
  void forget(const std::string& key);
  bool empty() const { return resting_.empty(); }

  /// As UnusableObjects::settle().
  void settle(pg::Spi& spi, Instant now);

 private:
  struct Rest {
    Instant until;
    std::string reason;
  };

  std::string worker_name_;
  std::string issue_type_;
  std::string noun_;
  std::map<std::string, Rest> resting_;
  Instant next_settlement_{};
};

}  // namespace monitoring::issues
