// Timelines: [{name, config_with_%s_for_webhook_host, tolerance_ms, timeline, receiver_behaviour,
// extra_args}]. Alerts are pushed and silences set at given seconds; each collector, which stands
// behind one webhook, wants certain notifications within certain intervals and no others.

#include <re2/re2.h>

#include <algorithm>
#include <cmath>

#include "alertmanager_simulator.hpp"
#include "monitoring/notify/retry.hpp"
#include "registry.hpp"

namespace monitoring::conformance {

namespace {

using nlohmann::json;
using notify::AlertView;
using notify::Notification;

const Instant kBase{std::chrono::hours(24 * 365 * 50)};
constexpr const char* kConfigField = "config_with_%s_for_webhook_host";

Instant at_second(double seconds) {
  return kBase + Duration(std::llround(seconds * 1e6));
}

double second_of(Instant instant) {
  return static_cast<double>((instant - kBase).count()) / 1e6;
}

Labels labels_of(const json& holder, const char* field) {
  Labels labels;
  if (!holder.contains(field)) return labels;
  for (const auto& [name, value] : holder[field].items()) {
    labels.set(name, value.get<std::string>());
  }
  return labels;
}

/// How a webhook misbehaves, read from the Go code quoted in a timeline.
struct Misbehaviour {
  /// Before that second it takes notifications without keeping them.
  double until = 0;
  /// How long it takes over each of those.
  Duration delay{};
};

std::optional<Misbehaviour> parse_misbehaviour(const json& text) {
  Misbehaviour found;
  if (text.is_null()) return found;
  const std::string code = text.get<std::string>();
  if (!re2::RE2::PartialMatch(code, R"(ts < ([0-9.]+))", &found.until)) return std::nullopt;
  if (code.find("time.Sleep(time.Second)") != std::string::npos) {
    found.delay = std::chrono::seconds(1);
  }
  return found;
}

/// One webhook and what it received.
struct Collector {
  Misbehaviour misbehaviour;
  struct Batch {
    double at = 0;
    std::vector<AlertView> alerts;
  };
  std::vector<Batch> batches;

