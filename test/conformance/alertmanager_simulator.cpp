#include "alertmanager_simulator.hpp"

#include <algorithm>

namespace monitoring::conformance {

namespace {

using dispatch::Group;
using dispatch::Route;
using notify::AlertView;

bool overlaps(const AlertView& fresh, const AlertView& known) {
  const auto inside = [&known](Instant t) { return t > known.starts_at && t < *known.ends_at; };
  return inside(*fresh.ends_at) || inside(fresh.starts_at);
}

}  // namespace

Result<Simulator> Simulator::make(AlertmanagerConfig config, Deliver deliver) {
  auto tree = dispatch::RouteTree::build(config.routes);
  if (!tree) return tree.error();
  return Simulator(std::move(config), std::move(tree).value(), std::move(deliver));
}

Simulator::Simulator(AlertmanagerConfig config, dispatch::RouteTree tree, Deliver deliver)
    : config_(std::move(config)), tree_(std::move(tree)), deliver_(std::move(deliver)) {}

/// The defaults of the API and the merging of provider/mem and types.Alert.Merge.
const Simulator::StoredAlert& Simulator::store(const PushedAlert& pushed, Instant now) {
  StoredAlert fresh;
  fresh.timeout = !pushed.ends_at;
  fresh.view.labels = pushed.labels;
  fresh.view.annotations = pushed.annotations;
  fresh.view.fingerprint = fingerprint_text(pushed.labels.fingerprint());
  fresh.view.starts_at = pushed.starts_at.value_or(pushed.ends_at.value_or(now));
  fresh.view.ends_at = pushed.ends_at.value_or(now + config_.resolve_timeout);
  const auto at = alerts_.find(fresh.view.fingerprint);
  if (at != alerts_.end() && overlaps(fresh.view, at->second.view)) {
    const StoredAlert& known = at->second;
    fresh.view.starts_at = std::min(fresh.view.starts_at, known.view.starts_at);
    const bool explicit_end = notify::resolved_at(fresh.view, now)
                                  ? notify::resolved_at(known.view, now)
                                  : !known.timeout;
    if (explicit_end) fresh.view.ends_at = std::max(*fresh.view.ends_at, *known.view.ends_at);
  }
  return alerts_[fresh.view.fingerprint] = std::move(fresh);
}

void Simulator::push(const PushedAlert& pushed, Instant now) {
  const AlertView& alert = store(pushed, now).view;
  for (const Route* route : tree_.match(alert.labels)) insert(*route, alert, now);
}

void Simulator::insert(const Route& route, const AlertView& alert, Instant now) {
  Group fresh = dispatch::make_group(route, alert.labels, now);
  auto group = std::find_if(groups_.begin(), groups_.end(), [&fresh](const Group& known) {
    return known.route_id == fresh.route_id && known.labels == fresh.labels;
  });
  if (group == groups_.end()) group = groups_.insert(group, std::move(fresh));
  dispatch::insert_alert(*group, route, alert, now);
}

void Simulator::run_until(Instant end) {
  const auto is_due_before = [](const Group& a, const Group& b) {
    return a.next_flush_at < b.next_flush_at;
  };
  for (;;) {
    const auto at = std::min_element(groups_.begin(), groups_.end(), is_due_before);
    if (at == groups_.end() || at->next_flush_at >= end) return;
    flush(static_cast<std::size_t>(at - groups_.begin()), at->next_flush_at);
  }
}

dispatch::FlushFilters Simulator::filters(const dispatch::Inhibitor& inhibitor, Instant now) const {
  dispatch::FlushFilters filters;
  filters.inhibited = [&inhibitor](const AlertView& alert) -> std::optional<std::string> {
    const auto hit = inhibitor.inhibits(alert.labels);
    if (!hit) return std::nullopt;
    return "inhibited by " + hit->source;
  };
  filters.silenced = [this, now](const AlertView& alert) -> std::optional<std::string> {
    const auto* silence = dispatch::find_silence(silences_, alert.labels, now);
    if (silence == nullptr) return std::nullopt;
    return "silenced by " + silence->id;
  };
  return filters;
}

void Simulator::flush(std::size_t at, Instant now) {
  Group& group = groups_[at];
  const Route& route = *tree_.find(group.route_id);
  dispatch::Inhibitor inhibitor(config_.inhibit_rules);
  for (const auto& [fingerprint, alert] : alerts_) inhibitor.add(alert.view, now);
  const auto find = [this](const std::string& fingerprint) {
    const auto found = alerts_.find(fingerprint);
    return found == alerts_.end() ? nullptr : &found->second.view;
  };
  const std::vector<ReceiverConfig>& receivers = config_.receivers[route.options.receiver];
  std::vector<dispatch::Integration> integrations;
  for (const ReceiverConfig& receiver : receivers) integrations.push_back(receiver.integration);
  const auto result =
      dispatch::flush_group(group, route, integrations, log_, find, filters(inhibitor, now), now);
  for (std::size_t i = 0; i < result.decisions.size(); ++i) {
    const dispatch::FlushDecision& decision = result.decisions[i];
    if (decision.log) {
      dispatch::LogEntry entry = *decision.log;
      entry.delivery_pending = false;  // deliveries here succeed before the next flush
      log_.record(group.key, decision.integration, std::move(entry));
    }
    if (!decision.notify) continue;
    notify::Notification notification = dispatch::make_notification(group, decision);
    notification.external_url = "http://am.example:9093";
    deliver_(receivers[i], notification, now);
  }
  if (result.finished) groups_.erase(groups_.begin() + static_cast<std::ptrdiff_t>(at));
}

}  // namespace monitoring::conformance
