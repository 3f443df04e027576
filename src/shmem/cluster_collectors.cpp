#include "monitoring/shmem/cluster_collectors.hpp"

#include <algorithm>

#include "shmem/segment.hpp"

namespace monitoring::shmem {

namespace {

constexpr const char* kName = "monitoring cluster collectors";
constexpr int kMostOffers = 4096;

struct Offer {
  Oid database;
  CollectorHash collector;
};

struct Shared {
  LWLock* lock;
  int count;
  Offer offers[kMostOffers];
};

Shared* shared = nullptr;

}  // namespace

void request_offers() {
  request_segment(kName, sizeof(Shared));
}

void create_offers() {
  shared = create_segment<Shared>(kName);
}

void replace_offers(Oid database, const std::vector<CollectorHash>& collectors) {
  LWLockAcquire(shared->lock, LW_EXCLUSIVE);
  Offer* const end = shared->offers + shared->count;
  Offer* const rest = std::remove_if(
      shared->offers, end, [&](const Offer& offer) { return offer.database == database; });
  shared->count = static_cast<int>(rest - shared->offers);
  for (const CollectorHash collector : collectors) {
    if (shared->count == kMostOffers) break;
    shared->offers[shared->count++] = {database, collector};
  }
  LWLockRelease(shared->lock);
}

std::vector<CollectorHash> offers_of(const std::vector<Oid>& databases) {
  std::vector<CollectorHash> collectors;
  if (databases.empty()) return collectors;
  // Room first: nothing is allocated while the lock is held.
  collectors.reserve(kMostOffers);
  LWLockAcquire(shared->lock, LW_SHARED);
  for (int i = 0; i < shared->count; ++i) {
    const Offer& offer = shared->offers[i];
    if (std::find(databases.begin(), databases.end(), offer.database) == databases.end()) continue;
    collectors.push_back(offer.collector);
  }
  LWLockRelease(shared->lock);
  return collectors;
}

}  // namespace monitoring::shmem
