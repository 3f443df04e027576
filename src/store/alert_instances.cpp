#include "store/alert_instances.hpp"

#include "monitoring/pg/prepared.hpp"

extern "C" {
#include <catalog/pg_type.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <map>
#include <optional>
#include <string>

#include "monitoring/store/alert_rules.hpp"

namespace monitoring::store {

namespace {

using alerting::AlertState;
using alerting::Change;
using alerting::Instance;
using alerting::Step;
using alerting::Transition;

/// Evaluation holds nothing between passes, so that rows are all there is to a rule's state.
Instance instance_row(const pg::Rows& rows, std::uint64_t row) {
  Instance instance;
  instance.labels = labels_of_json(*rows.text(row, 2), "labels");
  instance.fingerprint = instance.labels.fingerprint();
  instance.annotations = labels_of_json(*rows.text(row, 3), "annotations");
  instance.value = rows.float8(row, 4);
  instance.state = alerting::alert_state_from_text(*rows.text(row, 5)).value_or(instance.state);
  instance.origin = alerting::origin_from_text(*rows.text(row, 6)).value_or(instance.origin);
  instance.active_at = *rows.timestamptz(row, 7);
  instance.fired_at = rows.timestamptz(row, 8);
  instance.resolved_at = rows.timestamptz(row, 9);
  instance.keep_firing_since = rows.timestamptz(row, 10);
  return instance;
}

/// What one step writes for one rule.
class Writer {
 public:
  Writer(pg::Spi& spi, std::int64_t rule_id, std::string_view rule_name, Instant now)
      : spi_(spi), rule_id_(rule_id), rule_name_(rule_name), now_(now) {}

  std::uint64_t write(const StoredAlerts& before, const Step& step,
                      const std::vector<std::uint64_t>& outranked);

 private:
  /// Where an alert is, or was, stored.
  struct Place {
    std::int64_t id;
    std::int64_t generation;
  };

  void write_instance(const Instance& instance, Change change, const StoredAlerts::Row* row,
                      bool outranked);
  Place insert(const Instance& instance, bool outranked);
  void update(const Instance& instance, const Place& place, bool outranked);
  void write_value(const Instance& instance, std::int64_t id);
  void remove(std::int64_t id);
  void write_history(const Transition& transition);
  bool begins_to_fire(const Labels& labels) const;

  pg::Spi& spi_;
  const std::int64_t rule_id_;
  const std::string_view rule_name_;
  const Instant now_;
  const std::vector<Transition>* transitions_ = nullptr;
  /// Also of rows that this step removes: their history names them.
  std::map<Labels, Place> places_;
  std::uint64_t written_ = 0;
};

bool Writer::begins_to_fire(const Labels& labels) const {
  return std::any_of(transitions_->begin(), transitions_->end(), [&](const Transition& transition) {
    return transition.to == AlertState::kFiring && transition.instance.labels == labels;
  });
}

Writer::Place Writer::insert(const Instance& instance, bool outranked) {
  static pg::Prepared statement(
      "INSERT INTO monitoring.alerts (fingerprint, rule_id, rule_name, severity, labels,"
      " annotations, value, state, origin, active_at, fired_at, resolved_at, outranked, inhibited,"
      " generation, written_at)"
      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, $14, $15)"
      " RETURNING id",
      {TEXTOID, INT8OID, TEXTOID, TEXTOID, JSONBOID, JSONBOID, FLOAT8OID, TEXTOID, TEXTOID,
       TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, BOOLOID, INT8OID, TIMESTAMPTZOID});
  const std::int64_t generation = instance.state == AlertState::kFiring ? 1 : 0;
  const pg::Rows rows = statement.query(
      spi_,
      {pg::text(fingerprint_text(instance.fingerprint)), pg::int8(rule_id_), pg::text(rule_name_),
       pg::text(instance.labels.get("severity")), pg::jsonb(json_of_labels(instance.labels)),
       pg::jsonb(json_of_labels(instance.annotations)), pg::float8(instance.value),
       pg::text(to_text(instance.state)), pg::text(to_text(instance.origin)),
       pg::timestamptz(instance.active_at), pg::timestamptz(instance.fired_at),
       pg::timestamptz(instance.resolved_at), pg::boolean(outranked), pg::int8(generation),
       pg::timestamptz(now_)});
  return {*rows.int8(0, 1), generation};
}

/// An alert that fires anew is nobody's yet.
void Writer::update(const Instance& instance, const Place& place, bool outranked) {
  static pg::Prepared statement(
      "UPDATE monitoring.alerts SET annotations = $2, value = $3, state = $4, origin = $5,"
      " active_at = $6, fired_at = $7, resolved_at = $8, keep_firing_since = $9, outranked = $10,"
      " inhibited = CASE WHEN outranked = $10 THEN inhibited ELSE $10 END,"
      " acknowledged_by = CASE WHEN generation = $11 THEN acknowledged_by END,"
      " acknowledged_at = CASE WHEN generation = $11 THEN acknowledged_at END,"
      " false_positive = generation = $11 AND false_positive, generation = $11,"
      " written_at = $12 WHERE id = $1",
      {INT8OID, JSONBOID, FLOAT8OID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
       TIMESTAMPTZOID, TIMESTAMPTZOID, BOOLOID, INT8OID, TIMESTAMPTZOID});
  statement.query(spi_, {pg::int8(place.id), pg::jsonb(json_of_labels(instance.annotations)),
                         pg::float8(instance.value), pg::text(to_text(instance.state)),
                         pg::text(to_text(instance.origin)), pg::timestamptz(instance.active_at),
                         pg::timestamptz(instance.fired_at), pg::timestamptz(instance.resolved_at),
                         pg::timestamptz(instance.keep_firing_since), pg::boolean(outranked),
                         pg::int8(place.generation), pg::timestamptz(now_)});
}

void Writer::write_value(const Instance& instance, std::int64_t id) {
  static pg::Prepared statement(
      "UPDATE monitoring.alerts SET annotations = $2, value = $3, written_at = $4 WHERE id = $1",
      {INT8OID, JSONBOID, FLOAT8OID, TIMESTAMPTZOID});
  statement.query(spi_, {pg::int8(id), pg::jsonb(json_of_labels(instance.annotations)),
                         pg::float8(instance.value), pg::timestamptz(now_)});
}

void Writer::remove(std::int64_t id) {
  static pg::Prepared statement("DELETE FROM monitoring.alerts WHERE id = $1", {INT8OID});
  statement.query(spi_, {pg::int8(id)});
  ++written_;
}

void Writer::write_history(const Transition& transition) {
  static pg::Prepared statement(
      "INSERT INTO monitoring.alert_history (at, alert_id, generation, fingerprint, rule_name,"
      " severity, labels, from_state, to_state, value, cause)"
      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
      {TIMESTAMPTZOID, INT8OID, INT8OID, TEXTOID, TEXTOID, TEXTOID, JSONBOID, TEXTOID, TEXTOID,
       FLOAT8OID, TEXTOID});
  const Instance& instance = transition.instance;
  const Place& place = places_.at(instance.labels);
  statement.query(
      spi_, {pg::timestamptz(transition.at), pg::int8(place.id), pg::int8(place.generation),
             pg::text(fingerprint_text(instance.fingerprint)), pg::text(rule_name_),
             pg::text(instance.labels.get("severity")), pg::jsonb(json_of_labels(instance.labels)),
             pg::text(to_text(transition.from)), pg::text(to_text(transition.to)),
             pg::float8(instance.value), pg::text(to_text(transition.cause))});
  ++written_;
}

void Writer::write_instance(const Instance& instance, Change change, const StoredAlerts::Row* row,
                            bool outranked) {
  if (row == nullptr) {
    places_[instance.labels] = insert(instance, outranked);
    ++written_;
    return;
  }
  Place place{row->id, row->generation};
  if (change == Change::kMaterial || outranked != row->outranked) {
    if (begins_to_fire(instance.labels)) ++place.generation;
    update(instance, place, outranked);
    ++written_;
  } else if (change == Change::kValue && now_ - row->written_at >= kValueWriteInterval) {
    write_value(instance, place.id);
    ++written_;
  }
  places_[instance.labels] = place;
}

std::uint64_t Writer::write(const StoredAlerts& before, const Step& step,
                            const std::vector<std::uint64_t>& outranked) {
  transitions_ = &step.transitions;
  std::map<Labels, const StoredAlerts::Row*> known;
  for (std::size_t i = 0; i < before.rows.size(); ++i) {
    known[before.instances[i].labels] = &before.rows[i];
    places_[before.instances[i].labels] = {before.rows[i].id, before.rows[i].generation};
  }
  for (std::size_t i = 0; i < step.instances.size(); ++i) {
    const Instance& instance = step.instances[i];
    const auto found = known.find(instance.labels);
    const bool is_outranked =
        std::find(outranked.begin(), outranked.end(), instance.fingerprint) != outranked.end();
    write_instance(instance, step.changes[i], found == known.end() ? nullptr : found->second,
                   is_outranked);
    if (found != known.end()) known.erase(found);
  }
  for (const auto& [labels, row] : known) remove(row->id);
  for (const Transition& transition : step.transitions) write_history(transition);
  return written_;
}

}  // namespace

StoredAlerts load_alerts(pg::Spi& spi, std::int64_t rule_id) {
  static pg::Prepared statement(
      "SELECT id, labels::text, annotations::text, value, state, origin, active_at, fired_at,"
      " resolved_at, keep_firing_since, written_at, generation, outranked"
      " FROM monitoring.alerts WHERE rule_id = $1 ORDER BY id",
      {INT8OID});
  const pg::Rows rows = statement.query(spi, {pg::int8(rule_id)});
  StoredAlerts alerts;
  alerts.instances.reserve(rows.size());
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    alerts.instances.push_back(instance_row(rows, row));
    alerts.rows.push_back({*rows.int8(row, 1), *rows.timestamptz(row, 11), *rows.int8(row, 12),
                           *rows.boolean(row, 13)});
  }
  return alerts;
}

std::uint64_t save_step(pg::Spi& spi, std::int64_t rule_id, std::string_view rule_name,
                        const StoredAlerts& before, const Step& step,
                        const std::vector<std::uint64_t>& outranked, Instant now) {
  return Writer(spi, rule_id, rule_name, now).write(before, step, outranked);
}

}  // namespace monitoring::store
