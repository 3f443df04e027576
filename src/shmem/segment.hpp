#pragma once
// Segments of shared memory that begin as zeros and have one lock, in their member `lock`.

#include "monitoring/pg/postgres.hpp"

extern "C" {
#include <storage/ipc.h>
#include <storage/lwlock.h>
#include <storage/shmem.h>
}
// clang-format keeps the server's headers first.
#include <cstring>

namespace monitoring::shmem {

/// In the postmaster, while it plans its shared memory.
inline void request_segment(const char* name, Size bytes) {
  RequestAddinShmemSpace(bytes);
  RequestNamedLWLockTranche(name, 1);
}

/// Makes the segment and lets `fill` complete it, or finds it.
template <class Shared, class Fill>
Shared* create_segment(const char* name, Size bytes, Fill fill) {
  LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
  bool found = false;
  auto* shared = static_cast<Shared*>(ShmemInitStruct(name, bytes, &found));
  if (!found) {
    std::memset(static_cast<void*>(shared), 0, bytes);
    shared->lock = &GetNamedLWLockTranche(name)->lock;
    fill(*shared);
  }
  LWLockRelease(AddinShmemInitLock);
  return shared;
}

template <class Shared>
Shared* create_segment(const char* name) {
  return create_segment<Shared>(name, sizeof(Shared), [](Shared&) {});
}

}  // namespace monitoring::shmem
