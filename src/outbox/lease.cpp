#include "monitoring/outbox/lease.hpp"

#include "monitoring/base/json.hpp"
#include "monitoring/pg/prepared.hpp"

extern "C" {
#include <catalog/pg_type.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <iterator>

#include "monitoring/issues/issues.hpp"

namespace monitoring::outbox {

namespace {

// The courier plans these once, perhaps while the outbox is empty and all indexes look alike. What
// is asked of a group says "id + 0", which notifications_unsent has and the primary key has not; IS
// NOT DISTINCT FROM keeps notifications_leased out.

/// Candidates of each receiver in the order of time, at most as many as there is room for; of these
/// it gets as many as its rate limit allows. Those that are blocked are put off, so that the next
/// look finds those behind them: each look costs as much as it leases, however long the queue.
/// Rows are found again by their place, which cannot change while they are locked.
constexpr const char* kLease = R"(
WITH candidate AS MATERIALIZED (
  SELECT n.*, share.allowed,
         EXISTS (SELECT FROM monitoring.notifications e
                 WHERE e.receiver = n.receiver AND e.group_key = n.group_key
                   AND hashtextextended(e.group_key, 0) = hashtextextended(n.group_key, 0)
                   AND e.id + 0 < n.id AND e.address = n.address
                   AND e.status IN ('queued', 'sending', 'retrying')) AS blocked
  FROM unnest($5, $6, $7) AS share (receiver, room, allowed) CROSS JOIN LATERAL (
    SELECT c.ctid AS place, c.id, c.receiver, c.group_key, c.address, c.next_attempt_at
    FROM monitoring.notifications c
    WHERE c.receiver = share.receiver AND c.status IN ('queued', 'retrying')
      AND c.next_attempt_at <= $2 AND c.id <> ALL ($10)
    ORDER BY c.next_attempt_at, c.id LIMIT share.room
    FOR UPDATE SKIP LOCKED) n
  LIMIT $4
), ranked AS MATERIALIZED (
  SELECT c.place, c.blocked, c.allowed,
         row_number() OVER (PARTITION BY c.receiver, c.blocked
                            ORDER BY c.next_attempt_at, c.id) AS rank
  FROM candidate c
)
UPDATE monitoring.notifications n
SET status = CASE WHEN c.blocked THEN n.status ELSE 'sending' END,
    next_attempt_at = CASE WHEN c.blocked THEN $8 ELSE n.next_attempt_at END,
    leased_by = CASE WHEN c.blocked THEN NULL ELSE $1 END,
    leased_until = CASE WHEN c.blocked THEN NULL ELSE $3 END
FROM ranked c WHERE n.ctid = c.place AND (c.blocked OR c.rank <= c.allowed)
RETURNING n.id, n.receiver, n.kind, n.payload::text, n.attempts,
          least(least(n.queued_at, '9000-01-01') + $9, n.expires_at), c.blocked)";

constexpr const char* kStillHeld = R"(
SELECT n.id FROM monitoring.notifications n
WHERE n.id = ANY ($1) AND n.status = 'sending' AND n.leased_by = $2)";

/// Empty texts and status 0 stand for NULL.
constexpr const char* kRecord = R"(
WITH held AS MATERIALIZED (
  SELECT e.*, l.place
  FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10) AS e
    (id, outcome, next_attempt_at, ended_at, duration_ms, http_status, reason, error, response)
  CROSS JOIN LATERAL (
    SELECT n.ctid AS place FROM monitoring.notifications n
    WHERE n.id = e.id AND n.status IS NOT DISTINCT FROM 'sending' AND n.leased_by = $1
    FOR UPDATE SKIP LOCKED) l
), updated AS (
  UPDATE monitoring.notifications n
  SET status = CASE h.outcome WHEN 'sent' THEN 'sent' WHEN 'dead' THEN 'dead' ELSE 'retrying' END,
      attempts = least(n.attempts, 2147483646) + 1,
      next_attempt_at = CASE h.outcome WHEN 'retry' THEN h.next_attempt_at
                                       ELSE n.next_attempt_at END,
      last_error = nullif(h.error, ''),
      sent_at = CASE h.outcome WHEN 'sent' THEN h.ended_at END,
      leased_by = NULL, leased_until = NULL
  FROM held h WHERE n.ctid = h.place
  RETURNING n.attempts, h.*
)
INSERT INTO monitoring.notification_attempts
  (notification_id, attempt, attempted_at, duration_ms, outcome, http_status, reason, error,
   response)
