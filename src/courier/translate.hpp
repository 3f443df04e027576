#pragma once
// Between the rooms that do not know each other: notify's deliveries and transport's requests.

#include <chrono>
#include <string>

#include "monitoring/notify/delivery.hpp"
#include "monitoring/transport/request.hpp"

namespace monitoring::courier {

/// What the settings say about every request.
struct RequestTerms {
  std::chrono::milliseconds timeout;
  std::string ca_file;
  bool allow_link_local;
};

transport::Request to_request(notify::HttpDelivery delivery, RequestTerms terms);
transport::Request to_request(notify::MailDelivery delivery, const RequestTerms& terms);
notify::DeliveryOutcome to_delivery_outcome(transport::Outcome outcome);

/// Text for a column: bytes that are no text of the database's encoding become "?", NUL included.
/// With `ascii_only`, every byte beyond ASCII does.
std::string presentable(const std::string& bytes, bool ascii_only);

}  // namespace monitoring::courier
