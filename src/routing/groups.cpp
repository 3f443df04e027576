#include "routing/groups.hpp"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "monitoring/base/labels_json.hpp"
#include "monitoring/base/rfc3339.hpp"
#include "monitoring/routing/config.hpp"

namespace monitoring::routing {

namespace {

dispatch::Fingerprints fingerprints_of(const std::string& text) {
  const std::vector<std::string> list = text_list(text);
  return {list.begin(), list.end()};
}

void delete_finished(pg::Spi& spi, const std::vector<StoredGroup>& groups) {
  Json ids = Json::array();
  for (const StoredGroup& stored : groups) {
    if (stored.finished && stored.id != 0) ids.push_back(stored.id);
  }
  if (ids.empty()) return;
  spi.execute(
      "DELETE FROM monitoring.alert_groups g USING jsonb_array_elements_text($1) d(id)"
      " WHERE g.id = d.id::int8",
      {pg::jsonb(ids.dump())});
}

void insert_new(pg::Spi& spi, std::vector<StoredGroup>& groups) {
  Json rows = Json::array();
  std::map<std::pair<std::int64_t, std::string>, StoredGroup*> by_key;
  for (StoredGroup& stored : groups) {
    if (stored.finished || stored.id != 0) continue;
    const dispatch::Group& group = stored.group;
    by_key[{group.route_id, group.key}] = &stored;
    rows.push_back({{"route_id", group.route_id},
                    {"group_key", group.key},
                    {"labels", json_of(group.labels)},
                    {"created_at", rfc3339(group.created_at)},
                    {"next_flush_at", rfc3339(group.next_flush_at)},
                    {"has_flushed", group.has_flushed}});
  }
  if (rows.empty()) return;
  const pg::Rows inserted = spi.query(
      "INSERT INTO monitoring.alert_groups"
      " (route_id, group_key, labels, created_at, next_flush_at, has_flushed)"
      " SELECT route_id, group_key, labels, created_at, next_flush_at, has_flushed"
      " FROM jsonb_to_recordset($1) AS r(route_id int8, group_key text, labels jsonb,"
      "  created_at timestamptz, next_flush_at timestamptz, has_flushed boolean)"
      " RETURNING id, route_id, group_key",
      {pg::jsonb(rows.dump())});
  for (std::uint64_t row = 0; row < inserted.size(); ++row) {
    const auto at = by_key.find({*inserted.int8(row, 2), *inserted.text(row, 3)});
    if (at != by_key.end()) at->second->id = *inserted.int8(row, 1);
  }
}

void update_changed(pg::Spi& spi, const std::vector<StoredGroup>& groups) {
  Json rows = Json::array();
  for (const StoredGroup& stored : groups) {
    if (!stored.changed || stored.finished || stored.id == 0) continue;
    rows.push_back({{"id", stored.id},
                    {"next_flush_at", rfc3339(stored.group.next_flush_at)},
                    {"has_flushed", stored.group.has_flushed}});
  }
  if (rows.empty()) return;
  spi.execute(
      "UPDATE monitoring.alert_groups g"
      " SET next_flush_at = r.next_flush_at, has_flushed = r.has_flushed"
      " FROM jsonb_to_recordset($1) AS"
      "  r(id int8, next_flush_at timestamptz, has_flushed boolean) WHERE g.id = r.id",
      {pg::jsonb(rows.dump())});
}

using ViewOf = std::function<const notify::AlertView&(const std::string& fingerprint)>;

Json member_json(const StoredGroup& stored, const notify::AlertView& alert) {
  Json row = {{"group_id", stored.id},
              {"fingerprint", alert.fingerprint},
              {"labels", json_of(alert.labels)},
              {"unseen_since", rfc3339(stored.group.unseen_since.at(alert.fingerprint))}};
  if (alert.status == notify::AlertStatus::kResolved && alert.ends_at) {
    row["annotations"] = json_of(alert.annotations);
    row["starts_at"] = rfc3339(alert.starts_at);
    row["ends_at"] = rfc3339(*alert.ends_at);
  }
  return row;
}

/// Whether the row of a member has to be written anew.
bool has_changed(const StoredGroup& stored, const StoredMember& member,
                 const notify::AlertView& alert) {
  if (member.unseen_since != stored.group.unseen_since.at(alert.fingerprint)) return true;
  if (alert.status == notify::AlertStatus::kFiring) return member.resolved.has_value();
  return alert.ends_at && (!member.resolved || member.resolved->ends_at != alert.ends_at);
}

/// New members, and those whose row is out of date.
void add_written_members(const StoredGroup& stored, const ViewOf& view_of, Json* rows) {
  for (const std::string& fingerprint : stored.group.alerts) {
    const notify::AlertView& alert = view_of(fingerprint);
    const auto at = stored.stored_alerts.find(fingerprint);
    if (at != stored.stored_alerts.end() && !has_changed(stored, at->second, alert)) continue;
    rows->push_back(member_json(stored, alert));
  }
}

void add_removed_members(const StoredGroup& stored, Json* rows) {
  for (const auto& [fingerprint, member] : stored.stored_alerts) {
    if (stored.group.alerts.count(fingerprint) > 0) continue;
    rows->push_back({{"group_id", stored.id}, {"fingerprint", fingerprint}});
  }
}

void save_members(pg::Spi& spi, const std::vector<StoredGroup>& groups, const ViewOf& view_of) {
  Json written = Json::array();
  Json removed = Json::array();
  for (const StoredGroup& stored : groups) {
    if (stored.finished) continue;
    add_written_members(stored, view_of, &written);
    add_removed_members(stored, &removed);
  }
  if (!written.empty()) {
    spi.execute(
        "INSERT INTO monitoring.alert_group_members"
        " (group_id, fingerprint, labels, unseen_since, annotations, starts_at, ends_at)"
        " SELECT group_id, fingerprint, labels, unseen_since, annotations, starts_at, ends_at"
        " FROM jsonb_to_recordset($1) AS r(group_id int8, fingerprint text, labels jsonb,"
        "  unseen_since timestamptz, annotations jsonb, starts_at timestamptz,"
        "  ends_at timestamptz)"
        " ON CONFLICT (group_id, fingerprint) DO UPDATE SET labels = excluded.labels,"
        "  unseen_since = excluded.unseen_since, annotations = excluded.annotations,"
        "  starts_at = excluded.starts_at, ends_at = excluded.ends_at",
        {pg::jsonb(written.dump())});
  }
  if (!removed.empty()) {
    spi.execute(
        "DELETE FROM monitoring.alert_group_members m USING jsonb_to_recordset($1) AS"
        "  r(group_id int8, fingerprint text)"
        " WHERE m.group_id = r.group_id AND m.fingerprint = r.fingerprint",
        {pg::jsonb(removed.dump())});
  }
}

StoredMember member_at(const pg::Rows& rows, std::uint64_t row) {
  StoredMember member;
  member.labels = labels_of_stored(*rows.text(row, 3));
  member.unseen_since = *rows.timestamptz(row, 4);
  const auto ends_at = rows.timestamptz(row, 7);
  if (!ends_at) return member;
  notify::AlertView alert;
  alert.fingerprint = *rows.text(row, 2);
  alert.status = notify::AlertStatus::kResolved;
  alert.labels = member.labels;
  alert.annotations = labels_of_stored(rows.text(row, 5).value_or("{}"));
  alert.starts_at = rows.timestamptz(row, 6).value_or(*ends_at);
  alert.ends_at = ends_at;
  member.resolved = std::move(alert);
  return member;
}

Json suppressed_json(const std::vector<dispatch::SuppressedAlert>& suppressed) {
  if (suppressed.empty()) return {};
  Json rows = Json::array();
  for (const dispatch::SuppressedAlert& alert : suppressed) {
    rows.push_back({{"fingerprint", alert.fingerprint},
                    {"cause", dispatch::suppression_text(alert.cause)},
                    {"reason", alert.reason}});
  }
  return rows;
}

Json log_json(const RecordedDecision& decision) {
  const dispatch::LogEntry& entry = *decision.log;
  return {{"receiver", *decision.receiver},
          {"group_key", decision.group_key},
          {"firing", entry.firing},
          {"resolved", entry.resolved},
          {"sent_at", rfc3339(entry.sent_at)},
          {"expires_at", rfc3339(entry.expires_at)},
          {"notification_id", decision.notification_id}};
}

Json decision_json(const RecordedDecision& decision) {
  return {{"receiver", decision.receiver},
          {"route_id", decision.route_id},
          {"group_key", decision.group_key},
          {"reason", decision.reason},
          {"detail", decision.detail},
          {"notification_id", decision.notification_id},
          {"firing", decision.firing},
          {"resolved", decision.resolved},
          {"suppressed", suppressed_json(decision.suppressed)}};
}

void save_log(pg::Spi& spi, const Json& entries) {
  spi.execute(
      "INSERT INTO monitoring.notification_log AS l"
      " (receiver, group_key, firing, resolved, sent_at, expires_at, notification_id)"
      " SELECT receiver, group_key, firing, resolved, sent_at, expires_at, notification_id"
      " FROM jsonb_to_recordset($1) AS r(receiver text, group_key text, firing text[],"
      "  resolved text[], sent_at timestamptz, expires_at timestamptz, notification_id int8)"
      " ON CONFLICT (md5(group_key), receiver) DO UPDATE SET firing = excluded.firing,"
      "  resolved = excluded.resolved, sent_at = excluded.sent_at,"
      "  expires_at = excluded.expires_at, notification_id = excluded.notification_id,"
      "  acknowledged = false",
      {pg::jsonb(entries.dump())});
}

}  // namespace

std::vector<StoredGroup> load_groups(pg::Spi& spi) {
  std::vector<StoredGroup> groups;
  std::unordered_map<std::int64_t, std::size_t> by_id;
  const pg::Rows rows = spi.query(
      "SELECT id, route_id, group_key, labels::text, created_at, next_flush_at, has_flushed"
      " FROM monitoring.alert_groups ORDER BY id");
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    StoredGroup stored;
    stored.id = *rows.int8(row, 1);
    stored.group.route_id = *rows.int8(row, 2);
    stored.group.key = *rows.text(row, 3);
    stored.group.labels = labels_of_stored(*rows.text(row, 4));
    stored.group.created_at = *rows.timestamptz(row, 5);
    stored.group.next_flush_at = *rows.timestamptz(row, 6);
    stored.group.has_flushed = *rows.boolean(row, 7);
    by_id[stored.id] = groups.size();
    groups.push_back(std::move(stored));
  }
  if (groups.empty()) return groups;
  const pg::Rows members = spi.query(
      "SELECT group_id, fingerprint, labels::text, unseen_since, annotations::text, starts_at,"
      " ends_at FROM monitoring.alert_group_members");
  for (std::uint64_t row = 0; row < members.size(); ++row) {
    const auto at = by_id.find(*members.int8(row, 1));
    if (at == by_id.end()) continue;
    StoredGroup& stored = groups[at->second];
    std::string fingerprint = *members.text(row, 2);
    StoredMember member = member_at(members, row);
    stored.group.alerts.insert(fingerprint);
    stored.group.unseen_since[fingerprint] = member.unseen_since;
    stored.stored_alerts[std::move(fingerprint)] = std::move(member);
  }
  return groups;
}

