#pragma once
// Who collects what concerns the whole cluster. Each worker offers the collectors of scope cluster
// that its database has; of the workers that offer the same one, that of the database with the
// lowest oid runs it.
//
// Nothing here raises an error.

#include "monitoring/pg/postgres.hpp"
// clang-format keeps the server's header first.
#include <cstdint>
#include <vector>

namespace monitoring::shmem {

/// A hash of a collector's name.
using CollectorHash = std::int64_t;

/// For the hooks of the postmaster's start.
void request_offers();
void create_offers();

/// What the database offers, instead of what it offered before. What does not fit is run by each.
void replace_offers(Oid database, const std::vector<CollectorHash>& collectors);

/// What any of these databases offers.
std::vector<CollectorHash> offers_of(const std::vector<Oid>& databases);

}  // namespace monitoring::shmem
