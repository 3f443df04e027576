#include "monitoring/hooks/defining.hpp"

#include "monitoring/pg/guard.hpp"
// clang-format keeps the server's headers first.
#include <string>

#include "hooks/waiting.hpp"
#include "monitoring/shmem/registry.hpp"

namespace monitoring::hooks {

namespace {

/// A copy that lasts.
struct Definition {
  std::string name;
  metrics::MetricType type;
  std::string help;
  std::string unit;
  std::vector<double> bounds;

  explicit Definition(const metrics::MetricSpec& spec)
      : name(spec.name),
        type(spec.type),
        help(spec.help),
        unit(spec.unit),
        bounds(spec.bounds, spec.bounds + spec.bound_count) {}
  metrics::MetricSpec spec() const {
    return {name,
            type,
            help,
            unit,
            bounds.empty() ? nullptr : bounds.data(),
            static_cast<std::uint32_t>(bounds.size())};
  }
};

/// Lives as long as the process; made at its first use.
std::vector<Waiting<Definition>>& waiting() {
  static auto& definitions = *new std::vector<Waiting<Definition>>;
  return definitions;
}

/// Where others have meanwhile counted under the name with another type, theirs stays.
void apply() {
  for (const auto& [definition, _] : waiting()) {
    shmem::define_metric(MyDatabaseId, definition.spec());
  }
}

void on_transaction_event(XactEvent event, void*) {
  switch (event) {
    case XACT_EVENT_COMMIT:
    case XACT_EVENT_PREPARE:
      apply();
      waiting().clear();
      return;
    case XACT_EVENT_ABORT:
      waiting().clear();
      return;
    default:
      return;
  }
}

void on_subtransaction_event(SubXactEvent event, SubTransactionId own, SubTransactionId parent,
                             void*) {
  end_subtransaction(waiting(), event, own, parent);
}

}  // namespace

void define_at_commit(const metrics::MetricSpec& spec) {
  watch_transactions<on_transaction_event, on_subtransaction_event>();
  waiting().push_back({Definition(spec), GetCurrentSubTransactionId()});
}

}  // namespace monitoring::hooks
