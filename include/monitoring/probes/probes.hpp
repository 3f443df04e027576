#pragma once
// Probes: which are due, and what became of them. For worker and courier, whose search_path is
// "pg_catalog, pg_temp".

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "monitoring/base/clock.hpp"

namespace monitoring::probes {

/// A row of monitoring.probes that is to be asked now.
struct DueProbe {
  std::string name;
  std::string url;
  std::string method;
  /// A JSON object.
  std::string headers;
  std::string body;
  Duration timeout{0};
  std::optional<int> expect_status;
  std::optional<std::string> expect_body;
  int max_redirects = 0;
  Oid set_by = InvalidOid;  ///< the role that said where it goes
};

struct ProbeResult {
  std::string name;
  Instant probed_at;
  Duration duration{0};
  std::optional<int> http_status;
  std::optional<Instant> certificate_expires_at;
  /// Why it was no success; none if it was.
  std::optional<std::string> error;
};

/// What is known of an enabled probe now.
struct ProbedService {
  std::string name;
  /// None: not probed yet, or not for three of its intervals.
  std::optional<bool> success;
  std::optional<double> duration_ms;
  std::optional<std::string> error;
};

/// Every enabled probe, by name.
std::vector<ProbedService> probed_services(pg::Spi& spi, Instant now);

/// Those that are due, at most so many, and sets when they are due next. A row that cannot be used
/// is left out for a minute, and an issue. One whose result does not come, because its courier was
/// killed, is asked at its next time.
std::vector<DueProbe> take_due_probes(pg::Spi& spi, Instant now, std::size_t most);

/// Results of probes that are gone are dropped. One that cannot be recorded is an issue of its
/// probe, and costs no other.
void record_probes(pg::Spi& spi, const std::vector<ProbeResult>& results, Instant now);

/// When the next probe is due; nullopt if there is none.
std::optional<Instant> next_probe_at(pg::Spi& spi);

}  // namespace monitoring::probes
