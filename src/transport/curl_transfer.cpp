#include "transport/curl_transfer.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstring>

#include "monitoring/base/http_header.hpp"
#include "monitoring/base/regular_file.hpp"
#include "monitoring/transport/address.hpp"

namespace monitoring::transport {

namespace {

constexpr std::string_view kLineBreakers("\r\n\0", 3);

template <class Value>
void set(CURL* easy, CURLoption option, Value value) {
  // The options and their types are fixed at compile time; what can fail is memory, and then the
  // transfer itself reports it.
  (void)curl_easy_setopt(easy, option, value);
}

bool has_line_breaker(std::string_view text) {
  return text.find_first_of(kLineBreakers) != std::string_view::npos;
}

/// An address that stays within its SMTP command.
bool is_envelope_address(std::string_view address) {
  return !address.empty() && std::none_of(address.begin(), address.end(), [](unsigned char c) {
    return c <= ' ' || c == 0x7f || c == '<' || c == '>';
  });
}

bool equal_ignoring_case(std::string_view text, std::string_view lower) {
  return text.size() == lower.size() &&
         std::equal(text.begin(), text.end(), lower.begin(), [](unsigned char a, char b) {
           return static_cast<char>(std::tolower(a)) == b;
         });
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

/// RFC 5321 allows 256 bytes of a path.
constexpr std::size_t kRecipientBytes = 320;

/// An SMTP reply 4yz or 5yz.
bool is_refusal(std::string_view reply) {
  return !reply.empty() && (reply[0] == '4' || reply[0] == '5');
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  for (std::size_t end = 0; (end = text.find('\n')) != std::string_view::npos;) {
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  return lines;
}

bool has_body(const HttpRequest& http) {
  return http.method != "GET" && http.method != "HEAD";
}

}  // namespace

CurlTransfer::CurlTransfer(std::uint64_t id, Request request)
    : id_(id), request_(std::move(request)), easy_(curl_easy_init()) {
  // Reserved here, so that the callbacks need not allocate.
  body_head_.reserve(request_.kept_body_bytes);
  rate_limits_.reserve(kRateLimitBytes);
  if (const auto* mail = std::get_if<MailRequest>(&request_.message)) {
    recipient_.reserve(kRecipientBytes);
    refused_recipients_.reserve(kBodyHeadBytes);
    deferred_recipients_.reserve(mail->recipients.size() * (kRecipientBytes + 1));
  }
}

bool CurlTransfer::prepare() {
  if (!easy_) return reject("libcurl gave no handle");
  set_common_options();
  if (const auto* mail = std::get_if<MailRequest>(&request_.message)) return prepare_mail(*mail);
  if (const auto* connect = std::get_if<ConnectRequest>(&request_.message)) {
    return prepare_connect(*connect);
  }
  return prepare_http(std::get<HttpRequest>(request_.message));
}

bool CurlTransfer::reject(std::string why) {
  rejected_ = std::move(why);
  return false;
}

void CurlTransfer::set_common_options() {
  CURL* easy = easy_.get();
  set(easy, CURLOPT_PRIVATE, static_cast<void*>(this));
  set(easy, CURLOPT_ERRORBUFFER, error_);
  set(easy, CURLOPT_NOSIGNAL, 1L);
  // Without this the end of a request whose name is still being resolved waits for the resolver.
  set(easy, CURLOPT_QUICK_EXIT, 1L);
  set(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request_.timeout.count()));
  set(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request_.connect_timeout.count()));

  // The proxy variables of the environment the server happened to be started in mean nothing here.
  set(easy, CURLOPT_PROXY, "");
  set(easy, CURLOPT_NOPROXY, "*");
  set(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));

