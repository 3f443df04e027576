#pragma once
// Queues of the user: job tables and pgmq queues, counted as the role that answers for them.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <string>

namespace monitoring::health {

struct QueueCheck {
  int checked = 0;
  int failed = 0;
  std::int64_t stuck_messages = 0;
};

/// Looks at every queue, each as its owner and within its own time limit, and writes what it saw
/// to monitoring.queue_state. A queue that fails keeps its last counts, is logged as a worker
/// issue once for each distinct error, and stops no other. search_path must be pg_catalog.
QueueCheck check_queues(pg::Spi& spi);

/// Makes the dead letters of a queue wait again, as the role that reads it, and returns how many.
/// search_path must be pg_catalog.
std::int64_t requeue_dead_letters(pg::Spi& spi, const std::string& queue_name);

}  // namespace monitoring::health
