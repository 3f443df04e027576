#pragma once
// What a payload builder emits and what comes back: requests for the courier to carry, and their
// outcomes. This room knows no transport; the courier translates both ways.

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace monitoring::notify {

/// An HTTP request to a receiver. `url` and `headers` may hold secrets: never store or log them.
struct HttpDelivery {
  std::string method = "POST";
  std::string url;
  /// Content-Type included. Names and values free of CR and LF.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  /// The receiver's own time limit for an attempt, if it has one.
  std::optional<std::chrono::milliseconds> timeout;
};

/// A mail to a smart host.
struct MailDelivery {
  /// smtp://host:port (STARTTLS) or smtps://host:port (implicit TLS).
  std::string url;
  /// Refuse to go on without TLS. False is for tests and loopback relays.
  bool require_tls = true;
  /// No authentication where empty.
  std::string username;
  std::string password;
  /// Envelope addresses, bare (no display name, no angle brackets).
  std::string sender;
  std::vector<std::string> recipients;
  /// The whole message, headers and parts, lines ended by CRLF; not dot-stuffed.
  std::string message;
};

/// Recorded as sent without a byte leaving the server (kind `log`).
struct LogDelivery {
  std::string message;
};

using DeliveryRequest = std::variant<HttpDelivery, MailDelivery, LogDelivery>;

/// How a request ended short of an answer.
enum class DeliveryFailure {
  kNone,            // there is an answer: look at `status`
  kResolve,         // the host name has no address
  kConnect,         // refused, unreachable, reset while connecting
  kTls,             // handshake or certificate
  kTimeout,         // no answer in time
  kReset,           // the connection broke while in use, or the answer was no HTTP or SMTP
  kRefusedAddress,  // the address is one that this server does not talk to (metadata services)
  kTooLarge,        // the answer was cut off at the limit
  kBadRequest,      // the request could not be made: malformed URL, unknown scheme
  kAuthentication,  // SMTP AUTH was refused
};

/// How one attempt ended.
struct DeliveryOutcome {
  DeliveryFailure failure = DeliveryFailure::kNone;
  /// HTTP status or last SMTP reply code, 0 where there was none.
  int status = 0;
  /// What the receiver asked to wait, if it did (Retry-After).
  std::optional<std::chrono::seconds> retry_after;
  /// The header X-Sentry-Rate-Limits of the answer, "" where there was none.
  std::string rate_limits;
  /// The first bytes of the answer, at most 2 kB.
  std::string body_head;
  /// Recipients of a mail that the server refused while it took the mail for others, with its
  /// replies.
  std::string refused_recipients;
  /// Of these the addresses that may be taken later (4yz), and whether any never will.
  std::vector<std::string> deferred_recipients;
  bool refused_for_good = false;
  /// For a failure: what went wrong, in words.
  std::string error;
};

}  // namespace monitoring::notify
