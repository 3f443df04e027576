#pragma once
// The result of a query that a user has written for us: `value` a number, every other column a
// label. Rules and collectors read the same.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "monitoring/base/labels.hpp"

struct _SPI_plan;

namespace monitoring::series {

/// Labels are texts, and texts are identities: they must not depend on who evaluates. Undone when
/// the owner's scope ends, in which it has to be called.
void settle_output_format();

/// Throws 54000 where there are more.
void refuse_more_rows(const pg::Rows& rows, std::int64_t row_limit);

/// The plan of what must be one query; $1 is the time. Anything else is 42601. Needs an Spi that
/// outlives it.
_SPI_plan* plan_one_query(const std::string& sql);

/// Runs what must be one query; $1 is the time. More rows than this are 54000, anything but one
/// query 42601. Needs an Spi that outlives the rows.
pg::Rows run_one_query(const std::string& sql, Instant now, std::int64_t row_limit);

/// What the error of more rows says.
std::string too_many_rows(std::int64_t row_limit);

/// Throws what is wrong with a label's name besides its letters.
using LabelCheck = std::function<void(const std::string& name)>;

/// Where the result has what; 0: it has no such column.
struct ResultShape {
  int value = 0;
  std::vector<std::pair<int, std::string>> labels;
};

/// Throws for a result without a numeric `value` (42703, 42804), for a name that is no label
/// (42602), and for one that comes twice (42701).
ResultShape shape_of(const pg::Rows& rows, const LabelCheck& check);

/// The row's labels. An empty label is the same as none.
Labels labels_of(const pg::Rows& rows, std::uint64_t row, const ResultShape& shape);
std::optional<double> value_of(const pg::Rows& rows, std::uint64_t row, const ResultShape& shape);

}  // namespace monitoring::series
