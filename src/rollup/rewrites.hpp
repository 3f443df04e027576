#pragma once
// Partitions whose rows carry transaction ids that do not tell what the passes have seen: rewritten
// (ALTER TABLE, SET LOGGED, pg_repack), truncated, or attached with rows in them.

#include "monitoring/measurements/raw_scan.hpp"
#include "rollup/recompute.hpp"

namespace monitoring::rollup {

/// A rewrite gives all rows, seen or not, the id of its transaction. What it leaves is their
/// number: for each hour and metric it is compared with what was rolled up.
class Rewrites {
 public:
  /// seen: the last pass.
  Rewrites(pg::Spi& spi, const measurements::Progress& seen, Snapshot snapshot)
      : spi_(spi), seen_(seen), snapshot_(snapshot) {}

  /// Whether this partition is one, and keeps it if so.
  bool have(const measurements::Partition& partition);

  bool empty() const { return partitions_.empty(); }
  /// Of one that it has: what can be told from transaction ids; nullptr for any other.
  const measurements::Progress* counted_up_to(Oid partition) const;

  /// Hours with more rows than were rolled up are computed anew, and open ones with fewer; where a
  /// closed hour has fewer, they were purged and it keeps what it has.
  void reconcile(Recompute& recompute);

 private:
  using Key = std::pair<std::int64_t, std::string>;

  bool is_older_than_last_pass(Oid partition) const;
  void count_rows(Oid oid);
  void count_rows(measurements::RawScan& scan, const measurements::Partition& partition,
                  std::int64_t each);
  void compare(const Key& key, std::int64_t rolled_up, bool is_closed, Recompute& recompute);

  pg::Spi& spi_;
  const measurements::Progress& seen_;
  Snapshot snapshot_;
  std::map<Oid, measurements::Progress> partitions_;
  std::map<Key, std::int64_t> rows_;
};

}  // namespace monitoring::rollup