  set(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  set(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  set(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(easy, CURLOPT_CERTINFO, 1L);
  if (request_.fresh_connection) {
    set(easy, CURLOPT_FRESH_CONNECT, 1L);
    set(easy, CURLOPT_FORBID_REUSE, 1L);
    // A session that is resumed shows no certificates.
    set(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
  }
  set_ca_file();

  set(easy, CURLOPT_WRITEFUNCTION, &CurlTransfer::on_body);
  set(easy, CURLOPT_WRITEDATA, static_cast<void*>(this));
  set(easy, CURLOPT_HEADERFUNCTION, &CurlTransfer::on_header);
  set(easy, CURLOPT_HEADERDATA, static_cast<void*>(this));
  set(easy, CURLOPT_OPENSOCKETFUNCTION, &CurlTransfer::on_open_socket);
  set(easy, CURLOPT_OPENSOCKETDATA, static_cast<void*>(this));
}

/// The TLS library opens the file by its name, and would wait for the other end of a FIFO. What
/// cannot be read fails where TLS is needed; what is sent without TLS needs no such file.
void CurlTransfer::set_ca_file() {
  constexpr const char* kNoFile = "/dev/null/none";
  if (request_.ca_file.empty()) return;
  const auto failure = check_regular_file(request_.ca_file);
  if (failure) ca_problem_ = "monitoring.ca_file: " + failure->error.message;
  set(easy_.get(), CURLOPT_CAINFO, failure ? kNoFile : request_.ca_file.c_str());
}

bool CurlTransfer::prepare_http(const HttpRequest& http) {
  CURL* easy = easy_.get();
  if (has_line_breaker(http.url)) return reject("the URL holds a line break");
  if (has_line_breaker(http.method)) return reject("the method holds a line break");
  for (const auto& [name, value] : http.headers) {
    if (!header_name_allowed(name) || !header_value_allowed(value) || is_connection_header(name)) {
      return reject("header \"" + name +
                    "\" is not allowed, or its value holds a control character");
    }
    // "Name;" is libcurl's notation for a header without a value.
    if (!add_header(value.empty() ? name + ";" : name + ": " + value)) return false;
  }
  // No waiting for "100 Continue": few receivers send it, and then libcurl waits for a second.
  if (!add_header("Expect:")) return false;

  set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy, CURLOPT_URL, http.url.c_str());
  set(easy, CURLOPT_HTTPHEADER, headers_.get());
  set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(easy, CURLOPT_FOLLOWLOCATION, 0L);
  set(easy, CURLOPT_USERAGENT, "monitoring");
  if (has_body(http)) {
    set(easy, CURLOPT_POST, 1L);
    set(easy, CURLOPT_POSTFIELDS, http.body.data());
    set(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(http.body.size()));
  }
  if (http.method == "HEAD") set(easy, CURLOPT_NOBODY, 1L);
  if (http.method != "GET" && http.method != "HEAD" && http.method != "POST") {
    set(easy, CURLOPT_CUSTOMREQUEST, http.method.c_str());
  }
  return true;
}

bool CurlTransfer::prepare_mail(const MailRequest& mail) {
  CURL* easy = easy_.get();
  if (has_line_breaker(mail.url)) return reject("the URL holds a line break");
  if (!is_envelope_address(mail.sender)) return reject("the sender is no mail address");
  if (mail.recipients.empty()) return reject("the mail has no recipient");
  for (const std::string& recipient : mail.recipients) {
    if (!is_envelope_address(recipient)) return reject("a recipient is no mail address");
    if (!append(recipients_, "<" + recipient + ">")) return false;
  }

  set(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  set(easy, CURLOPT_URL, mail.url.c_str());
  set(easy, CURLOPT_USE_SSL,
      static_cast<long>(mail.require_tls ? CURLUSESSL_ALL : CURLUSESSL_NONE));
  // libcurl would take a kept connection whether or not it is encrypted.
  if (!mail.require_tls) set(easy, CURLOPT_FORBID_REUSE, 1L);
  set(easy, CURLOPT_MAIL_FROM, ("<" + mail.sender + ">").c_str());
  set(easy, CURLOPT_MAIL_RCPT, recipients_.get());
  set(easy, CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L);
  // libcurl does not say whom the server refused.
  set(easy, CURLOPT_DEBUGFUNCTION, &CurlTransfer::on_debug);
  set(easy, CURLOPT_DEBUGDATA, static_cast<void*>(this));
  set(easy, CURLOPT_VERBOSE, 1L);
  if (!mail.username.empty()) {
    set(easy, CURLOPT_USERNAME, mail.username.c_str());
    set(easy, CURLOPT_PASSWORD, mail.password.c_str());
  }
  set(easy, CURLOPT_UPLOAD, 1L);
  set(easy, CURLOPT_READFUNCTION, &CurlTransfer::on_upload);
  set(easy, CURLOPT_READDATA, static_cast<void*>(this));
  set(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(mail.message.size()));
  return true;
}

bool CurlTransfer::prepare_connect(const ConnectRequest& connect) {
  CURL* easy = easy_.get();
  if (has_line_breaker(connect.url)) return reject("the URL holds a line break");
  set(easy, CURLOPT_PROTOCOLS_STR, "http,https,smtp,smtps");
  set(easy, CURLOPT_URL, connect.url.c_str());
  set(easy, CURLOPT_CONNECT_ONLY, 1L);
  return true;
}

bool CurlTransfer::append(std::unique_ptr<curl_slist, SlistDeleter>& list,
                          const std::string& line) {
  curl_slist* grown = curl_slist_append(list.get(), line.c_str());
  if (grown == nullptr) return reject("out of memory");
  (void)list.release();
  list.reset(grown);
  return true;
}

bool CurlTransfer::count_received(std::size_t bytes) noexcept {
  received_ += bytes;
  if (received_ > kMaxResponseBytes) too_large_ = true;
  return !too_large_;
}

std::size_t CurlTransfer::on_body(char* data, std::size_t size, std::size_t count,
                                  void* self) noexcept {
  auto* transfer = static_cast<CurlTransfer*>(self);
  const std::size_t bytes = size * count;
  const std::size_t room = transfer->request_.kept_body_bytes - transfer->body_head_.size();
  transfer->body_head_.append(data, std::min(room, bytes));
  return transfer->count_received(bytes) ? bytes : CURL_WRITEFUNC_ERROR;
}

void CurlTransfer::keep_header(std::string_view line) noexcept {
  const std::string_view content = trimmed(line);
  if (std::holds_alternative<MailRequest>(request_.message)) {
    // A refusal is what matters, not the goodbye after it.
    keep_reply(content);
    if (!is_refusal(body_head_)) body_head_.assign(content.substr(0, kBodyHeadBytes));
    return;
  }
  const auto colon = content.find(':');
  if (colon == std::string_view::npos) return;
  if (!equal_ignoring_case(content.substr(0, colon), "x-sentry-rate-limits")) return;
  rate_limits_.assign(trimmed(content.substr(colon + 1)).substr(0, kRateLimitBytes));
}

int CurlTransfer::on_debug(CURL* /*easy*/, curl_infotype type, char* data, std::size_t bytes,
                           void* self) noexcept {
  if (type != CURLINFO_HEADER_OUT) return 0;
  constexpr std::string_view kCommand = "RCPT TO:<";
  std::string& recipient = static_cast<CurlTransfer*>(self)->recipient_;
  const std::string_view line(data, bytes);
  recipient.clear();
  if (line.substr(0, kCommand.size()) != kCommand) return 0;
  const std::string_view rest = line.substr(kCommand.size());
  recipient.assign(rest.substr(0, std::min(rest.find('>'), kRecipientBytes)));
  return 0;
}

/// Within the space that was reserved: a callback must not allocate.
void CurlTransfer::keep_reply(std::string_view reply) noexcept {
  constexpr std::string_view kSeparator = "; ";
  if (recipient_.empty() || !is_refusal(reply)) return;
  if (reply[0] == '5') {
    refused_for_good_ = true;
  } else if (deferred_recipients_.size() + recipient_.size() < deferred_recipients_.capacity()) {
    deferred_recipients_.append(recipient_).push_back('\n');
  }
  const bool is_first = refused_recipients_.empty();
  const std::size_t needed = recipient_.size() + reply.size() + 3 + kSeparator.size();
  if (refused_recipients_.size() + needed <= kBodyHeadBytes) {
    if (!is_first) refused_recipients_.append(kSeparator);
    refused_recipients_.append(recipient_).append(" (").append(reply).append(")");
  }
  recipient_.clear();
}

std::size_t CurlTransfer::on_header(char* data, std::size_t size, std::size_t count,
                                    void* self) noexcept {
  const std::size_t bytes = size * count;
  auto* transfer = static_cast<CurlTransfer*>(self);
  transfer->keep_header({data, bytes});
  return transfer->count_received(bytes) ? bytes : CURL_WRITEFUNC_ERROR;
}

std::size_t CurlTransfer::on_upload(char* room, std::size_t size, std::size_t count,
                                    void* self) noexcept {
  auto* transfer = static_cast<CurlTransfer*>(self);
  const std::string& message = std::get_if<MailRequest>(&transfer->request_.message)->message;
  const std::size_t bytes = std::min(size * count, message.size() - transfer->uploaded_);
  std::memcpy(room, message.data() + transfer->uploaded_, bytes);
  transfer->uploaded_ += bytes;
  return bytes;
}

curl_socket_t CurlTransfer::on_open_socket(void* self, curlsocktype /*purpose*/,
                                           curl_sockaddr* address) noexcept {
  auto* transfer = static_cast<CurlTransfer*>(self);
  if (!transfer->request_.allow_link_local && address_refused(address->addr, address->addrlen)) {
    transfer->refused_address_ = address_text(address->addr, address->addrlen);
    if (transfer->refused_address_.empty()) transfer->refused_address_ = "an unknown family";
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

bool CurlTransfer::was_connected() const {
  curl_off_t pretransfer_us = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_PRETRANSFER_TIME_T, &pretransfer_us);
  return pretransfer_us > 0;
}

Failure CurlTransfer::classify(CURLcode code) const {
  if (!rejected_.empty()) return Failure::kBadRequest;
  if (too_large_) return Failure::kTooLarge;
  switch (code) {
    case CURLE_OK:
      return Failure::kNone;
    case CURLE_COULDNT_RESOLVE_HOST:
      return Failure::kResolve;
    case CURLE_COULDNT_CONNECT:
      return refused_address_.empty() ? Failure::kConnect : Failure::kRefusedAddress;
    case CURLE_OPERATION_TIMEDOUT:
      return Failure::kTimeout;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_USE_SSL_FAILED:
      return Failure::kTls;
    case CURLE_LOGIN_DENIED:
      return Failure::kAuthentication;
    case CURLE_URL_MALFORMAT:
      return Failure::kBadRequest;
    case CURLE_UNSUPPORTED_PROTOCOL:
      // Said of a scheme before there is a connection, and of an answer that is no HTTP.
      return was_connected() ? Failure::kReset : Failure::kBadRequest;
    default:
      return Failure::kReset;
  }
}

std::string CurlTransfer::describe(CURLcode code) const {
  if (!rejected_.empty()) return rejected_;
  if (too_large_) {
    return "the answer is larger than " + std::to_string(kMaxResponseBytes) +
           " bytes and was cut off";
  }
  if (code == CURLE_SSL_CACERT_BADFILE && !ca_problem_.empty()) return ca_problem_;
  if (classify(code) == Failure::kRefusedAddress) {
    return "the address " + refused_address_ +
           " is link-local, a metadata service or none of a host";
  }
  return error_[0] != '\0' ? error_ : curl_easy_strerror(code);
}

std::optional<Instant> CurlTransfer::certificate_expiry() const {
  curl_certinfo* chain = nullptr;
  if (curl_easy_getinfo(easy_.get(), CURLINFO_CERTINFO, &chain) != CURLE_OK) return std::nullopt;
  constexpr std::string_view kExpiry = "Expire date:";
  std::optional<Instant> earliest;
  for (int i = 0; chain != nullptr && i < chain->num_of_certs; ++i) {
    for (const curl_slist* field = chain->certinfo[i]; field != nullptr; field = field->next) {
      const std::string_view text(field->data);
      if (text.substr(0, kExpiry.size()) != kExpiry) continue;
      const time_t expiry = curl_getdate(text.substr(kExpiry.size()).data(), nullptr);
      if (expiry < 0) continue;
      const Instant at{std::chrono::seconds(expiry)};
      earliest = earliest ? std::min(*earliest, at) : at;
    }
  }
  return earliest;
}

Outcome CurlTransfer::finish(CURLcode code) {
  Outcome outcome;
  outcome.failure = classify(code);
  if (outcome.failure != Failure::kNone) outcome.error = describe(code);
  outcome.body_head = std::move(body_head_);
  outcome.rate_limits = std::move(rate_limits_);
  outcome.refused_recipients = std::move(refused_recipients_);
  outcome.deferred_recipients = lines_of(deferred_recipients_);
  outcome.refused_for_good = refused_for_good_;
  if (!easy_) return outcome;

  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  outcome.status = static_cast<int>(status);
  // The reply before a dialogue broke off, 220 or 250, was to another command than the one that
  // failed.
  const bool is_mail = std::holds_alternative<MailRequest>(request_.message);
  if (is_mail && outcome.failure != Failure::kNone && status < 400) outcome.status = 0;
  curl_off_t number = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RETRY_AFTER, &number);
  if (number > 0) outcome.retry_after = std::chrono::seconds(number);
  number = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_TOTAL_TIME_T, &number);
  outcome.duration = std::chrono::microseconds(number);
  const char* redirect = nullptr;
  curl_easy_getinfo(easy_.get(), CURLINFO_REDIRECT_URL, &redirect);
  if (redirect != nullptr) outcome.redirect_url = redirect;
  // Of a certificate that was refused some libcurls tell it and some do not.
  if (outcome.failure != Failure::kTls) outcome.certificate_expires_at = certificate_expiry();
  return outcome;
}

std::string_view failure_text(Failure failure) {
  switch (failure) {
    case Failure::kNone:
      return "none";
    case Failure::kResolve:
      return "resolve";
    case Failure::kConnect:
      return "connect";
    case Failure::kTls:
      return "tls";
    case Failure::kTimeout:
      return "timeout";
    case Failure::kReset:
      return "reset";
    case Failure::kRefusedAddress:
      return "refused_address";
    case Failure::kTooLarge:
      return "too_large";
    case Failure::kBadRequest:
      return "bad_request";
    case Failure::kAuthentication:
      return "authentication";
  }
  return "unknown";
}

}  // namespace monitoring::transport
