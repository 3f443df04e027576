#include "monitoring/measurements/metric_definitions.hpp"

#include "monitoring/pg/encoding.hpp"

extern "C" {
#include <access/genam.h>
#include <access/htup_details.h>
#include <access/table.h>
#include <catalog/namespace.h>
#include <catalog/pg_type.h>
#include <mb/pg_wchar.h>
#include <utils/array.h>
#include <utils/builtins.h>
#include <utils/lsyscache.h>
#include <utils/rel.h>
}

namespace monitoring::measurements {

namespace {

/// Columns of the table, in its order.
enum Column : int { kName = 1, kType, kUnit, kHelp, kDimensionKeys, kBuckets };

/// A row in the memory context of the caller; nullptr where a value is NULL.
struct Row {
  bool found;
  const char* type;
  const char* unit;
  const char* help;
  const double* bounds;
  int bound_count;
};

const char* text_or_null(HeapTuple tuple, TupleDesc columns, Column column) {
  bool is_null = false;
  const Datum value = heap_getattr(tuple, column, columns, &is_null);
  return is_null ? nullptr : TextDatumGetCString(value);
}

Row read_row(HeapTuple tuple, TupleDesc columns) {
  Row row = {true,
             text_or_null(tuple, columns, kType),
             text_or_null(tuple, columns, kUnit),
             text_or_null(tuple, columns, kHelp),
             nullptr,
             0};
  bool is_null = false;
  const Datum buckets = heap_getattr(tuple, kBuckets, columns, &is_null);
  if (is_null) return row;
  ArrayType* const array = DatumGetArrayTypePCopy(buckets);
  row.bounds = reinterpret_cast<const double*>(ARR_DATA_PTR(array));
  row.bound_count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
  return row;
}

/// By a scan: a metric is looked for once, and there are few. Without a table, which is there
/// unless somebody has dropped the extension meanwhile, there is no row.
Row find_row(std::string_view name) {
  Row row = {};
  const Oid schema = get_namespace_oid("monitoring", true);
  const Oid oid = OidIsValid(schema) ? get_relname_relid("metric_definitions", schema) : InvalidOid;
  if (!OidIsValid(oid)) return row;
  Relation table = table_open(oid, AccessShareLock);
  SysScanDesc scan = systable_beginscan(table, InvalidOid, false, nullptr, 0, nullptr);
  for (HeapTuple tuple; !row.found && (tuple = systable_getnext(scan)) != nullptr;) {
    const char* const found = text_or_null(tuple, RelationGetDescr(table), kName);
    if (found == name) row = read_row(tuple, RelationGetDescr(table));
  }
  systable_endscan(scan);
  table_close(table, AccessShareLock);
  return row;
}

/// NULL where it is empty.
pg::Param text_of(const std::string& utf8) {
  if (utf8.empty()) return pg::null_of(TEXTOID);
  return pg::text(utf8);
}

std::string or_empty(const char* text) {
  return text == nullptr ? std::string() : pg::utf8_of(text);
}

pg::Param array_or_null(const std::vector<double>& numbers) {
  if (numbers.empty()) return pg::null_of(FLOAT8ARRAYOID);
  return pg::datum(
      FLOAT8ARRAYOID, pg::call([&] {
        auto* const datums = static_cast<Datum*>(palloc(numbers.size() * sizeof(Datum)));
        for (std::size_t i = 0; i < numbers.size(); ++i) {
          datums[i] = Float8GetDatum(numbers[i]);
        }
        return PointerGetDatum(construct_array(datums, static_cast<int>(numbers.size()), FLOAT8OID,
                                               sizeof(double), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
      }));
}

}  // namespace

metrics::MetricSpec MetricDefinition::spec() const {
  metrics::MetricSpec spec;
  spec.name = name;
  spec.type = type;
  spec.help = help;
  spec.unit = unit;
  if (bounds.empty()) return spec;
  spec.bounds = bounds.data();
  spec.bound_count = static_cast<std::uint32_t>(bounds.size());
  return spec;
}

std::optional<MetricDefinition> find_definition(std::string_view name) {
  const Row row = pg::call([&] { return find_row(name); });
  if (!row.found) return std::nullopt;
  MetricDefinition definition;
  definition.name = name;
  definition.type = metrics::parse_type(or_empty(row.type)).value_or(metrics::MetricType::gauge);
  definition.help = or_empty(row.help);
  definition.unit = or_empty(row.unit);
  definition.bounds.assign(row.bounds, row.bounds + row.bound_count);
  return definition;
}

void write_definition(pg::Spi& spi, const MetricDefinition& definition,
                      std::optional<bool> snapshot) {
  spi.execute(
      "INSERT INTO monitoring.metric_definitions AS d"
      " (metric_name, metric_type, unit, help, buckets, snapshot, samples)"
      " VALUES ($1, $2, $3, $4, $5, coalesce($6, false), CASE WHEN $6 THEN 'increases' END)"
      " ON CONFLICT (metric_name) DO UPDATE SET metric_type = excluded.metric_type,"
      " unit = excluded.unit, help = excluded.help, buckets = excluded.buckets,"
      " snapshot = coalesce($6, d.snapshot), samples = coalesce(excluded.samples, d.samples)",
      {pg::text(definition.name), pg::text(metrics::type_name(definition.type)),
       text_of(definition.unit), text_of(definition.help), array_or_null(definition.bounds),
       snapshot ? pg::boolean(*snapshot) : pg::null_of(BOOLOID)});
}

}  // namespace monitoring::measurements
