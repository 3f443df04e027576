#pragma once
// Alertmanager on a virtual clock: pushed alerts in, notifications out, by the functions of
// monitoring::notify alone. What Alertmanager's API does with pushed alerts is done here.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "alertmanager_config.hpp"
#include "monitoring/dispatch/grouping.hpp"
#include "monitoring/dispatch/silence.hpp"

namespace monitoring::conformance {

/// What is posted to /api/v2/alerts; unset times are filled in as there.
struct PushedAlert {
  Labels labels;
  Labels annotations;
  std::optional<Instant> starts_at;
  std::optional<Instant> ends_at;
};

class Simulator {
 public:
  using Deliver = std::function<void(const ReceiverConfig&, const notify::Notification&, Instant)>;

  static Result<Simulator> make(AlertmanagerConfig config, Deliver deliver);

  void push(const PushedAlert& pushed, Instant now);
  void add_silence(dispatch::Silence silence) { silences_.push_back(std::move(silence)); }
  /// Flushes, in their order, all groups that are due before `end`.
  void run_until(Instant end);

 private:
  struct StoredAlert {
    notify::AlertView view;
    /// Its end is a guess that follows from resolve_timeout.
    bool timeout = false;
  };

  Simulator(AlertmanagerConfig config, dispatch::RouteTree tree, Deliver deliver);

  const StoredAlert& store(const PushedAlert& pushed, Instant now);
  void insert(const dispatch::Route& route, const notify::AlertView& alert, Instant now);
  void flush(std::size_t at, Instant now);
  dispatch::FlushFilters filters(const dispatch::Inhibitor& inhibitor, Instant now) const;

  AlertmanagerConfig config_;
  dispatch::RouteTree tree_;
  Deliver deliver_;
  std::map<std::string, StoredAlert> alerts_;
  std::vector<dispatch::Group> groups_;
  std::vector<dispatch::Silence> silences_;
  dispatch::NotificationLog log_;
};

}  // namespace monitoring::conformance