SELECT u.id, u.attempts, u.ended_at, u.duration_ms, u.outcome, nullif(u.http_status, 0),
       nullif(u.reason, ''), nullif(u.error, ''), nullif(u.response, '')
FROM updated u
RETURNING notification_id)";

/// The next of each group whose first has ended need wait no longer.
constexpr const char* kUnblock = R"(
WITH next AS MATERIALIZED (
  SELECT s.place FROM monitoring.notifications d CROSS JOIN LATERAL (
    SELECT x.ctid AS place, x.status, x.next_attempt_at FROM monitoring.notifications x
    WHERE x.receiver = d.receiver AND x.group_key = d.group_key
      AND hashtextextended(x.group_key, 0) = hashtextextended(d.group_key, 0)
      AND x.address = d.address AND x.status IN ('queued', 'sending', 'retrying')
    ORDER BY x.id + 0 LIMIT 1 FOR UPDATE SKIP LOCKED) s
  WHERE d.id = ANY ($1) AND s.status = 'queued' AND s.next_attempt_at > $2
)
UPDATE monitoring.notifications n SET next_attempt_at = $2 FROM next WHERE n.ctid = next.place)";

constexpr const char* kRelease = R"(
UPDATE monitoring.notifications
SET status = CASE WHEN attempts > 0 THEN 'retrying' ELSE 'queued' END,
    leased_by = NULL, leased_until = NULL
WHERE status = 'sending')";

constexpr const char* kPutBack = R"(
WITH held AS MATERIALIZED (
  SELECT n.ctid AS place FROM monitoring.notifications n
  WHERE n.id = ANY ($2) AND n.status = 'sending' AND n.leased_by = $1
  FOR UPDATE SKIP LOCKED
)
UPDATE monitoring.notifications n
SET status = CASE WHEN n.attempts > 0 THEN 'retrying' ELSE 'queued' END,
    leased_by = NULL, leased_until = NULL
FROM held h WHERE n.ctid = h.place)";

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
               WHERE x.id = ANY ($1) AND x.status = 'sending' AND x.leased_by = $2
               FOR UPDATE SKIP LOCKED))";

constexpr const char* kNextDelivery = R"(
SELECT min(greatest(d.next_attempt_at, p.limited_until, p.paused_until))
FROM monitoring.receivers r LEFT JOIN monitoring_internal.receiver_pace p USING (receiver_name)
CROSS JOIN LATERAL (
  SELECT n.next_attempt_at FROM monitoring.notifications n
  WHERE n.receiver = r.receiver_name AND n.status IN ('queued', 'retrying')
  ORDER BY n.next_attempt_at LIMIT 1) d
WHERE r.enabled)";

constexpr const char* kIssueWorker = "courier";
constexpr const char* kIssueType = "notification_dead";
constexpr const char* kRecipientIssueType = "recipient_refused";

std::vector<std::int64_t> ids_of(const pg::Rows& rows) {
  std::vector<std::int64_t> ids;
  for (std::uint64_t row = 0; row < rows.size(); ++row) ids.push_back(*rows.int8(row, 1));
  std::sort(ids.begin(), ids.end());
  return ids;
}

/// Attempts as the columns that kRecord takes.
struct AttemptColumns {
  explicit AttemptColumns(const std::vector<AttemptRecord>& records) {
    for (const AttemptRecord& record : records) {
      ids.push_back(record.id);
      outcomes.push_back(record.outcome);
      next_attempts.push_back(record.next_attempt_at);
      ends.push_back(record.ended_at);
      durations_ms.push_back(record.duration_ms);
      statuses.push_back(record.http_status);
      reasons.push_back(record.reason);
      errors.push_back(record.error);
      responses.push_back(record.response);
    }
  }

  std::vector<std::int64_t> ids;
  std::vector<std::string> outcomes;
  std::vector<Instant> next_attempts;
  std::vector<Instant> ends;
  std::vector<double> durations_ms;
  std::vector<std::int32_t> statuses;
  std::vector<std::string> reasons;
  std::vector<std::string> errors;
  std::vector<std::string> responses;
};