void save_groups(pg::Spi& spi, std::vector<StoredGroup>& groups, const ViewOf& view_of) {
  delete_finished(spi, groups);
  insert_new(spi, groups);
  update_changed(spi, groups);
  save_members(spi, groups, view_of);
}

dispatch::NotificationLog load_log(pg::Spi& spi, const std::vector<std::string>& group_keys) {
  dispatch::NotificationLog log;
  const pg::Rows rows = spi.query(
      "SELECT l.group_key, l.receiver, to_json(l.firing)::text, to_json(l.resolved)::text,"
      " l.sent_at, l.expires_at, EXISTS (SELECT FROM monitoring.notifications n"
      "  WHERE (n.id = l.notification_id OR n.copy_of = l.notification_id)"
      "  AND n.status IN ('queued', 'sending', 'retrying'))"
      " FROM unnest($1) k(group_key) JOIN monitoring.notification_log l"
      "  ON md5(l.group_key) = md5(k.group_key) AND l.group_key = k.group_key",
      {pg::text_array(group_keys)});
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    dispatch::Integration integration;
    integration.receiver = *rows.text(row, 2);
    log.record(*rows.text(row, 1), integration,
               {fingerprints_of(*rows.text(row, 3)), fingerprints_of(*rows.text(row, 4)),
                *rows.timestamptz(row, 5), *rows.timestamptz(row, 6), *rows.boolean(row, 7)});
  }
  return log;
}

