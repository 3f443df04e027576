#include "rollup/high_cardinality.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "monitoring/base/json.hpp"

namespace monitoring::rollup {

namespace {

/// Enough series to see which tags vary.
constexpr std::size_t kSample = 2000;

struct Crowd {
  std::size_t series = 0;
  std::vector<const Series*> sample;
};

std::map<std::pair<std::uint32_t, std::int64_t>, Crowd> crowds(SeriesTable& table) {
  std::map<std::pair<std::uint32_t, std::int64_t>, Crowd> found;
  for (const Series& series : table.series()) {
    Crowd& crowd = found[{series.metric, series.hour}];
    if (++crowd.series <= kSample && series.dimensions != nullptr) crowd.sample.push_back(&series);
  }
  return found;
}

/// How many distinct values each tag has in the sample. Runs server code: call under pg::call
/// per series; the results are C++ objects of the caller.
void count_values(const Series& series, std::map<std::string, std::set<std::string>>* values) {
  std::string text;
  const char* json = pg::call([&] {
    auto* root = const_cast<JsonbContainer*>(&series.dimensions->root);
    return JsonbToCString(nullptr, root, static_cast<int>(VARSIZE_ANY_EXHDR(series.dimensions)));
  });
  const auto parsed = Json::parse_or_null(json);
  if (!parsed.is_object()) return;
  for (const auto& [key, value] : parsed.members()) {
    (*values)[key].insert(value.dump());
  }
}

Json varying_tags(const Crowd& crowd) {
  std::map<std::string, std::set<std::string>> values;
  for (const Series* series : crowd.sample) count_values(*series, &values);
  std::vector<std::pair<std::size_t, std::string>> ranked;
  for (const auto& [key, distinct] : values) {
    if (distinct.size() > 1) ranked.emplace_back(distinct.size(), key);
  }
  std::sort(ranked.rbegin(), ranked.rend());
  Json tags = Json::array();
  for (const auto& [count, key] : ranked) {
    if (tags.size() < 10) tags.push_back(key);
  }
  return tags;
}

}  // namespace

void note_high_cardinality(pg::Spi& spi, SeriesTable& table) {
  if (table.series().size() <= kHighCardinality) return;
  for (const auto& [key, crowd] : crowds(table)) {
    if (crowd.series <= kHighCardinality) continue;
    const std::string& metric = table.metric_name(*crowd.sample.front());
    const Json details = {
        {"metric_name", metric}, {"series", crowd.series}, {"varying_tags", varying_tags(crowd)}};
    spi.execute(
        "INSERT INTO monitoring.worker_issues (worker_name, issue_type, severity, message, details)"
        " SELECT 'rollup', 'high_cardinality', 'warning', $1, $2 WHERE NOT EXISTS (SELECT FROM"
        " monitoring.worker_issues WHERE issue_type = 'high_cardinality' AND NOT resolved"
        "  AND details ->> 'metric_name' = $3)",
        {pg::text("metric \"" + metric + "\" made " + std::to_string(crowd.series) +
                  " series in one hour; name its identifying tags in"
                  " monitoring.metric_definitions.dimension_keys"),
         pg::jsonb(details.dump()), pg::text(metric)});
  }
}

}  // namespace monitoring::rollup
