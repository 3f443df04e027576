#include "rules/instances.hpp"

#include "monitoring/base/json.hpp"
#include "monitoring/pg/labels.hpp"
#include "monitoring/pg/prepared.hpp"

extern "C" {
#include <catalog/pg_type.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "monitoring/base/rfc3339.hpp"

namespace monitoring::rules {

namespace {

using alerting::AlertState;
using alerting::Change;
using alerting::Instance;
using alerting::Step;
using alerting::Transition;
/// Evaluation holds nothing between passes, so that rows are all there is to a rule's state.
Instance instance_row(const pg::Rows& rows, std::uint64_t row) {
  Instance instance;
  instance.labels = pg::labels_of_json(*rows.text(row, 2), "labels");
  instance.fingerprint = instance.labels.fingerprint();
  instance.annotations = pg::labels_of_json(*rows.text(row, 3), "annotations");
  instance.value = rows.float8(row, 4);
  instance.state = alerting::alert_state_from_text(*rows.text(row, 5)).value_or(instance.state);
  instance.origin = alerting::origin_from_text(*rows.text(row, 6)).value_or(instance.origin);
  instance.active_at = *rows.timestamptz(row, 7);
  instance.fired_at = rows.timestamptz(row, 8);
  instance.resolved_at = rows.timestamptz(row, 9);
  instance.keep_firing_since = rows.timestamptz(row, 10);
  return instance;
}

Json object_of(const Labels& labels) {
  Json object = Json::object();
  for (const auto& [name, value] : labels) object[name] = value;
  return object;
}

/// JSON has no numbers for what is not finite; text is taken for them, too.
Json number_of(const std::optional<double>& value) {
  if (!value) return {};
  if (std::isfinite(*value)) return *value;
  if (std::isnan(*value)) return "NaN";
  return *value > 0 ? "Infinity" : "-Infinity";
}

Json time_of(const std::optional<Instant>& at) {
  return at ? Json(rfc3339(*at)) : Json();
}

pg::Param rows_of(const Json& rows) {
  return pg::jsonb(rows.dump());
}

/// What one step writes for one rule: a statement for each kind of change, however many alerts. The
/// rule's id is in each, so that none looks through the alerts of all the others.
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

  void note_instance(const Instance& instance, Change change, const StoredAlerts::Row* row,
                     bool outranked);
  void insert();
  void update();
  void write_values();
  void remove();
  void write_history(const std::vector<Transition>& transitions);

  pg::Spi& spi_;
  const std::int64_t rule_id_;
  const std::string_view rule_name_;
  const Instant now_;
  /// Labels of what begins to fire in this step.
  std::set<Labels> firing_anew_;
  /// Also of rows that this step removes: their history names them.
  std::map<Labels, Place> places_;
  Json inserted_ = Json::array();
  Json updated_ = Json::array();
  Json values_ = Json::array();
  Json removed_ = Json::array();
};

Json instance_json(const Instance& instance, std::int64_t id, std::int64_t generation,
                   bool outranked) {
  return {{"id", id},
          {"generation", generation},
          {"fingerprint", fingerprint_text(instance.fingerprint)},
          {"severity", instance.labels.get("severity")},
          {"labels", object_of(instance.labels)},
          {"annotations", object_of(instance.annotations)},
          {"value", number_of(instance.value)},
          {"state", to_text(instance.state)},
          {"origin", to_text(instance.origin)},
          {"active_at", rfc3339(instance.active_at)},
          {"fired_at", time_of(instance.fired_at)},
          {"resolved_at", time_of(instance.resolved_at)},
          {"keep_firing_since", time_of(instance.keep_firing_since)},
          {"outranked", outranked}};
}

void Writer::note_instance(const Instance& instance, Change change, const StoredAlerts::Row* row,
                           bool outranked) {
  if (row == nullptr) {
    const std::int64_t generation = instance.state == AlertState::kFiring ? 1 : 0;
    inserted_.push_back(instance_json(instance, 0, generation, outranked));
    return;
  }
  Place place{row->id, row->generation};
  if (change == Change::kMaterial || outranked != row->outranked) {
    if (firing_anew_.count(instance.labels) > 0) ++place.generation;
    updated_.push_back(instance_json(instance, place.id, place.generation, outranked));
  } else if (change == Change::kValue && now_ - row->written_at >= kValueWriteInterval) {
    values_.push_back(instance_json(instance, place.id, place.generation, outranked));
  }
  places_[instance.labels] = place;
}

void Writer::insert() {
  if (inserted_.empty()) return;
  static pg::Prepared statement(
      "INSERT INTO monitoring.alerts (fingerprint, rule_id, rule_name, severity, labels,"
      " annotations, value, state, origin, active_at, fired_at, resolved_at, keep_firing_since,"
      " outranked, inhibited, generation, written_at)"
      " SELECT fingerprint, $2, $3, severity, labels, annotations, value, state, origin, active_at,"
      "  fired_at, resolved_at, keep_firing_since, outranked, outranked, generation, $4"
      " FROM jsonb_to_recordset($1) AS r(fingerprint text, severity text, labels jsonb,"
      "  annotations jsonb, value float8, state text, origin text, active_at timestamptz,"
      "  fired_at timestamptz, resolved_at timestamptz, keep_firing_since timestamptz,"
      "  outranked boolean, generation int8)"
      " RETURNING id, generation, labels::text",
      {JSONBOID, INT8OID, TEXTOID, TIMESTAMPTZOID});
  const pg::Rows rows = statement.query(
      spi_, {rows_of(inserted_), pg::int8(rule_id_), pg::text(rule_name_), pg::timestamptz(now_)});
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    places_[pg::labels_of_json(*rows.text(row, 3), "labels")] = {*rows.int8(row, 1),
                                                                 *rows.int8(row, 2)};
  }
}

/// An alert that fires anew is nobody's yet.
void Writer::update() {
  if (updated_.empty()) return;
  static pg::Prepared statement(
      "UPDATE monitoring.alerts a SET annotations = r.annotations, value = r.value,"
      " state = r.state, origin = r.origin, active_at = r.active_at, fired_at = r.fired_at,"
      " resolved_at = r.resolved_at, keep_firing_since = r.keep_firing_since,"
      " outranked = r.outranked,"
      " inhibited = CASE WHEN a.outranked = r.outranked THEN a.inhibited ELSE r.outranked END,"
      " acknowledged_by = CASE WHEN a.generation = r.generation THEN a.acknowledged_by END,"
      " acknowledged_at = CASE WHEN a.generation = r.generation THEN a.acknowledged_at END,"
      " false_positive = a.generation = r.generation AND a.false_positive,"
      " generation = r.generation, written_at = $2"
      " FROM jsonb_to_recordset($1) AS r(id int8, annotations jsonb, value float8, state text,"
      "  origin text, active_at timestamptz, fired_at timestamptz, resolved_at timestamptz,"
      "  keep_firing_since timestamptz, outranked boolean, generation int8)"
      " WHERE a.rule_id = $3 AND a.id = r.id",
      {JSONBOID, TIMESTAMPTZOID, INT8OID});
  statement.query(spi_, {rows_of(updated_), pg::timestamptz(now_), pg::int8(rule_id_)});
}

void Writer::write_values() {
  if (values_.empty()) return;
  static pg::Prepared statement(
      "UPDATE monitoring.alerts a SET annotations = r.annotations, value = r.value, written_at = $2"
      " FROM jsonb_to_recordset($1) AS r(id int8, annotations jsonb, value float8)"
      " WHERE a.rule_id = $3 AND a.id = r.id",
      {JSONBOID, TIMESTAMPTZOID, INT8OID});
  statement.query(spi_, {rows_of(values_), pg::timestamptz(now_), pg::int8(rule_id_)});
}

void Writer::remove() {
  if (removed_.empty()) return;
  static pg::Prepared statement(
      "DELETE FROM monitoring.alerts a USING jsonb_array_elements_text($1) AS r(id)"
      " WHERE a.rule_id = $2 AND a.id = r.id::int8",
      {JSONBOID, INT8OID});
  statement.query(spi_, {rows_of(removed_), pg::int8(rule_id_)});
}

void Writer::write_history(const std::vector<Transition>& transitions) {
  if (transitions.empty()) return;
  static pg::Prepared statement(
      "INSERT INTO monitoring.alert_history (at, alert_id, generation, fingerprint, rule_name,"
      " severity, labels, from_state, to_state, value, cause)"
      " SELECT at, alert_id, generation, fingerprint, $2, severity, labels, from_state, to_state,"
      "  value, cause"
      " FROM jsonb_to_recordset($1) AS r(at timestamptz, alert_id int8, generation int8,"
      "  fingerprint text, severity text, labels jsonb, from_state text, to_state text,"
      "  value float8, cause text)",
      {JSONBOID, TEXTOID});
  Json rows = Json::array();
  for (const Transition& transition : transitions) {
    const Instance& instance = transition.instance;
    const Place& place = places_.at(instance.labels);
    rows.push_back({{"at", rfc3339(transition.at)},
                    {"alert_id", place.id},
                    {"generation", place.generation},
                    {"fingerprint", fingerprint_text(instance.fingerprint)},
                    {"severity", instance.labels.get("severity")},
                    {"labels", object_of(instance.labels)},
                    {"from_state", to_text(transition.from)},
                    {"to_state", to_text(transition.to)},
                    {"value", number_of(instance.value)},
                    {"cause", to_text(transition.cause)}});
  }
  statement.query(spi_, {rows_of(rows), pg::text(rule_name_)});
}

std::uint64_t Writer::write(const StoredAlerts& before, const Step& step,
                            const std::vector<std::uint64_t>& outranked) {
  for (const Transition& transition : step.transitions) {
    if (transition.to == AlertState::kFiring) firing_anew_.insert(transition.instance.labels);
  }
  std::map<Labels, const StoredAlerts::Row*> known;
  for (std::size_t i = 0; i < before.rows.size(); ++i) {
    known[before.instances[i].labels] = &before.rows[i];
    places_[before.instances[i].labels] = {before.rows[i].id, before.rows[i].generation};
  }
  const std::set<std::uint64_t> hidden(outranked.begin(), outranked.end());
  for (std::size_t i = 0; i < step.instances.size(); ++i) {
    const Instance& instance = step.instances[i];
    const auto found = known.find(instance.labels);
    note_instance(instance, step.changes[i], found == known.end() ? nullptr : found->second,
                  hidden.count(instance.fingerprint) > 0);
    if (found != known.end()) known.erase(found);
  }
  for (const auto& [labels, row] : known) removed_.push_back(row->id);
  insert();
  update();
  write_values();
  remove();
  write_history(step.transitions);
  return inserted_.size() + updated_.size() + values_.size() + removed_.size() +
         step.transitions.size();
}

}  // namespace

