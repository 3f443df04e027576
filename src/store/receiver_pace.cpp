#include "monitoring/store/receiver_pace.hpp"

#include <nlohmann/json.hpp>

#include "monitoring/base/rfc3339.hpp"

namespace monitoring::store {

namespace {

using nlohmann::json;

/// A value that was written by hand and is not in order counts as missing.
json parsed(const std::optional<std::string>& text) {
  if (!text) return {};
  return json::parse(*text, nullptr, /*allow_exceptions=*/false);
}

}  // namespace

RateLimits::RateLimits(pg::Spi& spi, Instant now) : spi_(spi), now_(now) {
  const pg::Rows rows = spi.query(
      "SELECT r.receiver_name, r.kind, (r.settings -> 'rate_limit')::text, p.full_at"
      " FROM monitoring.receivers r LEFT JOIN monitoring.receiver_pace p USING (receiver_name)"
      " WHERE r.enabled");
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    const auto limit = notify::rate_limit_of(*rows.text(row, 2), parsed(rows.text(row, 3)));
    if (!limit) continue;
    states_[*rows.text(row, 1)] = {*limit, rows.timestamptz(row, 4).value_or(now)};
  }
}

std::map<std::string, std::uint32_t> RateLimits::allowed() const {
  std::map<std::string, std::uint32_t> allowed;
  for (const auto& [receiver, state] : states_) {
    allowed[receiver] = notify::requests_allowed(state.limit, state.full_at, now_);
  }
  return allowed;
}

void RateLimits::take(const std::vector<std::string>& receivers) {
  std::map<std::string, std::uint32_t> requests;
  for (const std::string& receiver : receivers) {
    if (states_.count(receiver) > 0) ++requests[receiver];
  }
  if (requests.empty()) return;
  json rows = json::array();
  for (const auto& [receiver, count] : requests) {
    State& state = states_.at(receiver);
    state.full_at = notify::full_after(state.limit, state.full_at, count, now_);
    const Instant next = notify::next_request_at(state.limit, state.full_at);
    rows.push_back({{"receiver", receiver},
                    {"full_at", rfc3339(state.full_at)},
                    {"limited_until", rfc3339(next)}});
  }
  spi_.execute(
      "INSERT INTO monitoring.receiver_pace AS p (receiver_name, full_at, limited_until)"
      " SELECT receiver, full_at, limited_until FROM jsonb_to_recordset($1) AS"
      "  t(receiver text, full_at timestamptz, limited_until timestamptz)"
      " ON CONFLICT (receiver_name) DO UPDATE"
      "  SET full_at = excluded.full_at, limited_until = excluded.limited_until",
      {pg::jsonb(rows.dump(-1, ' ', false, json::error_handler_t::replace))});
}

Pauses load_pauses(pg::Spi& spi, Instant now) {
  const pg::Rows rows = spi.query(
      "SELECT receiver_name, paused_until FROM monitoring.receiver_pace WHERE paused_until > $1",
      {pg::timestamptz(now)});
  Pauses pauses;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    pauses[*rows.text(row, 1)] = *rows.timestamptz(row, 2);
  }
  return pauses;
}

void save_pauses(pg::Spi& spi, const Pauses& pauses) {
  if (pauses.empty()) return;
  json rows = json::array();
  for (const auto& [receiver, until] : pauses) {
    rows.push_back({{"receiver", receiver}, {"until", rfc3339(until)}});
  }
  spi.execute(
      "INSERT INTO monitoring.receiver_pace AS p (receiver_name, paused_until)"
      " SELECT receiver, until FROM jsonb_to_recordset($1) AS t(receiver text, until timestamptz)"
      " ON CONFLICT (receiver_name) DO UPDATE SET paused_until = excluded.paused_until"
      "  WHERE p.paused_until IS DISTINCT FROM excluded.paused_until",
      {pg::jsonb(rows.dump(-1, ' ', false, json::error_handler_t::replace))});
}

void forget_gone_receivers(pg::Spi& spi) {
  spi.execute(
      "DELETE FROM monitoring.receiver_pace p WHERE NOT EXISTS"
      " (SELECT FROM monitoring.receivers r WHERE r.receiver_name = p.receiver_name)");
}

}  // namespace monitoring::store