  /// Carries a notification as the courier would, retries included.
  void receive(const Notification& notification, std::optional<Duration> timeout, Instant now) {
    for (std::uint32_t attempts = 1; second_of(now) < misbehaviour.until; ++attempts) {
      if (!timeout || misbehaviour.delay <= *timeout) return;  // taken, and lost by the collector
      now += *timeout + notify::retry_wait(notify::RetrySchedule{}, attempts, std::nullopt, 0.0);
    }
    batches.push_back({second_of(now), notification.alerts});
  }
};

/// An alert as pushed or wanted. "optional:+3" is an end three seconds after the start, which the
/// timeline is run with and without.
PushedAlert alert_of(const json& source, bool with_optional_end) {
  PushedAlert alert{labels_of(source, "labels"), labels_of(source, "annotations"), {}, {}};
  if (!source.contains("active")) return alert;
  const json& active = source["active"];
  const double start = active[0].get<double>();
  if (start > 0) alert.starts_at = at_second(start);
  if (active.size() < 2) return alert;
  if (active[1].is_number()) alert.ends_at = at_second(active[1].get<double>());
  double after = 0;
  if (active[1].is_string() && with_optional_end &&
      re2::RE2::FullMatch(active[1].get<std::string>(), R"(optional:\+([0-9.]+))", &after)) {
    alert.ends_at = at_second(start + after);
  }
  return alert;
}

std::optional<dispatch::Silence> silence_of(const std::string& code) {
  double start = 0;
  double end = 0;
  if (!re2::RE2::PartialMatch(code, R"(Silence\(([0-9.]+), ([0-9.]+)\))", &start, &end)) {
    return std::nullopt;
  }
  dispatch::Silence silence;
  silence.id = "silence";
  silence.starts_at = at_second(start);
  silence.ends_at = at_second(end);
  re2::StringPiece rest(code);
  std::string regex;
  std::string name;
  std::string value;
  while (re2::RE2::FindAndConsume(&rest, R"re(\.Match(RE)?\("([^"]*)", "([^"]*)"\))re", &regex,
                                  &name, &value)) {
    const auto op = regex.empty() ? dispatch::MatchOp::kEqual : dispatch::MatchOp::kRegex;
    auto matcher = dispatch::Matcher::make(op, name, value);
    if (!matcher) return std::nullopt;
    silence.matchers.push_back(std::move(matcher).value());
  }
  return silence;
}

bool close(std::optional<Instant> a, std::optional<Instant> b, Duration tolerance) {
  if (a.has_value() != b.has_value()) return false;
  return !a || (*a > *b ? *a - *b : *b - *a) <= tolerance;
}

bool same_alert(const PushedAlert& wanted, const AlertView& got, Duration tolerance) {
  return wanted.labels == got.labels && wanted.annotations == got.annotations &&
         close(wanted.starts_at, got.starts_at, tolerance) &&
         close(wanted.ends_at, got.ends_at, tolerance);
}

bool same_batch(const std::vector<PushedAlert>& wanted, const std::vector<AlertView>& got,
                Duration tolerance) {
  return wanted.size() == got.size() &&
         std::all_of(wanted.begin(), wanted.end(), [&](const PushedAlert& alert) {
           return std::any_of(got.begin(), got.end(), [&](const AlertView& candidate) {
             return same_alert(alert, candidate, tolerance);
           });
         });
}

std::string received_text(const Collector& collector) {
  std::string text;
  for (const Collector::Batch& batch : collector.batches) {
    text += "\n      " + std::to_string(batch.at) + ':';
    for (const AlertView& alert : batch.alerts) {
      text += ' ' + dispatch::label_set_text(alert.labels) + ' ' +
              dispatch::label_set_text(alert.annotations) + " from " +
              std::to_string(second_of(alert.starts_at));
      if (alert.ends_at) text += " to " + std::to_string(second_of(*alert.ends_at));
    }
  }
  return text;
}

/// One run of a timeline.
class Run {
 public:
  Run(const json& scenario, bool with_optional_end)
      : scenario_(scenario),
        with_optional_end_(with_optional_end),
        tolerance_(std::chrono::milliseconds(scenario["tolerance_ms"].get<int>())) {}

  void check(const std::string& name, Report& report) {
    auto config = parse_alertmanager_config(scenario_[kConfigField]);
    if (!config) return report.fail(name, config.error().message);
    name_collectors();
    auto simulator = Simulator::make(std::move(config).value(), deliver());
    if (!simulator) return report.fail(name, simulator.error().message);
    if (const auto problem = play(*simulator)) return report.skip(name, *problem);
    check_wants(name, report);
  }

 private:
  /// Collectors stand behind the webhooks in the order of their names; the last one misbehaves.
  void name_collectors() {
    for (const json& step : scenario_["timeline"]) {
      if (step.contains("collector")) collectors_[step["collector"]];
    }
    if (collectors_.empty()) return;
    collectors_.rbegin()->second.misbehaviour =
        *parse_misbehaviour(scenario_["receiver_behaviour"]);
  }

  Simulator::Deliver deliver() {
    return [this](const ReceiverConfig& receiver, const Notification& notification, Instant now) {
      auto collector = collectors_.begin();
      std::advance(collector, receiver.integration.index);
      collector->second.receive(notification, receiver.timeout, now);
    };
  }

  /// Plays the steps in the order of their times. Answers what it cannot play.
  std::optional<std::string> play(Simulator& simulator) {
    std::vector<const json*> steps;
    double end = 0;
    for (const json& step : scenario_["timeline"]) {
      if (step.contains("want_between")) end = std::max(end, step["want_between"][1].get<double>());
      if (step.contains("at")) steps.push_back(&step);
    }
    std::stable_sort(steps.begin(), steps.end(), [](const json* a, const json* b) {
      return (*a)["at"].get<double>() < (*b)["at"].get<double>();
    });
    for (const json* step : steps) {
      const Instant now = at_second((*step)["at"].get<double>());
      simulator.run_until(now);
      if (auto problem = take(*step, simulator, now)) return problem;
    }
    simulator.run_until(at_second(end));
    return std::nullopt;
  }

