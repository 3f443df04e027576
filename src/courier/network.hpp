#pragma once
// What notifications and probes have in common: how the courier reaches the network, by the
// settings.

#include <memory>

#include "courier/translate.hpp"
#include "monitoring/transport/dispatcher.hpp"
#include "monitoring/transport/reactor.hpp"

namespace monitoring::courier {

/// Throws 58000 where libcurl does not start.
std::unique_ptr<transport::Reactor> make_reactor();
/// How many requests may run.
transport::DispatchLimits dispatch_limits();
RequestTerms request_terms();

}  // namespace monitoring::courier
