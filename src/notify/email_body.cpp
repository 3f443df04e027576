#include "notify/email_body.hpp"

#include <algorithm>

#include "monitoring/base/encoding.hpp"
#include "monitoring/base/rfc3339.hpp"
#include "monitoring/notify/url.hpp"
#include "notify/wording.hpp"

namespace monitoring::notify {

namespace {

/// Alerts written out; the rest is counted. Keeps a mail below what servers take.
constexpr std::size_t kMostAlerts = 100;

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : valid_utf8(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::uint64_t left_out(const Notification& notification) {
  const std::size_t shown = std::min(kMostAlerts, notification.alerts.size());
  return notification.alerts.size() - shown + notification.truncated_alerts;
}

std::string background_of(const Notification& notification) {
  if (notification.status == AlertStatus::kResolved) return "#2eb67d";
  return severity_of(notification) <= Severity::kError ? "#d0342c" : "#d98e04";
}

std::string html_link(const std::string& url, std::string_view text) {
  if (!check_http_url(url)) return "";
  return "<a href=\"" + escaped(url) + "\">" + escaped(text) + "</a>";
}

std::string html_pairs(std::string_view title, const Labels& labels) {
  if (labels.empty()) return "";
  std::string html = "<p style=\"margin:8px 0 2px 0\"><b>" + std::string(title) + "</b></p>\n";
  for (const auto& [name, value] : labels) {
    const std::string shown = check_http_url(value) ? html_link(value, value) : escaped(value);
    html += escaped(name) + " = " + shown + "<br>\n";
  }
  return html;
}

std::string html_alert(const AlertView& alert) {
  std::string html = "<div style=\"border-top:1px solid #dddddd;padding:12px 20px\">\n";
  html += "<p style=\"margin:0\"><b>" + escaped(name_of(alert)) + "</b> (" +
          std::string(status_text(alert.status)) + ") since " + rfc3339(alert.starts_at);
  if (alert.ends_at) html += ", ended " + rfc3339(*alert.ends_at);
  html += "</p>\n" + html_pairs("Labels", alert.labels) +
          html_pairs("Annotations", alert.annotations) + html_link(alert.generator_url, "Source");
  return html + "</div>\n";
}

std::string text_alert(const AlertView& alert) {
  std::string text = "\n" + name_of(alert) + " (" + std::string(status_text(alert.status)) + ")\n";
  text += "  since " + rfc3339(alert.starts_at) + "\n";
  if (alert.ends_at) text += "  ended " + rfc3339(*alert.ends_at) + "\n";
  for (const auto& [name, value] : alert.annotations) text += "  " + name + ": " + value + "\n";
  for (const auto& [name, value] : alert.labels) text += "  " + name + " = " + value + "\n";
  if (!alert.generator_url.empty()) text += "  source: " + alert.generator_url + "\n";
  return text;
}

std::string counts(const Notification& notification) {
  return std::to_string(notification.firing_count()) + " firing, " +
         std::to_string(notification.resolved_count()) + " resolved";
}

}  // namespace

std::string mail_text(const Notification& notification) {
  std::string text = title_of(notification) + "\n" + counts(notification) + "\n";
  for (std::size_t i = 0; i < std::min(kMostAlerts, notification.alerts.size()); ++i) {
    text += text_alert(notification.alerts[i]);
  }
  const std::uint64_t rest = left_out(notification);
  if (rest > 0) text += "\nand " + std::to_string(rest) + " more alerts\n";
  if (!notification.external_url.empty()) text += "\n" + notification.external_url + "\n";
  return text;
}

std::string mail_html(const Notification& notification) {
  std::string html =
      "<!DOCTYPE html>\n<html>\n<head><meta charset=\"utf-8\"><title>" +
      escaped(title_of(notification)) +
      "</title></head>\n<body style=\"font-family:Helvetica,Arial,sans-serif;font-size:14px\">\n"
      "<div style=\"max-width:600px;margin:0 auto;border:1px solid #dddddd\">\n";
  html += "<div style=\"background:" + background_of(notification) +
          ";color:#ffffff;padding:16px 20px;font-size:16px\">" + escaped(title_of(notification)) +
          "<br>" + counts(notification) + "</div>\n";
  for (std::size_t i = 0; i < std::min(kMostAlerts, notification.alerts.size()); ++i) {
    html += html_alert(notification.alerts[i]);
  }
  const std::uint64_t rest = left_out(notification);
  if (rest > 0)
    html += "<p style=\"padding:0 20px\">and " + std::to_string(rest) + " more alerts</p>\n";
  const std::string link = html_link(notification.external_url, "Sent by monitoring");
  if (!link.empty()) html += "<p style=\"padding:0 20px\">" + link + "</p>\n";
  return html + "</div>\n</body>\n</html>\n";
}

}  // namespace monitoring::notify
