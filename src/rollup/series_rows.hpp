#pragma once
// Series as rows of rollup_state, written through the table access API.

#include <optional>
#include <string>

#include "monitoring/metrics/summary.hpp"
#include "monitoring/pg/table_writer.hpp"
#include "rollup/series_table.hpp"

namespace monitoring::rollup {

/// A series as it is written; C++ objects that guarded code only reads.
struct SeriesRow {
  const Series* series;
  const std::string* metric;
  metrics::Moments moments;
  metrics::Summary summary;  // of those that are published
  std::string sketch;
  std::string measures;
};
SeriesRow series_row_of(const SeriesTable& table, Series& series, bool publish);

/// Sets the columns of a slot one after the other.
class SlotColumns {
 public:
  explicit SlotColumns(TupleTableSlot* slot) : slot_(slot) {}
  SlotColumns& datum(Datum value) {
    slot_->tts_values[next_] = value;
    slot_->tts_isnull[next_++] = false;
    return *this;
  }
  SlotColumns& null() {
    slot_->tts_isnull[next_++] = true;
    return *this;
  }
  SlotColumns& real(std::optional<double> value) {
    return value ? datum(Float8GetDatum(*value)) : null();
  }
  SlotColumns& json(const Jsonb* value) {
    return value == nullptr ? null() : datum(PointerGetDatum(value));
  }

 private:
  TupleTableSlot* slot_;
  int next_ = 0;
};

// The functions below run inside pg::call and allocate in the current memory context.

/// What all rows have in common. Trivially destructible: see multi_insert.hpp.
struct RowConstants {
  Datum hourly;
  const Jsonb* no_measures;
};
RowConstants row_constants();

/// Values that the rows of a series in both tables have.
struct SharedValues {
  Datum metric;
  const Jsonb* measures;
  std::optional<double> sum, min, max;
};
SharedValues shared_values(const SeriesRow& row, const RowConstants& constants);

/// nullptr if the table is not as the extension made it: SQL must do it then.
pg::TableWriter* open_state_writer();
void fill_state(TupleTableSlot* slot, const SeriesRow& row, const SharedValues& shared,
                const RowConstants& constants, const Jsonb* dimensions, bool published);

/// Where fill_state puts them, from 0.
enum StateColumn {
  kStateDimensions = 4,
  kStateCount,
  kStateNonfinite,
  kStateSum,
  kStateMin,
  kStateMax,
  kStateM2,
  kStateMeasures,
  kStateSketch
};

}  // namespace monitoring::rollup
