#pragma once
// What is to be sent and how that ended. Plain data; knows neither Postgres nor notifications.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "monitoring/base/clock.hpp"

namespace monitoring::transport {

/// Headers and body of an answer together are read up to here.
constexpr std::size_t kMaxResponseBytes = 1 << 20;
/// So much of a body is kept unless the request says otherwise.
constexpr std::size_t kBodyHeadBytes = 2048;
constexpr std::size_t kRateLimitBytes = 512;

/// An HTTP or HTTPS request. Redirects are not followed, certificates are verified, the proxy
/// environment is ignored.
struct HttpRequest {
  std::string method = "POST";
  /// http or https; anything else ends as Failure::kBadRequest.
  std::string url;
  /// A header with CR, LF or NUL in it ends the request as Failure::kBadRequest.
  std::vector<std::pair<std::string, std::string>> headers;
  /// Not sent with GET and HEAD.
  std::string body;
};

/// A mail for a smart host, over SMTP. Status of its outcome is the last reply's code.
struct MailRequest {
  /// smtp://host[:port] or smtps://host[:port] (implicit TLS); anything else ends as
  /// Failure::kBadRequest.
  std::string url;
  /// With smtp: STARTTLS or nothing. False means without TLS even if the server offers it.
  bool require_tls = true;
  /// No authentication where empty.
  std::string username;
  std::string password;
  /// Envelope addresses, bare. One with a control character, a space or an angle bracket ends the
  /// request as Failure::kBadRequest.
  std::string sender;
  /// Sent if at least one is accepted: who can be reached is.
  std::vector<std::string> recipients;
  /// Lines ended by CRLF, not dot-stuffed.
  std::string message;
};

/// A connection that is made and let go: TCP of http and smtp, TLS of https and smtps. With smtp
/// the server's greeting is waited for, and EHLO answered.
struct ConnectRequest {
  /// http, https, smtp or smtps, with host and port; anything else ends as Failure::kBadRequest.
  std::string url;
};

struct Request {
  /// One alternative per protocol.
  std::variant<HttpRequest, MailRequest, ConnectRequest> message;
  /// From the moment the request leaves the queue to the last byte of the answer.
  std::chrono::milliseconds timeout{10000};
  /// For name resolution, connect and TLS handshake together.
  std::chrono::milliseconds connect_timeout{5000};
  /// PEM file of the certificate authorities to trust; the system's where empty.
  std::string ca_file;
  /// Connect to link-local and cloud metadata addresses too.
  bool allow_link_local = false;
  /// On a connection of its own, which is closed afterwards.
  bool fresh_connection = false;
  /// So much of the answer's body is kept.
  std::size_t kept_body_bytes = kBodyHeadBytes;
};

/// How a request ended short of a complete answer.
enum class Failure {
  kNone,
  kResolve,         // the host name has no address
  kConnect,         // refused or unreachable
  kTls,             // handshake or certificate
  kTimeout,         // one of the two timeouts passed
  kReset,           // the connection broke, or what came back was not the protocol
  kRefusedAddress,  // link-local or metadata address; see address_refused()
  kTooLarge,        // the answer went on beyond kMaxResponseBytes and was cut off
  kBadRequest,      // URL, scheme, header or mail address that cannot be sent
  kAuthentication,  // SMTP AUTH was refused or is not offered
};

/// A short word for a failure, as `kind` of an error shown to users.
std::string_view failure_text(Failure failure);

struct Outcome {
  Failure failure = Failure::kNone;
  /// HTTP status; also with a failure if the status line had come. 0 where there was none. Of SMTP
  /// the reply to the mail, or the refusal that the dialogue ended with.
  int status = 0;
  /// Retry-After of the answer, seconds and HTTP-date form. Missing where it is not in the future.
  std::optional<std::chrono::seconds> retry_after;
  /// The header X-Sentry-Rate-Limits, at most kRateLimitBytes of it; empty where there was none.
  std::string rate_limits;
  /// Where a redirect leads, as an absolute URL; empty if the answer was none.
  std::string redirect_url;
  /// When the first of the server's certificates expires; missing without TLS.
  std::optional<Instant> certificate_expires_at;
  /// The first Request::kept_body_bytes of the body, or of SMTP the first refusal, else the last
  /// reply: raw bytes.
  std::string body_head;
  /// Recipients of a mail that the server refused while it took the mail for others: "address
  /// (reply)", separated by "; ".
  std::string refused_recipients;
  /// The addresses of those that it refused for now (4yz), and whether it refused any for good.
  std::vector<std::string> deferred_recipients;
  bool refused_for_good = false;
  /// For a failure: what happened, in words, without secrets of the request.
  std::string error;
  std::chrono::microseconds duration{0};
};

/// The end of the request that was started under `id`.
struct Completion {
  std::uint64_t id = 0;
  Outcome outcome;
};

}  // namespace monitoring::transport
