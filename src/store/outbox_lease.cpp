#include "monitoring/store/outbox_lease.hpp"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "monitoring/base/rfc3339.hpp"
#include "monitoring/store/issues.hpp"

namespace monitoring::store {

namespace {

using nlohmann::json;

/// So long is a row not looked at again that waits for an earlier one of its group. Recording the
/// earlier one ends the wait; this is for rows that were locked then.
constexpr Duration kBlockedWait = std::chrono::seconds(30);

/// Candidates of each receiver in the order of time, at most as many as it may have; of these it
/// gets as many as its rate limit allows. Those that are blocked are put off, so that the next look
/// finds those behind them: each look costs as much as it leases, however long the queue.
constexpr const char* kLease = R"(
WITH room AS (
  SELECT r.receiver_name, r.settings,
         least(($4::int8 - coalesce((h.held ->> r.receiver_name)::int8, 0)), $5::int8) AS room,
         coalesce((h.allowed ->> r.receiver_name)::int8, $5::int8) AS allowed
  FROM monitoring.receivers r, (SELECT $6::jsonb AS held, $8::jsonb AS allowed) h
  WHERE r.enabled
), candidate AS (
  SELECT n.id, n.receiver, n.next_attempt_at, room.settings, room.allowed,
         EXISTS (SELECT FROM monitoring.notifications e
                 WHERE e.receiver = n.receiver AND e.group_key = n.group_key AND e.id < n.id
                   AND e.address = n.address
                   AND hashtextextended(e.group_key, 0) = hashtextextended(n.group_key, 0)
                   AND e.status IN ('queued', 'sending', 'retrying')) AS blocked
  FROM room CROSS JOIN LATERAL (
    SELECT c.id, c.receiver, c.group_key, c.address, c.next_attempt_at
    FROM monitoring.notifications c
    WHERE room.allowed > 0 AND c.receiver = room.receiver_name AND c.status IN ('queued', 'retrying')
      AND c.next_attempt_at <= $2
    ORDER BY c.next_attempt_at, c.id LIMIT greatest(room.room, 0)
    FOR UPDATE SKIP LOCKED) n
  LIMIT $5
), ranked AS (
  SELECT c.*, row_number() OVER (PARTITION BY c.receiver, c.blocked
                                 ORDER BY c.next_attempt_at, c.id) AS place
  FROM candidate c
)
UPDATE monitoring.notifications n
SET status = CASE WHEN c.blocked THEN n.status ELSE 'sending' END,
    next_attempt_at = CASE WHEN c.blocked THEN $7 ELSE n.next_attempt_at END,
    leased_by = CASE WHEN c.blocked THEN NULL ELSE $1::int4 END,
    leased_until = CASE WHEN c.blocked THEN NULL ELSE $3 END
FROM ranked c WHERE n.id = c.id AND (c.blocked OR c.place <= c.allowed)
RETURNING n.id, n.receiver, n.kind, c.settings, n.payload, n.attempts,
          least(n.queued_at + $9, n.expires_at), c.blocked)";

/// The attempts that are about to be recorded, as rows.
constexpr const char* kLockHeld = R"(
SELECT n.id FROM monitoring.notifications n
WHERE n.id = ANY ($1::int8[]) AND n.status = 'sending' AND n.leased_by = $2
FOR UPDATE SKIP LOCKED)";

constexpr const char* kStillHeld = R"(
SELECT n.id FROM monitoring.notifications n
WHERE n.id = ANY ($1::int8[]) AND n.status = 'sending' AND n.leased_by = $2)";

constexpr const char* kRecord = R"(
WITH ended AS (
  SELECT * FROM jsonb_to_recordset($1) AS
    (id int8, outcome text, next_attempt_at timestamptz, ended_at timestamptz, duration_ms float8,
     http_status int4, reason text, error text, response text)
), updated AS (
  UPDATE monitoring.notifications n
  SET status = CASE e.outcome WHEN 'sent' THEN 'sent' WHEN 'dead' THEN 'dead' ELSE 'retrying' END,
      attempts = n.attempts + 1,
      next_attempt_at = CASE e.outcome WHEN 'retry' THEN e.next_attempt_at
                                       ELSE n.next_attempt_at END,
      last_error = e.error,
      sent_at = CASE e.outcome WHEN 'sent' THEN e.ended_at END,
      leased_by = NULL, leased_until = NULL
  FROM ended e WHERE n.id = e.id
  RETURNING n.id, n.attempts
)
INSERT INTO monitoring.notification_attempts
  (notification_id, attempt, attempted_at, duration_ms, outcome, http_status, reason, error,
   response)
SELECT u.id, u.attempts, e.ended_at, e.duration_ms, e.outcome, e.http_status, e.reason, e.error,
       e.response
FROM updated u JOIN ended e ON e.id = u.id)";