void lease(pg::Spi& spi, const LeaseTerms& terms, LeaseResult& result) {
  static pg::Prepared statement(
      kLease, {INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, TEXTARRAYOID, INT8ARRAYOID,
               INT8ARRAYOID, TIMESTAMPTZOID, INTERVALOID, INT8ARRAYOID});
  std::vector<std::string> receivers;
  std::vector<std::int64_t> room;
  std::vector<std::int64_t> allowed;
  for (const LeaseShare& share : terms.shares) {
    receivers.push_back(share.receiver);
    room.push_back(share.room);
    allowed.push_back(share.allowed);
  }
  const pg::Rows rows = statement.query(
      spi, {pg::int4(terms.owner), pg::timestamptz(terms.now), pg::timestamptz(terms.until),
            pg::int8(terms.total), pg::text_array(receivers), pg::int8_array(room),
            pg::int8_array(allowed), pg::timestamptz(terms.now + kBlockedWait),
            pg::interval(terms.max_age), pg::int8_array(terms.left_out)});
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    if (*rows.boolean(row, 7)) {
      result.put_off_until = terms.now + kBlockedWait;
      continue;
    }
    result.leased.push_back({*rows.int8(row, 1), *rows.text(row, 2), *rows.text(row, 3),
                             *rows.text(row, 4), static_cast<std::uint32_t>(*rows.int8(row, 5)),
                             *rows.timestamptz(row, 6)});
  }
}

std::vector<std::int64_t> record_held(pg::Spi& spi, int owner, const AttemptColumns& all) {
  static pg::Prepared statement(
      kRecord, {INT4OID, INT8ARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID,
                FLOAT8ARRAYOID, INT4ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID});
  return ids_of(statement.query(
      spi,
      {pg::int4(owner), pg::int8_array(all.ids), pg::text_array(all.outcomes),
       pg::timestamptz_array(all.next_attempts), pg::timestamptz_array(all.ends),
       pg::float8_array(all.durations_ms), pg::int4_array(all.statuses),
       pg::text_array(all.reasons), pg::text_array(all.errors), pg::text_array(all.responses)}));
}

std::vector<std::int64_t> still_held(pg::Spi& spi, int owner,
                                     const std::vector<std::int64_t>& ids) {
  static pg::Prepared statement(kStillHeld, {INT8ARRAYOID, INT4OID});
  return ids_of(statement.query(spi, {pg::int8_array(ids), pg::int4(owner)}));
}

void unblock(pg::Spi& spi, const std::vector<std::int64_t>& ended, Instant now) {
  static pg::Prepared statement(kUnblock, {INT8ARRAYOID, TIMESTAMPTZOID});
  statement.execute(spi, {pg::int8_array(ended), pg::timestamptz(now)});
}

}  // namespace

std::optional<std::int64_t> first_to_lease(pg::Spi& spi, const LeaseTerms& terms,
                                           const std::string& receiver) {
  const pg::Rows rows = spi.query(
      "SELECT c.id FROM monitoring.notifications c WHERE c.receiver = $1"
      " AND c.status IN ('queued', 'retrying') AND c.next_attempt_at <= $2 AND c.id <> ALL ($3)"
      " ORDER BY c.next_attempt_at, c.id LIMIT 1",
      {pg::text(receiver), pg::timestamptz(terms.now), pg::int8_array(terms.left_out)});
  return rows.empty() ? std::nullopt : rows.int8(0, 1);
}

LeaseResult lease_due(pg::Spi& spi, const LeaseTerms& terms) {
  LeaseResult result;
  if (terms.total > 0 && !terms.shares.empty()) lease(spi, terms, result);
  static pg::Prepared next_delivery(kNextDelivery, {});
  result.next_due = next_delivery.query(spi).timestamptz(0, 1);
  return result;
}

