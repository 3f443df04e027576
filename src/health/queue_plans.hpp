#pragma once
// The statements that look at one queue, or write to it, and the role that runs them.

#include <string>

#include "monitoring/pg/relations.hpp"
#include "monitoring/pg/spi.hpp"

namespace monitoring::health {

/// What is defined of a queue in monitoring.queues, or the defaults for one that pgmq has told of.
struct Queue {
  std::string name;
  std::string kind;
  /// Schema and relation, quoted where needed.
  std::string source;
  Duration timeout;
  bool enabled;
};

/// The queue's owner, or the owner of the relation where that is a superuser: a superuser's
/// definition must not run a view's, a type's or a trigger's code as a superuser.
struct QueuePlan {
  Oid role;
  /// The role is there for what is its own: the statement may name nothing else.
  bool stands_in;
  std::string sql;
  /// Locked: unlock() it when the statement has run.
  pg::LockedRelation source;
};

/// One row: pending, processing, stuck, oldest, dead; then finished and failed of the last hour,
/// and the 50th, 95th and 99th percentile of the seconds that those finished took.
QueuePlan plan_count(pg::Spi& spi, const Queue& queue);

/// One row: how many dead letters wait again.
QueuePlan plan_requeue(pg::Spi& spi, const Queue& queue);

}  // namespace monitoring::health
