#include "monitoring/series/labelled_result.hpp"

extern "C" {
#include <access/detoast.h>
#include <access/printtup.h>
#include <catalog/pg_type.h>
#include <executor/spi.h>
#include <executor/tuptable.h>
#include <nodes/params.h>
#include <tcop/dest.h>
#include <utils/guc.h>
}
// clang-format keeps the server's headers first.
#include <cctype>
#include <cstdlib>

#include "monitoring/base/encoding.hpp"
#include "monitoring/pg/encoding.hpp"

namespace monitoring::series {

namespace {

constexpr const char* kValue = "value";

bool is_number(Oid type) {
  return type == INT2OID || type == INT4OID || type == INT8OID || type == FLOAT4OID ||
         type == FLOAT8OID || type == NUMERICOID;
}

void add_label(int column, std::string name, const LabelCheck& check, ResultShape* shape) {
  if (!is_label_name(name)) {
    throw pg::Report(ERRCODE_INVALID_NAME, "column \"" + name + "\" is no valid label name")
        .hint("Use letters, digits and underscores, and no digit first.");
  }
  check(name);
  for (const auto& [other, known] : shape->labels) {
    if (known == name) {
      throw pg::Report(ERRCODE_DUPLICATE_COLUMN, "two columns are named \"" + name + "\"");
    }
  }
  shape->labels.emplace_back(column, std::move(name));
}

void set_value(int column, Oid type, ResultShape* shape) {
  if (shape->value != 0) {
    throw pg::Report(ERRCODE_DUPLICATE_COLUMN, "two columns are named \"value\"");
  }
  if (!is_number(type)) {
    throw pg::Report(ERRCODE_DATATYPE_MISMATCH, "column \"value\" must be a number")
        .hint("Cast it, for example to float8.");
  }
  shape->value = column;
}

}  // namespace

void settle_output_format() {
  static constexpr const char* kSettings[][2] = {{"TimeZone", "UTC"},
                                                 {"DateStyle", "ISO, MDY"},
                                                 {"IntervalStyle", "postgres"},
                                                 {"bytea_output", "hex"},
                                                 {"extra_float_digits", "1"}};
  pg::call([] {
    for (const auto& setting : kSettings) {
      set_config_option(setting[0], setting[1], PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
                        0, false);
    }
  });
}

std::string too_many_rows(std::int64_t row_limit) {
  return "the result has more than " + std::to_string(row_limit) + " rows";
}

void refuse_more_rows(const pg::Rows& rows, std::int64_t row_limit) {
  if (rows.size() <= static_cast<std::uint64_t>(row_limit)) return;
  throw pg::Report(ERRCODE_PROGRAM_LIMIT_EXCEEDED, too_many_rows(row_limit))
      .hint("Aggregate further, or raise the limit.");
}

SPIPlanPtr plan_one_query(const std::string& sql) {
  const std::string in_server_encoding = pg::server_text(sql);
  const char* text = in_server_encoding.c_str();
  // Planned by itself, so that nothing else can hide in the text.
  SPIPlanPtr plan = pg::call([&] {
    Oid types[] = {TIMESTAMPTZOID};
    return SPI_prepare(text, 1, types);
  });
  if (plan != nullptr && pg::call([&] { return SPI_is_cursor_plan(plan); })) return plan;
  throw pg::Report(ERRCODE_SYNTAX_ERROR, "the expression must be one query");
}

namespace {

/// Of all values of a result, uncompressed: it is kept in memory.
constexpr std::size_t kMostResultBytes = 64UL << 20;

/// SPI's own receiver, which adds up what it is given.
struct BoundedReceiver {
  DestReceiver receiver;
  std::size_t bytes;
};

std::size_t size_of(Datum value, const FormData_pg_attribute& column) {
  if (column.attlen == -1) return toast_raw_datum_size(value);
  return column.attlen > 0 ? static_cast<std::size_t>(column.attlen) : NAMEDATALEN;
}

/// Called by the executor: plain C, errors are the server's.
bool receive(TupleTableSlot* slot, DestReceiver* self) {
  auto* const bounded = reinterpret_cast<BoundedReceiver*>(self);
  slot_getallattrs(slot);
  for (int i = 0; i < slot->tts_tupleDescriptor->natts; ++i) {
    if (slot->tts_isnull[i]) continue;
    bounded->bytes += size_of(slot->tts_values[i], *TupleDescAttr(slot->tts_tupleDescriptor, i));
  }
  if (bounded->bytes > kMostResultBytes) {
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("the result is larger than %zu MB", kMostResultBytes >> 20)));
  }
  return spi_printtup(slot, self);
}

void nothing_to_do(DestReceiver*) {}

}  // namespace

pg::Rows run_one_query(const std::string& sql, Instant now, std::int64_t row_limit) {
  SPIPlanPtr plan = plan_one_query(sql);
  const pg::Param at = pg::timestamptz(now);
  BoundedReceiver bounded{{receive, spi_dest_startup, nothing_to_do, nothing_to_do, DestSPI}, 0};
  pg::call([&] {
    ParamListInfo params = makeParamList(1);
    params->params[0].value = at.value;
    params->params[0].isnull = false;
    params->params[0].pflags = PARAM_FLAG_CONST;
    params->params[0].ptype = TIMESTAMPTZOID;
    SPIExecuteOptions options{};
    options.params = params;
    options.tcount = static_cast<std::uint64_t>(row_limit) + 1;
    options.dest = &bounded.receiver;
    return SPI_execute_plan_extended(plan, &options);
  });
  const pg::Rows rows{SPI_tuptable, SPI_processed};
  refuse_more_rows(rows, row_limit);
  return rows;
}

ResultShape shape_of(const pg::Rows& rows, const LabelCheck& check) {
  ResultShape shape;
  for (int column = 1; column <= rows.columns(); ++column) {
    std::string name = rows.column_name(column);
    if (name == kValue) {
      set_value(column, rows.column_type(column), &shape);
    } else {
      add_label(column, std::move(name), check, &shape);
    }
  }
  if (shape.value != 0) return shape;
  throw pg::Report(ERRCODE_UNDEFINED_COLUMN, "the result has no column \"value\"")
      .hint("Name one: SELECT count(*) AS value ...");
}

Labels labels_of(const pg::Rows& rows, std::uint64_t row, const ResultShape& shape) {
  Labels labels;
  for (const auto& [column, name] : shape.labels) {
    auto text = rows.text(row, column);
    // Names of other databases and texts from there may be in any encoding.
    if (text && !text->empty()) labels.set(name, valid_utf8(*text));
  }
  return labels;
}

std::optional<double> value_of(const pg::Rows& rows, std::uint64_t row, const ResultShape& shape) {
  const auto text = rows.text(row, shape.value);
  if (!text) return std::nullopt;
  return std::strtod(text->c_str(), nullptr);
}

}  // namespace monitoring::series
