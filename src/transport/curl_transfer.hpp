#pragma once
// One request on one libcurl easy handle: its options, its callbacks, and the reading of its end.

#include <curl/curl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "monitoring/transport/request.hpp"

namespace monitoring::transport {

struct EasyDeleter {
  void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};
struct SlistDeleter {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};

/// Lives at a fixed place while libcurl holds the handle. Every member function calls libcurl: the
/// caller has blocked signals.
class CurlTransfer {
 public:
  CurlTransfer(std::uint64_t id, Request request);
  CurlTransfer(const CurlTransfer&) = delete;
  CurlTransfer& operator=(const CurlTransfer&) = delete;

  std::uint64_t id() const { return id_; }
  CURL* easy() const { return easy_.get(); }

  /// Sets the handle up. False where the request cannot be sent: finish(CURLE_URL_MALFORMAT) then
  /// says why.
  bool prepare();

  /// How it ended, given libcurl's verdict.
  Outcome finish(CURLcode code);

 private:
  bool prepare_http(const HttpRequest& http);
  bool prepare_mail(const MailRequest& mail);
  bool prepare_connect(const ConnectRequest& connect);
  void set_common_options();
  void set_ca_file();
  bool add_header(const std::string& line) { return append(headers_, line); }
  bool append(std::unique_ptr<curl_slist, SlistDeleter>& list, const std::string& line);
  /// Remembers why the request cannot be sent. Always false.
  bool reject(std::string why);
  bool was_connected() const;
  std::optional<Instant> certificate_expiry() const;
  Failure classify(CURLcode code) const;
  std::string describe(CURLcode code) const;

  /// Keeps what the outcome wants of a header line, or of an SMTP reply.
  void keep_header(std::string_view line) noexcept;
  static std::size_t on_upload(char* room, std::size_t size, std::size_t count,
                               void* self) noexcept;
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self) noexcept;
  static std::size_t on_header(char* data, std::size_t size, std::size_t count,
                               void* self) noexcept;
  /// Sees the SMTP commands that libcurl sends.
  static int on_debug(CURL* easy, curl_infotype type, char* data, std::size_t bytes,
                      void* self) noexcept;
  /// Notes who is refused.
  void keep_reply(std::string_view reply) noexcept;
  static curl_socket_t on_open_socket(void* self, curlsocktype purpose,
                                      curl_sockaddr* address) noexcept;
  /// Counts what was received. False beyond the limit.
  bool count_received(std::size_t bytes) noexcept;

  std::uint64_t id_;
  Request request_;
  std::unique_ptr<CURL, EasyDeleter> easy_;
  std::unique_ptr<curl_slist, SlistDeleter> headers_;
  std::unique_ptr<curl_slist, SlistDeleter> recipients_;
  /// How much of a mail has been handed to libcurl.
  std::size_t uploaded_ = 0;
  char error_[CURL_ERROR_SIZE] = "";
  std::string body_head_;
  std::string rate_limits_;
  /// Whom the last SMTP command named; empty if it was no RCPT.
  std::string recipient_;
  std::string refused_recipients_;
  /// Addresses, each ended by a line break, for which there is room from the beginning.
  std::string deferred_recipients_;
  bool refused_for_good_ = false;
  std::size_t received_ = 0;
  bool too_large_ = false;
  /// The address that was refused, if one was.
  std::string refused_address_;
  /// Why the file of authorities cannot be used, if it cannot.
  std::string ca_problem_;
  /// Why the request could not be sent at all.
  std::string rejected_;
};

}  // namespace monitoring::transport
