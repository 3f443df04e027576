// What a real Alertmanager sent for alerts of one configuration, as recorded by its receivers:
// am.yml and payloads.json, [{t, path, json} | {t, smtp}]. The alerts that were pushed are read off
// the webhooks; then the times, groups and contents of all notifications have to come out again.

#include <algorithm>
#include <cmath>
#include <set>

#include "alertmanager_simulator.hpp"
#include "monitoring/base/rfc3339.hpp"
#include "registry.hpp"

namespace monitoring::conformance {

namespace {

using nlohmann::json;
using notify::AlertView;
using notify::Notification;

/// The recording's seconds are wall-clock seconds that begin a little before this instant.
const Instant kBase{std::chrono::hours(24 * 365 * 50)};

/// Tenths of a second: what is left of a time when the jitter of the recording is gone.
std::string time_text(double seconds) {
  return '@' + std::to_string(std::llround(seconds * 10)) + ' ';
}

Labels labels_of(const json& object) {
  Labels labels;
  for (const auto& [name, value] : object.items()) labels.set(name, value.get<std::string>());
  return labels;
}

/// The receiver and kind that a recorded request went to, as the configuration names them.
std::string destination_of(const json& entry) {
  if (entry.contains("smtp")) {
    const bool team = entry["smtp"]["rcpt"].dump().find("team@") != std::string::npos;
    return team ? "default email" : "email email";
  }
  const std::string path = entry["path"];
  constexpr std::string_view kWebhook = "/webhook/";
  if (path.compare(0, kWebhook.size(), kWebhook) == 0) {
    return path.substr(kWebhook.size()) + " webhook";
  }
  return path == "/slack" ? "slack slack" : "pagerduty pagerduty";
}

/// The part of a webhook's content that grouping decides.
std::string recorded_content(const json& body) {
  std::string text = " " + body["status"].get<std::string>() + ' ' +
                     body["groupKey"].get<std::string>() + ' ' +
                     dispatch::label_set_text(labels_of(body["groupLabels"])) + ' ' +
                     dispatch::label_set_text(labels_of(body["commonLabels"]));
  for (const json& alert : body["alerts"]) {
    text +=
        ' ' + alert["fingerprint"].get<std::string>() + '=' + alert["status"].get<std::string>();
  }
  return text;
}

std::string simulated_content(const Notification& notification) {
  std::string text = " " + std::string(notify::status_text(notification.status)) + ' ' +
                     notification.group_key + ' ' +
                     dispatch::label_set_text(notification.group_labels) + ' ' +
                     dispatch::label_set_text(notification.common_labels);
  for (const AlertView& alert : notification.alerts) {
    text += ' ' + alert.fingerprint + '=' + std::string(notify::status_text(alert.status));
  }
  return text;
}

struct Push {
  double at = 0;
  PushedAlert alert;
};

/// The pushes that must have led to the recording: every alert once as firing, and once more with
/// its end where it resolved. `first` is the time of the first notification.
std::vector<Push> pushes_of(const json& recording, double first, Duration group_wait) {
  const double started = first - static_cast<double>(group_wait.count()) / 1e6;
  std::map<std::string, Push> firing;
  std::map<std::string, Push> resolved;
  for (const json& entry : recording) {
    if (!entry.contains("json") || !entry["json"].contains("alerts")) continue;
    for (const json& alert : entry["json"]["alerts"]) {
      const std::string fingerprint = alert["fingerprint"];
      PushedAlert pushed{labels_of(alert["labels"]), labels_of(alert["annotations"]), {}, {}};
      firing[fingerprint] = {started, pushed};
      if (alert["status"] != "resolved") continue;
      const auto begin = parse_rfc3339(alert["startsAt"].get<std::string>());
      const auto end = parse_rfc3339(alert["endsAt"].get<std::string>());
      if (!begin || !end) continue;
      const double lasted = static_cast<double>((*end - *begin).count()) / 1e6;
      pushed.ends_at = kBase + Duration(std::llround((started + lasted) * 1e6));
      resolved[fingerprint] = {started + lasted, pushed};
    }
  }
  std::vector<Push> pushes;
  for (auto* alerts : {&firing, &resolved}) {
    for (auto& [fingerprint, push] : *alerts) pushes.push_back(std::move(push));
  }
  std::stable_sort(pushes.begin(), pushes.end(),
                   [](const Push& a, const Push& b) { return a.at < b.at; });
  return pushes;
}

std::multiset<std::string> simulate(AlertmanagerConfig config, const std::vector<Push>& pushes,
                                    double first, double end, Report& report) {
  std::multiset<std::string> sent;
  const auto deliver = [&](const ReceiverConfig& receiver, const Notification& notification,
                           Instant now) {
    const double seconds = static_cast<double>((now - kBase).count()) / 1e6;
    std::string line =
        time_text(seconds - first) + receiver.integration.receiver + ' ' + receiver.kind;
    if (receiver.kind == "webhook") line += simulated_content(notification);
    sent.insert(std::move(line));
  };
  auto simulator = Simulator::make(std::move(config), deliver);
  if (!simulator) {
    report.fail("am.yml", simulator.error().message);
    return sent;
  }
  const auto instant = [](double seconds) { return kBase + Duration(std::llround(seconds * 1e6)); };
  for (const Push& push : pushes) {
    simulator->run_until(instant(push.at));
    simulator->push(push.alert, instant(push.at));
  }
  simulator->run_until(instant(end));
  return sent;
}

void run_oracle(const std::filesystem::path& folder, Report& report) {
  const json recording = read_json(folder / "payloads.json", report);
  auto config = parse_alertmanager_config(read_text(folder / "am.yml"));
  if (!config) return report.fail("am.yml", config.error().message);
  if (!recording.is_array() || recording.empty()) return;
  const double first = recording.front()["t"].get<double>();
  const double last = recording.back()["t"].get<double>();
  const Duration group_wait = config->routes.front().group_wait.value_or(Duration{});

  const auto pushes = pushes_of(recording, first, group_wait);
  auto sent = simulate(std::move(config).value(), pushes, first, last + 0.5, report);
  for (const json& entry : recording) {
    std::string line = time_text(entry["t"].get<double>() - first) + destination_of(entry);
    if (entry.contains("json") && entry["json"].contains("groupKey")) {
      line += recorded_content(entry["json"]);
    }
    const auto at = sent.find(line);
    if (at == sent.end()) {
      report.fail(line, "is not sent");
      continue;
    }
    sent.erase(at);
    report.pass();
  }
  for (const std::string& line : sent) report.fail(line, "is sent, but was not recorded");
}

const Registration kSuite{"oracle-notify", run_oracle};

}  // namespace

}  // namespace monitoring::conformance
