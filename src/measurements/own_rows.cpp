#include "monitoring/measurements/own_rows.hpp"

extern "C" {
#include <catalog/pg_type.h>
#include <utils/builtins.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <cstring>
#include <tuple>

namespace monitoring::measurements {

bool OwnRows::Range::is_before(const Range& other) const {
  return std::tie(partition, block, first) < std::tie(other.partition, other.block, other.first);
}

bool OwnRows::Range::joins(const Range& next) const {
  return partition == next.partition && block == next.block && next.first <= last + 1;
}

void OwnRows::add(Oid partition, BlockNumber block, OffsetNumber offset) {
  const Range row{partition, block, offset, offset};
  if (!ranges_.empty() && ranges_.back().joins(row) && ranges_.back().first <= offset)
    ranges_.back().last = std::max(ranges_.back().last, offset);
  else
    ranges_.push_back(row);
}

void OwnRows::add(const OwnRows& others) {
  std::vector<Range> all = std::move(ranges_);
  all.insert(all.end(), others.ranges_.begin(), others.ranges_.end());
  std::sort(all.begin(), all.end(), [](const Range& a, const Range& b) { return a.is_before(b); });
  ranges_.clear();
  for (const Range& range : all) {
    if (!ranges_.empty() && ranges_.back().joins(range))
      ranges_.back().last = std::max(ranges_.back().last, range.last);
    else
      ranges_.push_back(range);
  }
}

bool OwnRows::contains(Oid partition, const ItemPointerData& place) const {
  const OffsetNumber offset = ItemPointerGetOffsetNumberNoCheck(&place);
  const Range row{partition, ItemPointerGetBlockNumberNoCheck(&place), offset, offset};
  auto after = std::upper_bound(ranges_.begin(), ranges_.end(), row,
                                [](const Range& a, const Range& b) { return a.is_before(b); });
  if (after == ranges_.begin()) return false;
  const Range& range = *--after;
  return range.partition == row.partition && range.block == row.block && offset <= range.last;
}

pg::Param OwnRows::param() const {
  const std::size_t size = ranges_.size() * sizeof(Range);
  const Datum bytes = pg::call([&] {
    auto* value =
        static_cast<struct varlena*>(MemoryContextAllocHuge(CurrentMemoryContext, VARHDRSZ + size));
    SET_VARSIZE(value, VARHDRSZ + size);
    if (size > 0) std::memcpy(VARDATA(value), ranges_.data(), size);
    return PointerGetDatum(value);
  });
  return pg::datum(BYTEAOID, bytes);
}

OwnRows OwnRows::of(Datum bytes) {
  const struct varlena* value = pg::call([&] { return PG_DETOAST_DATUM_PACKED(bytes); });
  OwnRows rows;
  rows.ranges_.resize(VARSIZE_ANY_EXHDR(value) / sizeof(Range));
  if (!rows.ranges_.empty())
    std::memcpy(rows.ranges_.data(), VARDATA_ANY(value), rows.ranges_.size() * sizeof(Range));
  return rows;
}

}  // namespace monitoring::measurements
