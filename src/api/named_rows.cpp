#include "api/named_rows.hpp"

#include "monitoring/pg/arguments.hpp"

extern "C" {
#include <utils/varlena.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <limits>

namespace monitoring::api {

namespace {

/// What the server's distance between words can take, in bytes.
constexpr std::size_t kLongestWord = 255;
/// Names that are held against a misspelt one: each takes a microsecond or ten.
constexpr long kMostNames = 10000;

int distance(std::string_view a, std::string_view b) {
  return pg::call([&] {
    return varstr_levenshtein(a.data(), static_cast<int>(a.size()), b.data(),
                              static_cast<int>(b.size()), 1, 1, 1, true);
  });
}

std::vector<std::string> names_of(pg::Spi& spi, const NamedKind& kind) {
  const std::string sql =
      "SELECT " + std::string(kind.key) + "::pg_catalog.text FROM " + kind.table + " ORDER BY 1";
  const pg::Rows rows = spi.query(sql.c_str(), {}, kMostNames);
  std::vector<std::string> names;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    if (auto name = rows.text(row, 1)) names.push_back(std::move(*name));
  }
  return names;
}

}  // namespace

std::string replacing(const char* key, const std::vector<const char*>& columns,
                      const char* on_change) {
  std::string sets, before, after;
  for (const char* column : columns) {
    const std::string comma = sets.empty() ? "" : ", ";
    sets += comma + column + " = excluded." + column;
    before += comma + "old." + column;
    after += comma + "excluded." + column;
  }
  // As the rows are stored: that needs no operator of a type, and so nothing of a search_path.
  return " ON CONFLICT (" + std::string(key) + ") DO UPDATE SET " + sets + on_change +
         " WHERE (ROW(" + before + ")::record) OPERATOR(pg_catalog.*<>) (ROW(" + after +
         ")::record)";
}

void make(const NamedKind& kind, std::string_view name, const std::function<void()>& insert) {
  try {
    insert();
  } catch (const pg::PgError& error) {
    if (error.sqlstate() != ERRCODE_UNIQUE_VIOLATION) throw;
    throw pg::Report(ERRCODE_UNIQUE_VIOLATION,
                     std::string(kind.what) + " \"" + std::string(name) + "\" exists already")
        .hint(
            "With replace => true it is changed; what refers to it, and the state of its "
            "alerts, stays.");
  }
}

std::string nearest_name(std::string_view name, const std::vector<std::string>& known) {
  if (name.size() > kLongestWord) return {};
  std::string best;
  int least = std::numeric_limits<int>::max();
  for (const std::string& candidate : known) {
    if (candidate.size() > kLongestWord) continue;
    const int steps = distance(name, candidate);
    const bool is_alike = steps <= static_cast<int>(std::max(name.size(), candidate.size()) / 2);
    if (!is_alike || steps >= least) continue;
    least = steps;
    best = candidate;
  }
  return best;
}

void refuse_unknown(pg::Spi& spi, const NamedKind& kind, const std::string& name) {
  const std::string alike = nearest_name(name, names_of(spi, kind));
  throw pg::Report(ERRCODE_UNDEFINED_OBJECT,
                   "there is no " + std::string(kind.what) + " \"" + name + "\"")
      .hint((alike.empty() ? std::string() : "Perhaps \"" + alike + "\" is meant. ") + "See " +
            kind.table + ".");
}

bool drop(FunctionCallInfo fcinfo, const NamedKind& kind) {
  const std::string name = pg::required_text(fcinfo, 0, kind.key);
  pg::require(fcinfo, 1, "if_exists");
  pg::Spi spi;
  const std::string sql = "DELETE FROM " + std::string(kind.table) + " WHERE " + kind.key +
                          " OPERATOR(pg_catalog.=) $1";
  if (spi.execute(sql.c_str(), {pg::text(name)}) > 0) return true;
  if (PG_GETARG_BOOL(1)) return false;
  refuse_unknown(spi, kind, name);
}

}  // namespace monitoring::api
