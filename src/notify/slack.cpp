// Kind `slack`: incoming webhooks.
// https://api.slack.com/messaging/webhooks, https://api.slack.com/reference/block-kit/blocks
//
// The message is a line of text (what a phone shows: mention, title, link) and one coloured
// attachment with a block per alert, or the receiver's own text. Alertmanager fills the
// attachment's title and text instead; blocks are what Slack recommends. Mentions are ours: P0
// (critical) @channel, P1 (error) @here, only while something fires.

#include <algorithm>

#include "monitoring/base/encoding.hpp"
#include "monitoring/base/json.hpp"
#include "monitoring/notify/url.hpp"
#include "notify/http_json.hpp"
#include "notify/kinds.hpp"
#include "notify/settings.hpp"
#include "notify/wording.hpp"

namespace monitoring::notify {

namespace {

/// Characters of a section's text.
constexpr std::size_t kLongestSection = 3000;
/// Characters of the message's line and of the fallback; Slack recommends far fewer than its
/// 40,000.
constexpr std::size_t kLongestTitle = 1000;
/// Alerts with a section of their own. Slack takes 50 blocks in a message.
constexpr std::size_t kMostSections = 40;

constexpr Field kFields[] = {
    {"url", FieldType::kSecret, true},
    {"channel", FieldType::kTemplate},
    {"username", FieldType::kTemplate},
    {"icon_emoji", FieldType::kTemplate},
    {"icon_url", FieldType::kUrl},
    {"title", FieldType::kTemplate},
    {"text", FieldType::kTemplate},
    {"color", FieldType::kTemplate},
    {"mention", FieldType::kChoice, false, "severity none here channel"},
};

std::optional<Error> check(const Json& settings) {
  return check_fields(settings, kFields);
}

std::string_view escaped_character(std::string_view character) {
  if (character == "&") return "&amp;";
  if (character == "<") return "&lt;";
  if (character == ">") return "&gt;";
  return character;
}

/// Appends text with & < > escaped, as far as `limit` bytes allow; never part of a character or of
/// an escape. Bytes are counted where Slack counts characters: on the safe side.
void append_escaped(std::string& out, std::string_view text, std::size_t limit) {
  constexpr std::string_view kEllipsis = "\xE2\x80\xA6";
  const std::string valid = valid_utf8(text);
  std::string_view rest = valid;
  while (!rest.empty()) {
    const std::string_view character = rest.substr(0, utf8_sequence(rest));
    const std::string_view written = escaped_character(character);
    const bool last = character.size() == rest.size();
    if (out.size() + written.size() + (last ? 0 : kEllipsis.size()) > limit) {
      if (out.size() + kEllipsis.size() <= limit) out += kEllipsis;
      return;
    }
    out += written;
    rest.remove_prefix(character.size());
  }
}

std::string escaped(std::string_view text, std::size_t limit) {
  std::string out;
  append_escaped(out, text, limit);
  return out;
}

/// Slack's own mark-up, written by whoever configured the receiver, as far as it fits.
std::string as_written(const std::string& text, std::size_t limit) {
  return truncated_bytes(valid_utf8(text), limit);
}

/// What calls people: who, as Slack writes it, with a space behind; or nothing.
std::string_view mention_of(const Notification& notification, const Json& settings) {
  if (notification.status != AlertStatus::kFiring || notification.acknowledgement) return "";
  const std::string how = text_setting(settings, "mention", "severity");
  const Severity severity = severity_of(notification);
  const bool by_severity = how == "severity";
  if (how == "channel" || (by_severity && severity == Severity::kCritical)) return "<!channel> ";
  if (how == "here" || (by_severity && severity == Severity::kError)) return "<!here> ";
  return "";
}

/// A label that is missing or unknown counts as an error for PagerDuty; nobody's sleep is broken by
/// it here.
bool has_severity(const Notification& notification) {
  for (const AlertView& alert : notification.alerts) {
    if (!alert.labels.get("severity").empty()) return true;
  }
  return !notification.common_labels.get("severity").empty();
}

std::string_view color_of(const Notification& notification) {
  if (notification.status == AlertStatus::kResolved) return "good";
  switch (severity_of(notification)) {
    case Severity::kCritical:
    case Severity::kError:
      return "danger";
    case Severity::kWarning:
      return "warning";
    case Severity::kInfo:
      return "#439FE0";
  }
  return "danger";
}

/// Bold type and links end with their line.
std::string in_one_line(std::string_view text) {
  std::string line(text);
  for (char& c : line) c = static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  return line;
}

/// What may stand between the bar and the bracket of a link: one line, and no bracket that would
/// end it. Escapes (&amp;) are left as they are.
std::string link_text(std::string_view shown) {
  std::string text;
  for (const char c : in_one_line(shown)) {
    if (c == '<' || c == '>') {
      text += c == '<' ? "&lt;" : "&gt;";
    } else {
      text += c;
    }
  }
  return text;
}

/// Whether a text that the receiver's owner wrote has mark-up that a link cannot hold: a mention,
/// or a link of its own.
bool has_own_markup(std::string_view text) {
  const std::size_t open = text.find('<');
  return open != text.npos && text.find('>', open) != text.npos;
}

/// <url|text>, or the text alone where there is no URL. `shown` is escaped, or Slack's mark-up.
std::string link_to(const std::string& url, const std::string& shown) {
  if (!check_http_url(url) || url.size() > kLongestTitle) return shown;
  // A bar or a bracket cannot be in a checked URL; & can.
  const std::string target = "<" + escaped(url, 2 * kLongestTitle) + "|";
  if (has_own_markup(shown)) return shown + " " + target + "link>";
  return target + link_text(shown) + ">";
}

Json section(std::string text) {
  return {{"type", "section"}, {"text", {{"type", "mrkdwn"}, {"text", std::move(text)}}}};
}

void append_line(std::string& text, std::string_view line) {
  if (line.empty() || text.size() >= kLongestSection) return;
  if (!text.empty()) text += '\n';
  append_escaped(text, line, kLongestSection);
}

/// One alert: name and status, what it says, and the labels that tell it from the others.
Json alert_section(const Notification& notification, const AlertView& alert) {
  std::string text =
      alert.status == AlertStatus::kFiring ? ":red_circle: *" : ":white_check_mark: *";
  append_escaped(text, in_one_line(name_of(alert)), kLongestSection / 4);
  text += "*";
  append_line(text, alert.annotations.get("summary"));
  append_line(text, alert.annotations.get("description"));
  std::string labels;
  for (const auto& [name, value] : alert.labels) {
    if (notification.alerts.size() > 1 && notification.common_labels.has(name)) continue;
    if (!labels.empty()) labels += ", ";
    labels += name + "=" + value;
  }
  append_line(text, labels);
  return section(std::move(text));
}

/// The links that a responder needs, and how many alerts have no section.
void add_footer(Json& blocks, const Notification& notification, std::size_t shown) {
  constexpr std::string_view kSeparator = " | ";
  std::string text;
  const auto append = [&](const std::string& part) {
    if (part.empty()) return;
    if (!text.empty()) text += kSeparator;
    text += part;
  };
  const std::uint64_t rest = notification.alerts.size() - shown + notification.truncated_alerts;
  if (rest > 0) append("and " + std::to_string(rest) + " more alerts");
  for (const Link& link : links_of(notification)) {
    const std::string linked = link_to(link.href, escaped(link.text, kLongestTitle));
    if (text.size() + linked.size() + kSeparator.size() <= kLongestSection) append(linked);
  }
  if (text.empty()) return;
  const Json element = {{"type", "mrkdwn"}, {"text", text}};
  blocks.push_back({{"type", "context"}, {"elements", Json::array({element})}});
}

/// The setting `title`, which stays as it is written, or the default one.
std::string shown_title(const Notification& notification, const Json& settings) {
  const std::string title = text_setting(settings, "title");
  return title.empty() ? escaped(title_of(notification), kLongestTitle)
                       : as_written(title, kLongestTitle);
}

/// The setting `text` in place of the alerts, or a section for each of them.
Json blocks_of(const Notification& notification, const Json& settings) {
  Json blocks = Json::array();
  const std::string text = text_setting(settings, "text");
  if (!text.empty()) {
    blocks.push_back(section(as_written(text, kLongestSection)));
    return blocks;
  }
  const std::size_t shown = std::min(kMostSections, notification.alerts.size());
  for (std::size_t i = 0; i < shown; ++i) {
    blocks.push_back(alert_section(notification, notification.alerts[i]));
  }
  add_footer(blocks, notification, shown);
  return blocks;
}

Json attachment_of(const Notification& notification, const Json& settings) {
  return {
      {"color", text_setting(settings, "color", color_of(notification))},
      {"fallback", shown_title(notification, settings)},
      {"blocks", blocks_of(notification, settings)},
  };
}

Result<Json> compose(const Notification& notification, const Json& settings, Instant /*now*/) {
  std::string text;
  const bool asked = settings.contains("mention");
  if (asked || has_severity(notification)) text += mention_of(notification, settings);
  text += link_to(notification.external_url, shown_title(notification, settings));
  Json message = {{"text", std::move(text)},
                  {"attachments", Json::array({attachment_of(notification, settings)})}};
  for (const char* key : {"channel", "username", "icon_emoji", "icon_url"}) {
    const std::string value = text_setting(settings, key);
    if (!value.empty()) message[key] = value;
  }
  return message;
}

Result<DeliveryRequest> request(const Json& payload, const Json& settings, Instant /*now*/) {
  auto posted = post_json(text_setting(settings, "url"), "url", payload.dump());
  if (!posted) return posted.error();
  return DeliveryRequest(std::move(posted).value());
}

/// Whether the body of a 200 says that the message was taken: "ok" of webhooks, {"ok": true} of the
/// Web API.
bool said_ok(std::string_view body) {
  while (!body.empty() && (body.back() == '\n' || body.back() == '\r')) body.remove_suffix(1);
  if (body == "ok") return true;
  const Json answer = Json::parse_or_null(body);
  return answer.is_object() && flag_setting(answer, "ok", false);
}

/// Slack reports some failures with status 200; they are permanent (as in Alertmanager). 429 is
/// retried, which Alertmanager does not do.
Judgement judge(const DeliveryOutcome& outcome) {
  Judgement judgement = judge_http(outcome);
  if (judgement.verdict != Verdict::kSent || said_ok(outcome.body_head)) return judgement;
  judgement.verdict = Verdict::kDead;
  judgement.reason = FailureReason::kClientError;
  judgement.explanation = "Slack answered: " + outcome.body_head;
  return judgement;
}

/// Slack takes <!channel> and <@U123> for calls wherever they stand. Whom a message calls is for
/// the receiver to say, by `mention` or in its own text, and not for whoever can name a thing that
/// is measured. All other mark-up stays, as Alertmanager leaves it.
std::string without_mentions(std::string_view value) {
  std::string defused;
  for (std::size_t at = 0; at < value.size(); ++at) {
    // What comes after the value in a text may be another value.
    const char next = at + 1 < value.size() ? value[at + 1] : '!';
    const bool calls = value[at] == '<' && (next == '!' || next == '@');
    if (calls) {
      defused += "&lt;";
    } else {
      defused += value[at];
    }
  }
  return defused;
}

/// "One message per second, short bursts": https://api.slack.com/docs/rate-limits
constexpr RateLimit kRateLimit = {std::chrono::seconds(1), 5};

}  // namespace

const ReceiverKind kSlack = {"slack",    false,   false,           check,
                             compose,    request, judge,           field_table(kFields),
                             kRateLimit, nullptr, without_mentions};

}  // namespace monitoring::notify