std::vector<std::int64_t> record_attempts(pg::Spi& spi, int owner, Instant now,
                                          const std::vector<AttemptRecord>& records,
                                          bool some_are_put_off) {
  const AttemptColumns columns(records);
  std::vector<std::int64_t> done = record_held(spi, owner, columns);
  const auto is_recorded = [&, recorded = done](std::int64_t id) {
    return std::binary_search(recorded.begin(), recorded.end(), id);
  };
  std::vector<std::int64_t> ended;
  std::vector<std::int64_t> left;
  for (const AttemptRecord& record : records) {
    if (!is_recorded(record.id)) {
      left.push_back(record.id);
    } else if (record.outcome != "retry") {
      ended.push_back(record.id);
    }
  }
  if (some_are_put_off && !ended.empty()) unblock(spi, ended, now);
  if (left.empty()) return done;

  // Held by us and locked by somebody else: to be tried again.
  const std::vector<std::int64_t> held = still_held(spi, owner, left);
  std::copy_if(left.begin(), left.end(), std::back_inserter(done),
               [&](std::int64_t id) { return !std::binary_search(held.begin(), held.end(), id); });
  std::sort(done.begin(), done.end());
  return done;
}

void queue_deferred(pg::Spi& spi, const AttemptRecord& record) {
  if (record.deferred.empty()) return;
  spi.execute(
      "INSERT INTO monitoring.notifications (receiver, kind, group_key, status, attempts,"
      " next_attempt_at, last_error, payload, note, created_at, queued_at, expires_at, address,"
      " copy_of)"
      " SELECT n.receiver, n.kind, n.group_key, 'retrying', n.attempts, $3, n.last_error,"
      "  n.payload || jsonb_build_object('recipients', jsonb_build_array(a.address)), n.note,"
      "  n.created_at, n.queued_at, n.expires_at, a.address, coalesce(n.copy_of, n.id)"
      " FROM monitoring.notifications n, unnest($2) AS a(address)"
      " WHERE n.id = $1 AND n.status = 'sent'",
      {pg::int8(record.id), pg::text_array(record.deferred),
       pg::timestamptz(record.next_attempt_at)});
}

std::set<std::string> receivers_with_issue(pg::Spi& spi) {
  const pg::Rows rows = spi.query(
      "SELECT details ->> 'receiver' FROM monitoring.worker_issues"
      " WHERE worker_name = $1 AND issue_type IN ($2, $3) AND resolved IS NOT TRUE",
      {pg::text(kIssueWorker), pg::text(kIssueType), pg::text(kRecipientIssueType)});
  std::set<std::string> receivers;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    receivers.insert(rows.text(row, 1).value_or(""));
  }
  return receivers;
}

void open_issue(pg::Spi& spi, const GivenUp& lost, const char* issue_type, std::string message) {
  issues::Issue issue;
  issue.worker_name = kIssueWorker;
  issue.issue_type = issue_type;
  issue.message = std::move(message);
  issue.details =
      Json{{"receiver", lost.receiver}, {"reason", lost.reason}, {"error", lost.error}}.dump();
  issues::log_issue_once(spi, issue);
}

void open_receiver_issue(pg::Spi& spi, const GivenUp& lost) {
  open_issue(spi, lost, kIssueType,
             "a notification for receiver \"" + lost.receiver + "\" was given up");
}

void open_recipient_issue(pg::Spi& spi, const GivenUp& lost) {
  open_issue(spi, lost, kRecipientIssueType,
             "a mail of receiver \"" + lost.receiver + "\" was taken for some recipients only");
}

void resolve_receiver_issue(pg::Spi& spi, const std::string& receiver) {
  spi.execute(
      "UPDATE monitoring.worker_issues SET resolved = true, resolved_at = now(),"
      " resolution_details = 'the receiver takes notifications again'"
      " WHERE worker_name = $1 AND issue_type IN ($2, $4) AND resolved IS NOT TRUE"
      " AND details ->> 'receiver' = $3",
      {pg::text(kIssueWorker), pg::text(kIssueType), pg::text(receiver),
       pg::text(kRecipientIssueType)});
}

std::uint64_t release_all_leases(pg::Spi& spi) {
  return spi.execute(kRelease);
}

void release_leases(pg::Spi& spi, int owner, const std::vector<std::int64_t>& ids) {
  if (ids.empty()) return;
  static pg::Prepared statement(kPutBack, {INT4OID, INT8ARRAYOID});
  statement.execute(spi, {pg::int4(owner), pg::int8_array(ids)});
}

void renew_leases(pg::Spi& spi, int owner, const std::vector<std::int64_t>& ids, Instant until) {
  if (ids.empty()) return;
  spi.execute(kRenew, {pg::int8_array(ids), pg::int4(owner), pg::timestamptz(until)});
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

}  // namespace monitoring::outbox
