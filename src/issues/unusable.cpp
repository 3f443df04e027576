#include "monitoring/issues/unusable.hpp"

#include <algorithm>
#include <iterator>

#include "monitoring/base/instant_math.hpp"
#include "monitoring/base/json.hpp"
#include "monitoring/pg/prepared.hpp"

extern "C" {
#include <catalog/pg_type.h>
}

namespace monitoring::issues {

namespace {

constexpr const char* kOthers = "others";
constexpr Duration kRest = std::chrono::minutes(1);
/// What was not looked at for so long after its rest is gone, or not wanted any more.
constexpr Duration kForgotten = std::chrono::minutes(10);
/// A reason may hold a whole text of a user's.
constexpr std::size_t kLongestReasonBytes = 1000;

bool any_open(pg::Spi& spi, const std::string& worker_name, const std::string& issue_type) {
  static pg::Prepared statement(
      "SELECT EXISTS (SELECT FROM monitoring.worker_issues i"
      " WHERE i.worker_name OPERATOR(pg_catalog.=) $1 AND i.issue_type OPERATOR(pg_catalog.=) $2"
      " AND i.resolved IS NOT TRUE)",
      {TEXTOID, TEXTOID});
  return *statement.query(spi, {pg::text(worker_name), pg::text(issue_type)}).boolean(0, 1);
}

}  // namespace

UnusableObjects::UnusableObjects(std::string_view worker_name, std::string_view issue_type)
    : worker_name_(worker_name), issue_type_(issue_type) {}

void UnusableObjects::add(std::string_view object, std::string_view reason) {
  const auto is_known = [&](const Object& known) { return known.name == object; };
  if (std::any_of(objects_.begin(), objects_.end(), is_known)) return;
  // What was thrown for others to read may begin with the name.
  const std::string prefix = std::string(object) + ": ";
  if (reason.substr(0, prefix.size()) == prefix) reason.remove_prefix(prefix.size());
  objects_.push_back({std::string(object), std::string(reason.substr(0, kLongestReasonBytes))});
}

void UnusableObjects::settle(pg::Spi& spi) const {
  if (objects_.empty() && !any_open(spi, worker_name_, issue_type_)) return;
  Json wanted = Json::array();
  const std::size_t named = std::min(objects_.size(), kMostNamed);
  for (std::size_t i = 0; i < named; ++i) {
    wanted.push_back(
        {{"object", objects_[i].name}, {"message", objects_[i].name + ": " + objects_[i].reason}});
  }
  if (objects_.size() > named) {
    wanted.push_back({{"object", kOthers},
                      {"message", std::to_string(objects_.size() - named) +
                                      " more that could not be used are not named here"}});
  }
  // One statement, so that what is opened, updated and resolved is told by the same state.
  spi.execute(
      "WITH wanted AS (SELECT w.object, w.message"
      "  FROM pg_catalog.jsonb_to_recordset($3) AS w(object text, message text)),"
      " known AS (SELECT i.id, i.message, i.details OPERATOR(pg_catalog.->>) 'object' AS object"
      "  FROM monitoring.worker_issues i WHERE i.worker_name OPERATOR(pg_catalog.=) $1"
      "  AND i.issue_type OPERATOR(pg_catalog.=) $2 AND i.resolved IS NOT TRUE),"
      " settled AS (UPDATE monitoring.worker_issues i SET resolved = w.object IS NULL,"
      "   message = coalesce(w.message, i.message),"
      "   resolved_at = CASE WHEN w.object IS NULL THEN pg_catalog.now() END,"
      "   resolution_details = CASE WHEN w.object IS NULL THEN 'It can be used again.' END"
      "  FROM known k LEFT JOIN wanted w ON w.object OPERATOR(pg_catalog.=) k.object"
      "  WHERE i.id OPERATOR(pg_catalog.=) k.id AND w.message IS DISTINCT FROM k.message)"
      " INSERT INTO monitoring.worker_issues (worker_name, issue_type, severity, message, details)"
      " SELECT $1, $2, 'warning', w.message, pg_catalog.jsonb_build_object('object', w.object)"
      " FROM wanted w WHERE NOT EXISTS (SELECT FROM known k"
      "  WHERE k.object OPERATOR(pg_catalog.=) w.object)",
      {pg::text(worker_name_), pg::text(issue_type_), pg::jsonb(wanted.dump())});
}

RestingObjects::RestingObjects(std::string_view worker_name, std::string_view issue_type,
                               std::string_view noun)
    : worker_name_(worker_name), issue_type_(issue_type), noun_(noun) {}

std::vector<std::string> RestingObjects::keys(Instant now) {
  std::vector<std::string> found;
  for (auto next = resting_.begin(); next != resting_.end();) {
    const Duration left = elapsed(now, next->second.until);
    // Longer than it was told to rest: the clock was set back.
    if (left > Duration::zero() && left <= kRest) found.push_back(next->first);
    const bool is_forgotten = left < -kForgotten || left > kRest;
    next = is_forgotten ? resting_.erase(next) : std::next(next);
  }
  return found;
}

void RestingObjects::add(const std::string& key, Instant now, const std::string& reason) {
  resting_[key] = {later(now, kRest), reason};
  next_settlement_ = Instant{};
}

void RestingObjects::forget(const std::string& key) {
  // Its issue is to be resolved now.
  if (resting_.erase(key) > 0) next_settlement_ = Instant{};
}

void RestingObjects::settle(pg::Spi& spi, Instant now) {
  // Those of an earlier process are found, too, but not every second.
  const bool is_time = now >= next_settlement_ || next_settlement_ > later(now, kRest);
  if (resting_.empty() && !is_time) return;
  UnusableObjects objects(worker_name_, issue_type_);
  for (const auto& [key, rest] : resting_) {
    objects.add(noun_ + " \"" + key + "\"", rest.reason);
  }
  objects.settle(spi);
  next_settlement_ = later(now, kRest);
}

}  // namespace monitoring::issues
