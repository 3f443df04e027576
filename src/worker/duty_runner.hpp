#pragma once
// Runs the duties that are due, each in a transaction and within a time limit of its own. A duty
// that fails stops no other: it is tried again with growing waits, and each distinct error becomes
// one worker issue, which is resolved when the duty works again.

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "monitoring/base/clock.hpp"
#include "worker/duties.hpp"

namespace monitoring::worker {

class DutyRunner {
 public:
  DutyRunner(const Clock& clock, std::vector<Duty> duties);

  /// Whether any duty is due. Cheap, and needs no transaction.
  bool has_work(Instant now);
  /// Runs what has_work() has found; leaves early when the worker is asked to stop or pause.
  void run_due(Instant now);
  /// The clock was set back by this (negative) step and says `now`.
  void set_back(Duration step, Instant now);
  /// When the next duty is due. A time in the past means at once.
  Instant next_due() const;

 private:
  /// A duty, when it runs next, and how it went.
  struct Entry {
    Duty duty;
    std::string overrun_name;
    Instant due{};
    int failures = 0;
    /// Whether an issue of this duty may be open: also one of an earlier process.
    bool may_have_issues = true;
    /// The distinct errors since the last success.
    std::set<std::string> reported;
    /// Of the last run.
    std::uint64_t rows_written = 0;
    std::optional<std::string> held_up;
    /// Whether health was told that it fails or is held up.
    bool is_told = false;
  };

  struct Failure {
    int sqlstate;
    std::string message;
  };

  void run(Entry& entry);
  std::optional<Failure> try_to(Entry& entry, Instant started);
  static void tell(Entry& entry, const std::optional<std::string>& trouble);
  void fail(Entry& entry, Instant started, const Failure& failure);
  void report(Entry& entry, Instant started, const Failure& failure);

  const Clock& clock_;
  std::vector<Entry> entries_;
};

}  // namespace monitoring::worker
