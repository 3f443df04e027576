#pragma once
// Takes secrets out of what a receiver or a library says before it is recorded: receivers repeat
// what they were sent, in the words of their own.

#include <string>
#include <string_view>
#include <vector>

#include "monitoring/notify/delivery.hpp"

namespace monitoring::notify {

class Redaction {
 public:
  /// Hides the value, the ways in which an answer may spell it (in JSON, percent-encoded), and, of
  /// a URL, what follows the host. Values of less than four characters would turn up in any text
  /// and are left.
  void add_secret(std::string_view value);
  /// Hides the credentials that a request carries in its Authorization header.
  void add_request(const DeliveryRequest& request);
  /// The text with "[secret]" in place of everything hidden; also where the text ends in the
  /// middle.
  std::string apply(std::string text) const;

 private:
  void hide(std::string_view text);

  /// Longest first, so that a part of another one is not replaced before it.
  std::vector<std::string> hidden_;
};

}  // namespace monitoring::notify
