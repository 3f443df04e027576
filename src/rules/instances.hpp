#pragma once
// monitoring.alerts and monitoring.alert_history: the instances of the state machine as rows.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "monitoring/alerting/state_machine.hpp"

namespace monitoring::rules {

/// The alerts of one rule as they were before this evaluation. Rows and instances correspond by
/// position; the labels decide who is who, as fingerprints may collide.
struct StoredAlerts {
  struct Row {
    std::int64_t id;
    Instant written_at;
    std::int64_t generation;
    bool outranked;
  };
  std::vector<alerting::Instance> instances;
  std::vector<Row> rows;
};

StoredAlerts load_alerts(std::int64_t rule_id);

/// The alerts of the rules of a pass, each of which asks once and in this order. They are read for
/// some rules at once: a statement for each of thousands would take longer than the evaluation.
class AlertReader {
 public:
  explicit AlertReader(std::vector<std::int64_t> rule_ids) : rule_ids_(std::move(rule_ids)) {}

  StoredAlerts take(std::int64_t rule_id);

 private:
  void read_on();

  const std::vector<std::int64_t> rule_ids_;
  std::size_t next_ = 0;
  std::unordered_map<std::int64_t, StoredAlerts> read_;
};

/// A change of the value alone may be this old.
constexpr Duration kValueWriteInterval = std::chrono::minutes(1);

/// Writes what a step has changed, its history included. `outranked` are the fingerprints of the
/// alerts that a more severe level of their threshold hides. Returns the number of rows written.
std::uint64_t save_step(pg::Spi& spi, std::int64_t rule_id, std::string_view rule_name,
                        const StoredAlerts& before, const alerting::Step& step,
                        const std::vector<std::uint64_t>& outranked, Instant now);

}  // namespace monitoring::rules
