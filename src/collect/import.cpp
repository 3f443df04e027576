#include "monitoring/collect/import.hpp"

#include "monitoring/pg/version.hpp"

extern "C" {
#include <catalog/pg_type.h>
#include <nodes/parsenodes.h>
#include <parser/parser.h>
#include <utils/lsyscache.h>
}
// clang-format keeps the server's headers first.
#include <utility>

#include "monitoring/collect/collectors.hpp"
#include "monitoring/pg/transaction.hpp"

namespace monitoring::collect {

namespace {

using foreign::ValueKind;

ValueKind kind_of(Oid type) {
  switch (pg::call([&] { return getBaseType(type); })) {
    case INT2OID:
    case INT4OID:
    case INT8OID:
    case FLOAT4OID:
    case FLOAT8OID:
    case NUMERICOID:
      return ValueKind::number;
    case OIDOID:
    case XIDOID:
    case XID8OID:
    case CIDOID:
      return ValueKind::digits;
    case BOOLOID:
      return ValueKind::boolean;
    case DATEOID:
    case TIMESTAMPOID:
    case TIMESTAMPTZOID:
      return ValueKind::time;
    case TEXTOID:
    case VARCHAROID:
    case BPCHAROID:
    case NAMEOID:
    case CHAROID:
      return ValueKind::text;
    default:
      return ValueKind::other;
  }
}

/// The owner's name. The check comes before anything is done as that role.
std::string owner_of(pg::Spi& spi, const std::optional<std::string>& name) {
  const pg::Rows rows = spi.query(
      "SELECT r.rolname::text, r.oid FROM pg_catalog.pg_roles AS r"
      " WHERE r.rolname = coalesce($1, current_user)",
      {pg::text(name)});
  if (rows.empty()) {
    throw pg::Report(ERRCODE_UNDEFINED_OBJECT, "role \"" + *name + "\" does not exist");
  }
  const auto role = static_cast<Oid>(*rows.int8(0, 2));
  if (pg::call([&] { return pg::may_act_as(role); })) return *rows.text(0, 1);
  throw pg::Report(ERRCODE_INSUFFICIENT_PRIVILEGE, "must be a member of role \"" + *name + "\"")
      .hint("The owner is the role that the queries run as.");
}

/// The query without what may follow it: a semicolon, and comments behind that.
std::string statement_of(const std::string& query) {
  const char* text = query.c_str();
  int begin = 0;
  int length = 0;
  const auto error = pg::attempt([&] {
    pg::call([&] {
      List* parsed = raw_parser(text, RAW_PARSE_DEFAULT);
      if (list_length(parsed) != 1) return;
      begin = linitial_node(RawStmt, parsed)->stmt_location;
      length = linitial_node(RawStmt, parsed)->stmt_len;
    });
  });
  return error || length == 0 ? query : query.substr(begin, length);
}

std::vector<foreign::ResultColumn> columns_of(pg::Spi& spi, const QueryOfOwner& query) {
  std::vector<foreign::ResultColumn> columns;
  for (const QueryColumn& column : columns_of_query(spi, query)) {
    columns.push_back({column.name, kind_of(column.type)});
  }
  return columns;
}

/// What the file says nothing of stays as it is. One that has not changed goes on undisturbed.
void save(pg::Spi& spi, const foreign::ExporterQuery& query,
          const foreign::ExporterCollector& collector, const std::string& owner,
          const ImportSettings& settings) {
  const pg::Param every = query.cache_seconds && *query.cache_seconds > 0
                              ? pg::interval(std::chrono::seconds(*query.cache_seconds))
                              : settings.every;
  spi.execute(
      "INSERT INTO monitoring.collectors AS c"
      " (collector_name, query, every, metrics, scope, owner, search_path)"
      " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (collector_name) DO UPDATE SET"
      " query = excluded.query, every = excluded.every, metrics = excluded.metrics,"
      " scope = excluded.scope, owner = excluded.owner, search_path = excluded.search_path,"
      " pack_name = NULL, next_run_at = NULL, consecutive_failures = 0,"
      " average_duration_ms = NULL, stretched_every = NULL"
      " WHERE (c.query, c.every, c.metrics, c.scope, c.owner, c.search_path) IS DISTINCT FROM"
      "  (excluded.query, excluded.every, excluded.metrics, excluded.scope, excluded.owner,"
      "   excluded.search_path)",
      {pg::text(query.name), pg::text(collector.query), every, pg::jsonb(collector.metrics),
       pg::text(query.is_of_cluster ? "cluster" : "database"), pg::text(owner),
       pg::text(settings.search_path)});
}

/// Why a collector gives nothing, if so.
std::optional<foreign::Note> trial_of(pg::Spi& spi, const std::string& name, Instant now) {
  try {
    preview_collector(spi, name, now);
    return std::nullopt;
  } catch (const pg::Report& report) {
    return foreign::Note{report.what(), "It is kept, and tried again at its times."};
  }
}

/// Imports one query. That it does not work yet is a note: what it reads may be made later.
void import_one(pg::Spi& spi, const foreign::ExporterQuery& query, const std::string& owner,
                const ImportSettings& settings, CollectorImport* result) {
  std::optional<std::vector<foreign::ResultColumn>> columns;
  std::optional<foreign::Note> failure;
  try {
    columns = columns_of(spi, {query.query, owner, settings.search_path});
  } catch (const pg::Report& report) {
    failure = foreign::Note{
        report.what(),
        "It is kept, and tried again at its times. Import the file again once it works: columns "
        "that the file says nothing of are found then."};
  }
  const auto collector = foreign::collector_of(query, columns);
  if (!collector) throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, collector.error());
  save(spi, query, *collector, owner, settings);
  if (!failure) failure = trial_of(spi, query.name, settings.now);
  auto& notes = result->notes;
  notes.insert(notes.end(), collector->notes.begin(), collector->notes.end());
  if (failure) {
    failure->message = "collector \"" + query.name + "\" does not work yet: " + failure->message;
    notes.push_back(std::move(*failure));
  }
  result->collectors.push_back({query.name, collector->metric_names});
}

}  // namespace

CollectorImport import_collectors(pg::Spi& spi, const std::string& yaml,
                                  const ImportSettings& settings) {
  const foreign::Version server{PG_VERSION_NUM / 10000, PG_VERSION_NUM % 10000, 0};
  auto queries = foreign::parse_exporter_queries(yaml, server);
  if (!queries) throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, queries.error());
  const std::string owner = owner_of(spi, settings.owner);
  CollectorImport result;
  result.notes = std::move(queries->notes);
  for (foreign::ExporterQuery& query : queries->queries) {
    query.query = statement_of(query.query);
    import_one(spi, query, owner, settings, &result);
  }
  return result;
}

}  // namespace monitoring::collect