/// The next of each group whose first has ended need wait no longer.
constexpr const char* kUnblock = R"(
UPDATE monitoring.notifications n SET next_attempt_at = $2
WHERE n.id IN (
  SELECT s.id FROM monitoring.notifications d CROSS JOIN LATERAL (
    SELECT x.id FROM monitoring.notifications x
    WHERE x.receiver = d.receiver AND x.group_key = d.group_key
      AND hashtextextended(x.group_key, 0) = hashtextextended(d.group_key, 0)
      AND x.address = d.address AND x.status IN ('queued', 'sending', 'retrying')
    ORDER BY x.id LIMIT 1 FOR UPDATE SKIP LOCKED) s
  WHERE d.id = ANY ($1::int8[]))
AND n.status = 'queued' AND n.next_attempt_at > $2)";

constexpr const char* kRelease = R"(
UPDATE monitoring.notifications
SET status = CASE WHEN attempts > 0 THEN 'retrying' ELSE 'queued' END,
    leased_by = NULL, leased_until = NULL
WHERE status = 'sending')";

constexpr const char* kSweep = R"(
WITH swept AS (
UPDATE monitoring.notifications n
SET status = CASE WHEN u.why IS NOT NULL THEN 'dead' WHEN n.attempts > 0 THEN 'retrying'
                  ELSE 'queued' END,
    last_error = coalesce(u.why || coalesce(': ' || n.last_error, ''), n.last_error),
    leased_by = NULL, leased_until = NULL
FROM (
  SELECT x.id,
         CASE WHEN r.receiver_name IS NULL THEN 'the receiver does not exist any more'
              WHEN x.queued_at < $2 THEN 'given up after monitoring.notification_max_age'
              WHEN x.expires_at < $1 THEN 'given up, too old: see expires_at' END AS why
  FROM monitoring.notifications x
  LEFT JOIN monitoring.receivers r ON r.receiver_name = x.receiver
  WHERE x.status IN ('queued', 'sending', 'retrying')
    AND (x.status <> 'sending' OR x.leased_until < $1)
    AND (r.receiver_name IS NULL OR x.queued_at < $2 OR x.expires_at < $1
         OR x.status = 'sending')
  FOR UPDATE OF x SKIP LOCKED) u
WHERE n.id = u.id
RETURNING n.receiver, n.last_error, n.status)
SELECT DISTINCT ON (receiver) receiver, last_error FROM swept WHERE status = 'dead')";

constexpr const char* kRenew = R"(
UPDATE monitoring.notifications n SET leased_until = $3
WHERE n.id IN (SELECT x.id FROM monitoring.notifications x
               WHERE x.id = ANY ($1::int8[]) AND x.status = 'sending' AND x.leased_by = $2
               FOR UPDATE SKIP LOCKED))";

constexpr const char* kNextDelivery = R"(
SELECT min(greatest(d.next_attempt_at, p.limited_until, p.paused_until))
FROM monitoring.receivers r LEFT JOIN monitoring.receiver_pace p USING (receiver_name)
CROSS JOIN LATERAL (
  SELECT n.next_attempt_at FROM monitoring.notifications n
  WHERE n.receiver = r.receiver_name AND n.status IN ('queued', 'retrying')
  ORDER BY n.next_attempt_at LIMIT 1) d
WHERE r.enabled)";

constexpr const char* kIssueWorker = "courier";
constexpr const char* kIssueType = "notification_dead";

std::string json_text(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// An int8[] literal.
std::string array_text(const std::vector<std::int64_t>& ids) {
  std::string text = "{";
  for (const std::int64_t id : ids) {
    if (text.size() > 1) text += ',';
    text += std::to_string(id);
  }
  return text + "}";
}

std::vector<std::int64_t> ids_of(const pg::Rows& rows) {
  std::vector<std::int64_t> ids;
  for (std::uint64_t row = 0; row < rows.size(); ++row) ids.push_back(*rows.int8(row, 1));
  std::sort(ids.begin(), ids.end());
  return ids;
}

bool contains(const std::vector<std::int64_t>& sorted, std::int64_t id) {
  return std::binary_search(sorted.begin(), sorted.end(), id);
}

json or_null(const std::string& text) {
  return text.empty() ? json() : json(text);
}

json record_json(const AttemptRecord& record) {
  return {{"id", record.id},
          {"outcome", record.outcome},
          {"next_attempt_at", rfc3339(record.next_attempt_at)},
          {"ended_at", rfc3339(record.ended_at)},
          {"duration_ms", record.duration_ms},
          {"http_status", record.http_status == 0 ? json() : json(record.http_status)},
          {"reason", or_null(record.reason)},
          {"error", or_null(record.error)},
          {"response", or_null(record.response)}};
}

}  // namespace

