#pragma once
// From a decision to the outbox: shared by groups and escalations.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <map>
#include <string>
#include <vector>

#include "monitoring/issues/unusable.hpp"
#include "monitoring/notify/notification.hpp"
#include "monitoring/outbox/queue.hpp"
#include "routing/groups.hpp"

namespace monitoring::routing {

/// Receivers, and the decisions about them that a pass has taken so far.
class Dispatch {
 public:
  /// `unusable` takes the receivers that a notification cannot be composed or stored for.
  /// `careful`: each notification is stored in a subtransaction, because without that the pass has
  /// failed.
  Dispatch(pg::Spi& spi, Instant now, issues::UnusableObjects& unusable, bool careful);

  struct Receiver {
    bool send_resolved;
    bool enabled;
    bool takes_acknowledgement;
  };
  /// Null where there is none of that name.
  const Receiver* find(const std::string& receiver) const;
  /// Why nothing can be queued for a receiver: "no_receiver" or "receiver_disabled"; null if it
  /// can.
  const char* obstacle(const std::string& receiver) const;

  /// Queues the notification and notes the decision; returns the notification's id. If its payload
  /// cannot be composed, that is the decision's reason, and nothing is remembered: it is tried
  /// again at the next occasion.
  std::optional<std::int64_t> tell(RecordedDecision decision, notify::Notification notification,
                                   outbox::TellResolved resolved);
  /// Notes a decision that tells nobody.
  void note(RecordedDecision decision) { decisions_.push_back(std::move(decision)); }

  /// Writes the decisions since the last time down; notifications that nobody has tried to deliver
  /// give way to newer ones that tell the same and more.
  void save();

 private:
  std::optional<std::string> queue(RecordedDecision& decision, notify::Notification notification,
                                   outbox::TellResolved resolved);

  pg::Spi& spi_;
  Instant now_;
  issues::UnusableObjects& unusable_;
  const bool careful_;
  std::map<std::string, Receiver> receivers_;
  std::vector<RecordedDecision> decisions_;
};

}  // namespace monitoring::routing
