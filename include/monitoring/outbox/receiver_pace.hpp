#pragma once
// monitoring_internal.receiver_pace: receivers that are left alone for a while, because of their
// rate limit or because they asked for it. Rows, so that neither a crash nor the courier's leaving
// forgets them. Every function runs in the caller's transaction; search_path is "pg_catalog,
// pg_temp".

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "monitoring/notify/rate_limit.hpp"

namespace monitoring::outbox {

/// The enabled receivers, and their rate limits as they stand at `now`.
class RateLimits {
 public:
  RateLimits(pg::Spi& spi, Instant now);

  const std::vector<std::string>& receivers() const { return receivers_; }
  /// How many requests may be made now; nullopt where the receiver has no limit.
  std::optional<std::uint32_t> allowed(const std::string& receiver) const;
  /// So many requests are about to be made; one for each name.
  void take(const std::vector<std::string>& receivers);

 private:
  struct State {
    notify::RateLimit limit;
    Instant full_at;
  };

  pg::Spi& spi_;
  Instant now_;
  std::vector<std::string> receivers_;
  std::map<std::string, State> states_;
};

struct ReceiverSettings {
  std::string json;
  Oid set_by;  ///< the role that said where the receiver sends to
};

/// Of those receivers that are not gone.
std::map<std::string, ReceiverSettings> settings_of(pg::Spi& spi,
                                                    const std::vector<std::string>& receivers);

/// Receivers that have asked to be left alone, and until when.
using Pauses = std::map<std::string, Instant>;

Pauses load_pauses(pg::Spi& spi, Instant now);
void save_pauses(pg::Spi& spi, const Pauses& pauses);

/// Removes what is known of receivers that are gone.
void forget_gone_receivers(pg::Spi& spi);

}  // namespace monitoring::outbox