  std::optional<std::string> take(const json& step, Simulator& simulator, Instant now) const {
    if (step.contains("push")) {
      for (const json& alert : step["push"]) {
        simulator.push(alert_of(alert, with_optional_end_), now);
      }
      return std::nullopt;
    }
    auto silence = step.contains("SetSilence") ? silence_of(step["SetSilence"]) : std::nullopt;
    if (!silence) return "a step of the timeline is not understood: " + step.dump();
    simulator.add_silence(std::move(*silence));
    return std::nullopt;
  }

  void check_wants(const std::string& name, Report& report) const {
    std::map<std::string, std::size_t> wanted_alerts;
    for (const json& step : scenario_["timeline"]) {
      if (!step.contains("want_between")) continue;
      const std::string& collector = step["collector"].get_ref<const std::string&>();
      wanted_alerts[collector] += step["alerts"].size();
      if (!has_wanted(step)) {
        return report.fail(name, collector + " wants " + step.dump() +
                                     "\n    received:" + received_text(collectors_.at(collector)));
      }
    }
    for (const auto& [collector, wanted] : wanted_alerts) {
      std::size_t got = 0;
      for (const auto& batch : collectors_.at(collector).batches) got += batch.alerts.size();
      if (got == wanted) continue;
      return report.fail(
          name, collector + " wants " + std::to_string(wanted) +
                    " alerts in all, received:" + received_text(collectors_.at(collector)));
    }
    report.pass();
  }

  bool has_wanted(const json& want) const {
    std::vector<PushedAlert> wanted;
    for (const json& alert : want["alerts"]) wanted.push_back(alert_of(alert, false));
    const double from = want["want_between"][0].get<double>();
    const double to = want["want_between"][1].get<double>();
    const auto& batches = collectors_.at(want["collector"]).batches;
    return std::any_of(batches.begin(), batches.end(), [&](const Collector::Batch& batch) {
      return batch.at >= from && batch.at <= to && same_batch(wanted, batch.alerts, tolerance_);
    });
  }

  const json& scenario_;
  const bool with_optional_end_;
  const Duration tolerance_;
  std::map<std::string, Collector> collectors_;
};

/// Why a timeline is not played, or nothing.
std::optional<std::string> skip_reason(const json& scenario) {
  if (!scenario["extra_args"].is_null() &&
      scenario["extra_args"].get<std::string>().find("start-delay") != std::string::npos) {
    return "dispatch.start-delay waits out a cold start, which does not happen here: groups, "
           "alerts and the notification log are rows and outlive restarts and reloads";
  }
  if (!scenario["extra_args"].is_null()) return "unknown command line arguments";
  if (!parse_misbehaviour(scenario["receiver_behaviour"])) return "unknown receiver_behaviour";
  return std::nullopt;
}

void run_scenario(const json& scenario, Report& report) {
  const std::string name = scenario["name"];
  if (const auto reason = skip_reason(scenario)) return report.skip(name, *reason);
  const bool has_variants = scenario["timeline"].dump().find("optional:") != std::string::npos;
  Run(scenario, false).check(name, report);
  if (has_variants) Run(scenario, true).check(name + " with ends", report);
}

void run_acceptance(const std::filesystem::path& folder, Report& report) {
  for (const auto& file : files_with_extension(folder, ".json")) {
    for (const json& scenario : read_json(file, report)) run_scenario(scenario, report);
  }
}

const Registration kSuite{"alertmanager-acceptance", run_acceptance};

}  // namespace

}  // namespace monitoring::conformance
