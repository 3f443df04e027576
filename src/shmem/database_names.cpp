#include "monitoring/shmem/database_names.hpp"

extern "C" {
#include <utils/builtins.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>

#include "shmem/segment.hpp"

namespace monitoring::shmem {

namespace {

constexpr const char* kName = "monitoring database names";
constexpr int kMostNames = 1024;

struct Shared {
  LWLock* lock;
  int count;
  DatabaseName names[kMostNames];
};

Shared* shared = nullptr;

/// Finds the segment, also from monitoring_net.so, which has its own copy of this variable.
Shared& state() {
  if (shared == nullptr) {
    bool found = false;
    shared = static_cast<Shared*>(ShmemInitStruct(kName, sizeof(Shared), &found));
  }
  return *shared;
}

/// The entry, or the first free one; nullptr when there is none. Under the lock.
DatabaseName* entry_for(Shared& s, Oid database) {
  DatabaseName* end = s.names + s.count;
  DatabaseName* entry =
      std::find_if(s.names, end, [&](const DatabaseName& n) { return n.database == database; });
  if (entry != end) return entry;
  if (s.count == kMostNames) return nullptr;
  ++s.count;
  entry->database = database;
  return entry;
}

}  // namespace

void request_names() {
  request_segment(kName, sizeof(Shared));
}

void create_names() {
  shared = create_segment<Shared>(kName);
}

void replace_names(const std::vector<DatabaseName>& names) {
  Shared& s = state();
  LWLockAcquire(s.lock, LW_EXCLUSIVE);
  s.count = static_cast<int>(std::min<std::size_t>(names.size(), kMostNames));
  std::copy_n(names.begin(), s.count, s.names);
  LWLockRelease(s.lock);
}

void note_name(Oid database, const char* name) {
  Shared& s = state();
  LWLockAcquire(s.lock, LW_EXCLUSIVE);
  if (DatabaseName* entry = entry_for(s, database)) namestrcpy(&entry->name, name);
  LWLockRelease(s.lock);
}

std::map<Oid, std::string> database_names() {
  // Room first: nothing is allocated while the lock is held.
  std::vector<DatabaseName> copy(kMostNames);
  Shared& s = state();
  LWLockAcquire(s.lock, LW_SHARED);
  const int count = s.count;
  std::copy_n(s.names, count, copy.begin());
  LWLockRelease(s.lock);
  std::map<Oid, std::string> names;
  for (int i = 0; i < count; ++i) names[copy[i].database] = NameStr(copy[i].name);
  return names;
}

bool is_database(std::string_view name) {
  Shared& s = state();
  LWLockAcquire(s.lock, LW_SHARED);
  const bool found = std::any_of(s.names, s.names + s.count, [&](const DatabaseName& entry) {
    return name == NameStr(entry.name);
  });
  LWLockRelease(s.lock);
  return found;
}

}  // namespace monitoring::shmem
