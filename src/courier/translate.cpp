#include "courier/translate.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "monitoring/base/encoding.hpp"

namespace monitoring::courier {

namespace {

notify::DeliveryFailure to_delivery_failure(transport::Failure failure) {
  using From = transport::Failure;
  using To = notify::DeliveryFailure;
  switch (failure) {
    case From::kNone:
      return To::kNone;
    case From::kResolve:
      return To::kResolve;
    case From::kConnect:
      return To::kConnect;
    case From::kTls:
      return To::kTls;
    case From::kTimeout:
      return To::kTimeout;
    case From::kReset:
      return To::kReset;
    case From::kRefusedAddress:
      return To::kRefusedAddress;
    case From::kTooLarge:
      return To::kTooLarge;
    case From::kBadRequest:
      return To::kBadRequest;
    case From::kAuthentication:
      return To::kAuthentication;
  }
  return To::kReset;
}

template <class Message>
transport::Request with_terms(Message message, const RequestTerms& terms) {
  transport::Request request;
  request.message = std::move(message);
  request.timeout = terms.timeout;
  request.connect_timeout = std::min(request.connect_timeout, terms.timeout);
  request.ca_file = terms.ca_file;
  request.allow_link_local = terms.allow_link_local;
  return request;
}

}  // namespace

transport::Request to_request(notify::HttpDelivery delivery, RequestTerms terms) {
  terms.timeout = delivery.timeout.value_or(terms.timeout);
  transport::HttpRequest http;
  http.method = std::move(delivery.method);
  http.url = std::move(delivery.url);
  http.headers = std::move(delivery.headers);
  http.body = std::move(delivery.body);
  return with_terms(std::move(http), terms);
}

transport::Request to_request(notify::MailDelivery delivery, const RequestTerms& terms) {
  transport::MailRequest mail;
  mail.url = std::move(delivery.url);
  mail.require_tls = delivery.require_tls;
  mail.username = std::move(delivery.username);
  mail.password = std::move(delivery.password);
  mail.sender = std::move(delivery.sender);
  mail.recipients = std::move(delivery.recipients);
  mail.message = std::move(delivery.message);
  return with_terms(std::move(mail), terms);
}

notify::DeliveryOutcome to_delivery_outcome(transport::Outcome outcome) {
  notify::DeliveryOutcome delivery;
  delivery.failure = to_delivery_failure(outcome.failure);
  delivery.status = outcome.status;
  delivery.retry_after = outcome.retry_after;
  delivery.rate_limits = std::move(outcome.rate_limits);
  delivery.body_head = std::move(outcome.body_head);
  delivery.refused_recipients = std::move(outcome.refused_recipients);
  delivery.deferred_recipients = std::move(outcome.deferred_recipients);
  delivery.refused_for_good = outcome.refused_for_good;
  delivery.error = std::move(outcome.error);
  return delivery;
}

std::string presentable(const std::string& bytes, bool ascii_only) {
  std::string text;
  text.reserve(bytes.size());
  for (std::string_view rest = bytes; !rest.empty();) {
    const std::size_t length = utf8_sequence(rest);
    const bool keep = length == 1 ? rest.front() != '\0' : length > 1 && !ascii_only;
    if (keep) {
      text += rest.substr(0, length);
    } else {
      text += '?';
    }
    rest.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return text;
}

}  // namespace monitoring::courier
