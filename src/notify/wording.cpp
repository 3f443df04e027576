#include "notify/wording.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "monitoring/base/sha256.hpp"
#include "monitoring/notify/url.hpp"

namespace monitoring::notify {

namespace {

struct SeverityName {
  std::string_view name;
  Severity severity;
};

constexpr SeverityName kSeverityNames[] = {
    {"critical", Severity::kCritical},
    {"p0", Severity::kCritical},
    {"page", Severity::kCritical},
    {"fatal", Severity::kCritical},
    {"emergency", Severity::kCritical},
    {"error", Severity::kError},
    {"p1", Severity::kError},
    {"high", Severity::kError},
    {"major", Severity::kError},
    {"warning", Severity::kWarning},
    {"p2", Severity::kWarning},
    {"warn", Severity::kWarning},
    {"medium", Severity::kWarning},
    {"minor", Severity::kWarning},
    {"info", Severity::kInfo},
    {"p3", Severity::kInfo},
    {"low", Severity::kInfo},
    {"notice", Severity::kInfo},
    {"ok", Severity::kInfo},
    {"none", Severity::kInfo},
    {"debug", Severity::kInfo},
};

std::string lower(std::string_view text) {
  std::string lowered(text);
  std::transform(lowered.begin(), lowered.end(), lowered.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lowered;
}

void append_word(std::string& line, std::string_view word) {
  if (!line.empty()) line += ' ';
  line += word;
}

/// Values by name, the alert's name first (KV.SortedPairs of Alertmanager).
std::string values_of(const Labels& labels) {
  std::string line;
  if (labels.has("alertname")) append_word(line, labels.get("alertname"));
  for (const auto& [name, value] : labels) {
    if (name != "alertname") append_word(line, value);
  }
  return line;
}

std::string status_word(const Notification& notification) {
  if (notification.acknowledgement) return "[ACKNOWLEDGED]";
  if (notification.status == AlertStatus::kResolved) return "[RESOLVED]";
  return "[FIRING:" + std::to_string(notification.firing_count()) + "]";
}

void append_pairs(std::string& text, const Labels& labels) {
  const auto append = [&](std::string_view name, std::string_view value) {
    text += " - ";
    text += name;
    text += " = ";
    text += value;
    text += '\n';
  };
  if (labels.has("alertname")) append("alertname", labels.get("alertname"));
  for (const auto& [name, value] : labels) {
    if (name != "alertname") append(name, value);
  }
}

struct LinkAnnotation {
  std::string_view name;
  std::string_view text;
};

constexpr LinkAnnotation kLinkAnnotations[] = {
    {"runbook_url", "Runbook"},
    {"runbook", "Runbook"},
    {"dashboard_url", "Dashboard"},
    {"dashboard", "Dashboard"},
};

/// Takes no notice of what is no URL or is linked to already.
void add_link(std::vector<Link>& links, std::string_view href, std::string text) {
  if (!check_http_url(href)) return;
  const bool known =
      std::any_of(links.begin(), links.end(), [&](const Link& link) { return link.href == href; });
  if (!known) links.push_back({std::string(href), std::move(text)});
}

}  // namespace

Severity severity_of(std::string_view label_value) {
  const std::string lowered = lower(label_value);
  const auto* found =
      std::find_if(std::begin(kSeverityNames), std::end(kSeverityNames),
                   [&](const SeverityName& entry) { return entry.name == lowered; });
  return found == std::end(kSeverityNames) ? Severity::kError : found->severity;
}

Severity severity_of(const Notification& notification) {
  if (notification.alerts.empty()) return severity_of(notification.common_labels.get("severity"));
  const bool none_fires = notification.firing_count() == 0;
  Severity worst = Severity::kInfo;
  for (const AlertView& alert : notification.alerts) {
    if (alert.status != AlertStatus::kFiring && !none_fires) continue;
    worst = std::min(worst, severity_of(alert.labels.get("severity")));
  }
  return worst;
}

std::string_view severity_text(Severity severity) {
  constexpr std::array<std::string_view, 4> kTexts = {"critical", "error", "warning", "info"};
  return kTexts[static_cast<std::size_t>(severity)];
}

std::string title_of(const Notification& notification) {
  std::string title = status_word(notification);
  const std::string group = values_of(notification.group_labels);
  if (!group.empty()) append_word(title, group);
  Labels rest = notification.common_labels;
  for (const auto& [name, unused] : notification.group_labels) rest.erase(name);
  if (!rest.empty()) append_word(title, "(" + values_of(rest) + ")");
  return title;
}

std::string name_of(const AlertView& alert) {
  if (!alert.labels.get("alertname").empty()) return std::string(alert.labels.get("alertname"));
  return alert.labels.empty() ? "Alert" : alert.labels.begin()->second;
}

std::string alert_list(const Notification& notification, AlertStatus status) {
  std::string text;
  for (const AlertView& alert : notification.alerts) {
    if (alert.status != status) continue;
    text += "Labels:\n";
    append_pairs(text, alert.labels);
    text += "Annotations:\n";
    append_pairs(text, alert.annotations);
    text += "Source: " + alert.generator_url + "\n";
  }
  return text;
}

std::string annotation_url(const Notification& notification, std::string_view name) {
  const std::string_view value = notification.common_annotations.get(name);
  return check_http_url(value).ok() ? std::string(value) : std::string();
}

std::vector<Link> links_of(const Notification& notification) {
  std::vector<Link> links;
  for (const LinkAnnotation& annotation : kLinkAnnotations) {
    add_link(links, notification.common_annotations.get(annotation.name),
             std::string(annotation.text));
  }
  for (const AlertView& alert : notification.alerts) {
    for (const LinkAnnotation& annotation : kLinkAnnotations) {
      add_link(links, alert.annotations.get(annotation.name),
               std::string(annotation.text) + ": " + name_of(alert));
    }
  }
  return links;
}

Instant began_at(const Notification& notification, Instant otherwise) {
  std::optional<Instant> earliest;
  const bool none_fires = notification.firing_count() == 0;
  for (const AlertView& alert : notification.alerts) {
    if (alert.status != AlertStatus::kFiring && !none_fires) continue;
    if (!earliest || alert.starts_at < *earliest) earliest = alert.starts_at;
  }
  return earliest.value_or(otherwise);
}

std::string group_id(const Notification& notification) {
  std::string identity = notification.origin;
  if (!identity.empty()) identity += '\0';
  return hex_text(sha256(identity + notification.group_key));
}

std::string notification_id(const Notification& notification, Instant now) {
  // NUL separates: no part can hold one, so that different parts never join to the same text.
  std::string identity = notification.receiver;
  identity += '\0';
  identity += group_id(notification);
  identity += '\0';
  identity += notification.acknowledgement ? "acknowledged" : status_text(notification.status);
  identity += '\0';
  identity += std::to_string(now.time_since_epoch().count());
  for (const AlertView& alert : notification.alerts) {
    identity += '\0';
    identity += status_text(alert.status);
    identity += alert.fingerprint;
  }
  return hex_text(sha256(identity));
}

}  // namespace monitoring::notify
