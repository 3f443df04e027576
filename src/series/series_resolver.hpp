#pragma once
// Ids of series: those that are stored already, and new ones within the limit.

#include "monitoring/series/ingestion.hpp"

namespace monitoring::series {

class Ingestion::SeriesResolver {
 public:
  SeriesResolver(pg::Spi& spi, Ingestion& ingestion) : spi_(spi), ingestion_(ingestion) {}
  /// Gives every series its id; those that get none are refused and emptied.
  void resolve();

 private:
  std::vector<std::size_t> missing() const;
  void find(const std::vector<std::size_t>& wanted);
  void bring_back(const std::vector<std::int64_t>& retired);
  std::vector<std::size_t> within_limit(const std::vector<std::size_t>& wanted);
  std::int64_t stored_count();
  void note_high_cardinality(const std::vector<std::size_t>& refused, std::int64_t count);
  void make_labels(const std::vector<std::size_t>& wanted);
  void find_labels(bool lock);
  std::int64_t group_for(std::int64_t name_id);
  void create(const std::vector<std::size_t>& wanted);

  struct OpenGroup {
    std::int64_t group_id = 0;
    std::int64_t used = 0;
  };
  struct LabelPair {
    std::string name;
    std::string value;
    std::int64_t label_id = 0;
  };

  pg::Spi& spi_;
  Ingestion& ingestion_;
  std::map<std::string, LabelPair> pairs_;    ///< by hash
  std::map<std::int64_t, OpenGroup> groups_;  ///< by name
};

/// 128 bits of SHA-256 as the text of a uuid: nobody can make two label sets with the same.
std::string hash_text(std::string_view bytes);
std::string pair_hash(std::string_view name, std::string_view value);

}  // namespace monitoring::series
