#include "courier/network.hpp"

#include "monitoring/pg/error.hpp"
#include "monitoring/pg/settings.hpp"

namespace monitoring::courier {

std::unique_ptr<transport::Reactor> make_reactor() {
  auto reactor = transport::make_curl_reactor();
  if (!reactor) throw pg::Report(ERRCODE_SYSTEM_ERROR, "libcurl could not be initialized");
  return reactor;
}

transport::DispatchLimits dispatch_limits() {
  const pg::Settings& settings = pg::settings();
  return {static_cast<std::size_t>(settings.courier_concurrency),
          static_cast<std::size_t>(settings.courier_destination_concurrency)};
}

RequestTerms request_terms() {
  const pg::Settings& settings = pg::settings();
  return {std::chrono::milliseconds(settings.notification_timeout_ms),
          settings.ca_file != nullptr ? settings.ca_file : "", settings.allow_link_local};
}

}  // namespace monitoring::courier
