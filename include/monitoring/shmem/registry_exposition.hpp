#pragma once
// What the extension exposes to Prometheus: the registry, and its own cost.

#include "monitoring/shmem/registry.hpp"
// clang-format keeps the server's headers first.
#include <map>
#include <string>
#include <vector>

#include "monitoring/metrics/exposition.hpp"

namespace monitoring::shmem {

/// Databases by their names, for the label datname.
using DatabaseNames = std::map<Oid, std::string>;

/// All series of the snapshot. With `names`, each has the name of its database as label datname,
/// and those of databases that are not named are left out; those of the whole cluster have none.
/// Snapshot and names must outlast the exposition.
void expose_registry(metrics::Exposition& exposition, const Snapshot& snapshot,
                     const DatabaseNames* names);

/// The metrics of a database that the page of all databases cannot show under their name and type,
/// because another database or the extension itself has the name.
std::vector<metrics::Exposition::Disagreement> disagreements_of(Oid database);

/// What shared memory knows of the extension itself: its processes, the record ring, the registry.
/// Of the databases in `names`, labelled by their names.
void expose_self(metrics::Exposition& exposition, const DatabaseNames& names);

}  // namespace monitoring::shmem
