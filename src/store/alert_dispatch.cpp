#include "alert_dispatch.hpp"

#include <utility>

#include "monitoring/notify/receiver.hpp"

namespace monitoring::store {

Dispatch::Dispatch(pg::Spi& spi, Instant now) : spi_(spi), now_(now) {
  const pg::Rows rows =
      spi.query("SELECT receiver_name, send_resolved, enabled, kind FROM monitoring.receivers");
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    const notify::ReceiverKind* kind = notify::find_receiver_kind(*rows.text(row, 4));
    receivers_[*rows.text(row, 1)] = {*rows.boolean(row, 2), *rows.boolean(row, 3),
                                      kind != nullptr && kind->takes_acknowledgement};
  }
}

const Dispatch::Receiver* Dispatch::find(const std::string& receiver) const {
  const auto at = receivers_.find(receiver);
  return at == receivers_.end() ? nullptr : &at->second;
}

const char* Dispatch::obstacle(const std::string& receiver) const {
  const Receiver* found = find(receiver);
  if (found == nullptr) return "no_receiver";
  return found->enabled ? nullptr : "receiver_disabled";
}

void Dispatch::tell(RecordedDecision decision, notify::Notification notification,
                    TellResolved resolved) {
  try {
    decision.notification_id = queue_notification(spi_, std::move(notification), now_, resolved);
  } catch (const pg::Report& report) {
    decision.reason = "not_composed";
    decision.detail = report.what();
    decision.log.reset();
  }
  decisions_.push_back(std::move(decision));
}

void Dispatch::save() {
  save_decisions(spi_, decisions_, now_);
  decisions_.clear();
}

}  // namespace monitoring::store
