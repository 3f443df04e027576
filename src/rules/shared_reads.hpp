#pragma once
// Thresholds on recorded metrics, read many at a time: planning and running a query for each costs
// more than all the rest of an evaluation.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "rules/rule_query.hpp"
#include "rules/stored_rule.hpp"

namespace monitoring::rules {

/// The rules of one transaction of a pass, which have to outlive it and are run in their order. A
/// rule's outcome is that of run_rule_query(): where reading together fails, each is run by itself,
/// so that the error is told of the rule that has it and a slow one uses up its own time.
class SharedReads {
 public:
  /// `alone`: ids of rules that could not be read together in this pass; added to.
  SharedReads(pg::Spi& spi, const std::vector<StoredRule>& rules, Instant now,
              std::set<std::int64_t>& alone);

  QueryOutcome run(const StoredRule& rule);

 private:
  /// Rules that one query can serve: the owner, how far back, what of it, and how long it may take.
  using Kind = std::tuple<Oid, Duration, std::string, Duration>;

  static Kind kind_of(const StoredRule& rule);
  bool shares(const StoredRule& rule) const;
  void read(std::vector<const StoredRule*>& waiting);

  pg::Spi& spi_;
  const Instant now_;
  std::set<std::int64_t>& alone_;
  /// Not read yet, the next to run last.
  std::map<Kind, std::vector<const StoredRule*>> waiting_;
  SamplesByRule read_;
};

}  // namespace monitoring::rules