LeaseResult lease_due(pg::Spi& spi, const LeaseTerms& terms) {
  LeaseResult result;
  const pg::Rows rows = spi.query(
      kLease, {pg::int4(terms.owner), pg::timestamptz(terms.now), pg::timestamptz(terms.until),
               pg::int8(terms.per_receiver), pg::int8(terms.total),
               pg::jsonb(json_text(json(terms.held))), pg::timestamptz(terms.now + kBlockedWait),
               pg::jsonb(json_text(json(terms.allowed))), pg::interval(terms.max_age)});
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    if (*rows.boolean(row, 8)) {
      result.look_again = true;
      continue;
    }
    result.leased.push_back({*rows.int8(row, 1), *rows.text(row, 2), *rows.text(row, 3),
                             *rows.text(row, 4), *rows.text(row, 5),
                             static_cast<std::uint32_t>(*rows.int8(row, 6)),
                             *rows.timestamptz(row, 7)});
  }
  return result;
}

std::vector<std::int64_t> record_attempts(pg::Spi& spi, int owner, Instant now,
                                          const std::vector<AttemptRecord>& records) {
  std::vector<std::int64_t> ids;
  for (const AttemptRecord& record : records) ids.push_back(record.id);
  const std::string all = array_text(ids);
  const auto locked = ids_of(spi.query(kLockHeld, {pg::text(all), pg::int4(owner)}));
  const auto held = locked.size() == records.size()
                        ? locked
                        : ids_of(spi.query(kStillHeld, {pg::text(all), pg::int4(owner)}));

  json ended = json::array();
  std::vector<std::int64_t> finished;
  for (const AttemptRecord& record : records) {
    if (!contains(locked, record.id)) continue;
    ended.push_back(record_json(record));
    if (record.outcome != "retry") finished.push_back(record.id);
  }
  if (!ended.empty()) spi.execute(kRecord, {pg::jsonb(json_text(ended))});
  if (!finished.empty()) {
    spi.execute(kUnblock, {pg::text(array_text(finished)), pg::timestamptz(now)});
  }

  // Held by us and locked by somebody else: to be tried again.
  ids.erase(
      std::remove_if(ids.begin(), ids.end(),
                     [&](std::int64_t id) { return contains(held, id) && !contains(locked, id); }),
      ids.end());
  return ids;
}

std::set<std::string> receivers_with_issue(pg::Spi& spi) {
  const pg::Rows rows = spi.query(
      "SELECT details ->> 'receiver' FROM monitoring.worker_issues"
      " WHERE worker_name = $1 AND issue_type = $2 AND resolved IS NOT TRUE",
      {pg::text(kIssueWorker), pg::text(kIssueType)});
  std::set<std::string> receivers;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    receivers.insert(rows.text(row, 1).value_or(""));
  }
  return receivers;
}

void open_receiver_issue(pg::Spi& spi, const GivenUp& lost) {
  Issue issue;
  issue.worker_name = kIssueWorker;
  issue.issue_type = kIssueType;
  issue.message = "a notification for receiver \"" + lost.receiver + "\" was given up";
  issue.details =
      json_text({{"receiver", lost.receiver}, {"reason", lost.reason}, {"error", lost.error}});
  log_issue_once(spi, issue);
}

void resolve_receiver_issue(pg::Spi& spi, const std::string& receiver) {
  spi.execute(
      "UPDATE monitoring.worker_issues SET resolved = true, resolved_at = now(),"
      " resolution_details = 'the receiver takes notifications again'"
      " WHERE worker_name = $1 AND issue_type = $2 AND resolved IS NOT TRUE"
      " AND details ->> 'receiver' = $3",
      {pg::text(kIssueWorker), pg::text(kIssueType), pg::text(receiver)});
}

std::uint64_t release_all_leases(pg::Spi& spi) {
  return spi.execute(kRelease);
}

void renew_leases(pg::Spi& spi, int owner, const std::vector<std::int64_t>& ids, Instant until) {
  if (ids.empty()) return;
  spi.execute(kRenew, {pg::text(array_text(ids)), pg::int4(owner), pg::timestamptz(until)});
}

std::vector<GivenUp> sweep_outbox(pg::Spi& spi, Instant now, Duration max_age) {
  const pg::Rows rows = spi.query(kSweep, {pg::timestamptz(now), pg::timestamptz(now - max_age)});
  std::vector<GivenUp> given_up;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    given_up.push_back({*rows.text(row, 1), "expired", *rows.text(row, 2)});
  }
  return given_up;
}

bool any_leased(pg::Spi& spi) {
  return !spi.query("SELECT FROM monitoring.notifications WHERE status = 'sending' LIMIT 1")
              .empty();
}

std::optional<Instant> next_delivery_at(pg::Spi& spi) {
  return spi.query(kNextDelivery).timestamptz(0, 1);
}

}  // namespace monitoring::store
