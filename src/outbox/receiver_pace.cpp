#include "monitoring/outbox/receiver_pace.hpp"

#include "monitoring/base/json.hpp"
#include "monitoring/pg/prepared.hpp"

extern "C" {
#include <catalog/pg_type.h>
}
// clang-format keeps the server's headers first.

namespace monitoring::outbox {

namespace {

/// A value that was written by hand and is not in order counts as missing.
Json parsed(const std::optional<std::string>& text) {
  if (!text) return {};
  return Json::parse_or_null(*text);
}

}  // namespace

RateLimits::RateLimits(pg::Spi& spi, Instant now) : spi_(spi), now_(now) {
  static pg::Prepared statement(
      "SELECT r.receiver_name, r.kind, (r.settings -> 'rate_limit')::text, p.full_at"
      " FROM monitoring.receivers r LEFT JOIN monitoring_internal.receiver_pace p USING "
      "(receiver_name)"
      " WHERE r.enabled",
      {});
  const pg::Rows rows = statement.query(spi);
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    receivers_.push_back(*rows.text(row, 1));
    const auto limit = notify::rate_limit_of(*rows.text(row, 2), parsed(rows.text(row, 3)));
    if (!limit) continue;
    states_[receivers_.back()] = {*limit, rows.timestamptz(row, 4).value_or(now)};
  }
}

std::optional<std::uint32_t> RateLimits::allowed(const std::string& receiver) const {
  const auto found = states_.find(receiver);
  if (found == states_.end()) return std::nullopt;
  return notify::requests_allowed(found->second.limit, found->second.full_at, now_);
}

void RateLimits::take(const std::vector<std::string>& receivers) {
  std::map<std::string, std::uint32_t> requests;
  for (const std::string& receiver : receivers) {
    if (states_.count(receiver) > 0) ++requests[receiver];
  }
  if (requests.empty()) return;
  std::vector<std::string> names;
  std::vector<Instant> full;
  std::vector<Instant> limited_until;
  for (const auto& [receiver, count] : requests) {
    State& state = states_.at(receiver);
    state.full_at = notify::full_after(state.limit, state.full_at, count, now_);
    names.push_back(receiver);
    full.push_back(state.full_at);
    limited_until.push_back(notify::next_request_at(state.limit, state.full_at));
  }
  static pg::Prepared statement(
      "INSERT INTO monitoring_internal.receiver_pace AS p (receiver_name, full_at, limited_until)"
      " SELECT * FROM unnest($1, $2, $3)"
      " ON CONFLICT (receiver_name) DO UPDATE"
      "  SET full_at = excluded.full_at, limited_until = excluded.limited_until",
      {TEXTARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID});
  statement.execute(spi_, {pg::text_array(names), pg::timestamptz_array(full),
                           pg::timestamptz_array(limited_until)});
}

std::map<std::string, ReceiverSettings> settings_of(pg::Spi& spi,
                                                    const std::vector<std::string>& receivers) {
  if (receivers.empty()) return {};
  static pg::Prepared statement(
      "SELECT receiver_name, settings::text, set_by_oid::int8 FROM monitoring.receivers"
      " WHERE receiver_name = ANY ($1)",
      {TEXTARRAYOID});
  const pg::Rows rows = statement.query(spi, {pg::text_array(receivers)});
  std::map<std::string, ReceiverSettings> settings;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    settings[*rows.text(row, 1)] = {*rows.text(row, 2), static_cast<Oid>(*rows.int8(row, 3))};
  }
  return settings;
}

Pauses load_pauses(pg::Spi& spi, Instant now) {
  const pg::Rows rows = spi.query(
      "SELECT receiver_name, paused_until FROM monitoring_internal.receiver_pace WHERE "
      "paused_until > $1",
      {pg::timestamptz(now)});
  Pauses pauses;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    pauses[*rows.text(row, 1)] = *rows.timestamptz(row, 2);
  }
  return pauses;
}

void save_pauses(pg::Spi& spi, const Pauses& pauses) {
  if (pauses.empty()) return;
  std::vector<std::string> names;
  std::vector<Instant> times;
  for (const auto& [receiver, until] : pauses) {
    names.push_back(receiver);
    times.push_back(until);
  }
  static pg::Prepared statement(
      "INSERT INTO monitoring_internal.receiver_pace AS p (receiver_name, paused_until)"
      " SELECT * FROM unnest($1, $2)"
      " ON CONFLICT (receiver_name) DO UPDATE SET paused_until = excluded.paused_until"
      "  WHERE p.paused_until IS DISTINCT FROM excluded.paused_until",
      {TEXTARRAYOID, TIMESTAMPTZARRAYOID});
  statement.execute(spi, {pg::text_array(names), pg::timestamptz_array(times)});
}

void forget_gone_receivers(pg::Spi& spi) {
  spi.execute(
      "DELETE FROM monitoring_internal.receiver_pace p WHERE NOT EXISTS"
      " (SELECT FROM monitoring.receivers r WHERE r.receiver_name = p.receiver_name)");
}

}  // namespace monitoring::outbox