StoredAlerts load_alerts(std::int64_t rule_id) {
  return AlertReader({rule_id}).take(rule_id);
}

StoredAlerts AlertReader::take(std::int64_t rule_id) {
  while (read_.count(rule_id) == 0 && next_ < rule_ids_.size()) read_on();
  const auto found = read_.find(rule_id);
  if (found == read_.end()) return {};
  StoredAlerts alerts = std::move(found->second);
  read_.erase(found);
  return alerts;
}

void AlertReader::read_on() {
  constexpr std::size_t kRulesAtOnce = 200;
  const std::size_t end = std::min(rule_ids_.size(), next_ + kRulesAtOnce);
  const auto at = [&](std::size_t place) {
    return rule_ids_.begin() + static_cast<std::ptrdiff_t>(place);
  };
  const std::vector<std::int64_t> ids(at(next_), at(end));
  next_ = end;
  for (const std::int64_t id : ids) read_[id];
  static pg::Prepared statement(
      "SELECT id, labels::text, annotations::text, value, state, origin, active_at, fired_at,"
      " resolved_at, keep_firing_since, written_at, generation, outranked, rule_id"
      " FROM monitoring.alerts WHERE rule_id = ANY ($1) ORDER BY id",
      {INT8ARRAYOID});
  // Its own, so that the rows' memory goes when they have been read.
  pg::Spi spi;
  const pg::Rows rows = statement.query(spi, {pg::int8_array(ids)});
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    StoredAlerts& alerts = read_[*rows.int8(row, 14)];
    alerts.instances.push_back(instance_row(rows, row));
    alerts.rows.push_back({*rows.int8(row, 1), *rows.timestamptz(row, 11), *rows.int8(row, 12),
                           *rows.boolean(row, 13)});
  }
}

std::uint64_t save_step(pg::Spi& spi, std::int64_t rule_id, std::string_view rule_name,
                        const StoredAlerts& before, const Step& step,
                        const std::vector<std::uint64_t>& outranked, Instant now) {
  return Writer(spi, rule_id, rule_name, now).write(before, step, outranked);
}

}  // namespace monitoring::rules