void save_decisions(pg::Spi& spi, const std::vector<RecordedDecision>& decisions, Instant now) {
  if (decisions.empty()) return;
  Json rows = Json::array();
  // Two routes may share a group key and a receiver: the later word counts.
  std::map<std::pair<std::string, std::string>, Json> log;
  for (const RecordedDecision& decision : decisions) {
    rows.push_back(decision_json(decision));
    if (decision.log) log[{decision.group_key, *decision.receiver}] = log_json(decision);
  }
  spi.execute(
      "INSERT INTO monitoring.notification_decisions (decided_at, receiver, route_id, group_key,"
      " reason, detail, notification_id, firing, resolved, suppressed)"
      " SELECT $2, receiver, route_id, group_key, reason, detail, notification_id, firing,"
      "  resolved, nullif(suppressed, 'null')"
      " FROM jsonb_to_recordset($1) AS r(receiver text, route_id int8, group_key text,"
      "  reason text, detail text, notification_id int8, firing text[], resolved text[],"
      "  suppressed jsonb)",
      {pg::jsonb(rows.dump()), pg::timestamptz(now)});
  if (log.empty()) return;
  Json entries = Json::array();
  for (auto& [key, entry] : log) entries.push_back(std::move(entry));
  save_log(spi, entries);
}

void expire_log(pg::Spi& spi, Instant now) {
  spi.execute(
      "DELETE FROM monitoring.notification_log l WHERE l.expires_at <= $1"
      " AND NOT EXISTS (SELECT FROM monitoring.alert_groups g"
      "                 WHERE md5(g.group_key) = md5(l.group_key))",
      {pg::timestamptz(now)});
}

}  // namespace monitoring::routing
