// Kind `sms`: text messages and calls through Twilio's REST API, or one that is compatible.
// https://www.twilio.com/docs/messaging/api/message-resource,
// https://www.twilio.com/docs/voice/api/call-resource
//
// With `twiml_url` the receiver is called, and Twilio fetches from there what to say; with `voice`
// it is called and what would have been the text is read out. `to` may list several numbers: each
// gets a notification of its own in the outbox, so that one that fails delays no other.

#include "monitoring/base/encoding.hpp"
#include "monitoring/base/json.hpp"
#include "monitoring/notify/url.hpp"
#include "notify/http_json.hpp"
#include "notify/kinds.hpp"
#include "notify/settings.hpp"
#include "notify/wording.hpp"

namespace monitoring::notify {

namespace {

constexpr std::string_view kApi = "https://api.twilio.com/2010-04-01/Accounts/";
/// Characters of a message's body; Twilio refuses more (error 21617).
constexpr std::size_t kLongestBody = 1600;
/// Characters of a call's TwiML, mark-up included; Twilio refuses more.
constexpr std::size_t kLongestTwiml = 4000;
constexpr std::string_view kTwimlBegin = "<Response><Say>";
constexpr std::string_view kTwimlEnd = "</Say></Response>";
constexpr std::string_view kEllipsis = "\u2026";
/// Alerts named one by one: a text message is to be short.
constexpr std::size_t kMostAlerts = 5;

constexpr Field kFields[] = {
    {"account_sid", FieldType::kText, true}, {"auth_token", FieldType::kSecret, true},
    {"from", FieldType::kText, true},        {"to", FieldType::kList, true},
    {"text", FieldType::kTemplate},          {"voice", FieldType::kBoolean},
    {"twiml_url", FieldType::kUrl},          {"url", FieldType::kUrl},
};

bool calls(const Json& settings) {
  return settings.contains("twiml_url") || flag_setting(settings, "voice", false);
}

std::optional<Error> check(const Json& settings) {
  return check_fields(settings, kFields);
}

std::string body_of(const Notification& notification) {
  std::string body = title_of(notification);
  std::size_t named = 0;
  for (const AlertView& alert : notification.alerts) {
    const std::string_view said = alert.annotations.get("summary");
    if (said.empty() || named == kMostAlerts) continue;
    body += "\n" + std::string(said);
    ++named;
  }
  return body;
}

/// What no XML document may hold are control characters, U+FFFE and U+FFFF. A line break may be
/// there, and means nothing to who reads it out.
bool is_spoken(std::string_view character) {
  if (character.size() == 1) return static_cast<unsigned char>(character[0]) >= 0x20;
  return character != "\xEF\xBF\xBE" && character != "\xEF\xBF\xBF";
}

std::string_view xml_escaped(std::string_view character) {
  if (character == "&") return "&amp;";
  if (character == "<") return "&lt;";
  if (character == ">") return "&gt;";
  return is_spoken(character) ? character : " ";
}

/// Valid UTF-8, escaped, of at most so many characters. It is cut between characters of the text,
/// so that no entity is cut.
std::string xml_escaped_within(std::string_view text, std::size_t most) {
  std::string out;
  std::size_t length = 0;
  std::size_t end_with_room = 0;  // where an ellipsis would still fit
  while (!text.empty()) {
    const std::string_view character = text.substr(0, utf8_sequence(text));
    const std::string_view escaped = xml_escaped(character);
    length += utf8_length(escaped);
    if (length > most) {
      out.resize(end_with_room);
      return out.append(kEllipsis);
    }
    out += escaped;
    if (length < most) end_with_room = out.size();
    text.remove_prefix(character.size());
  }
  return out;
}

std::string twiml(std::string_view said) {
  const std::size_t markup = kTwimlBegin.size() + kTwimlEnd.size();
  return std::string(kTwimlBegin) + xml_escaped_within(said, kLongestTwiml - markup) +
         std::string(kTwimlEnd);
}

Result<Json> compose(const Notification& notification, const Json& settings, Instant /*now*/) {
  Json form = {{"To", text_setting(settings, "to")}, {"From", text_setting(settings, "from")}};
  const std::string body = truncated_characters(
      valid_utf8(text_setting(settings, "text", body_of(notification))), kLongestBody);
  if (!calls(settings)) {
    form["Body"] = body;
  } else if (!settings.contains("twiml_url")) {
    form["Twiml"] = twiml(body);
  }
  return form;
}

std::string form_encoded(const Json& form) {
  std::string body;
  for (const auto& [name, value] : form.members()) {
    if (!value.is_string()) continue;
    if (!body.empty()) body += '&';
    body += percent_encoded(name) + "=" + percent_encoded(value.string());
  }
  return body;
}

Result<DeliveryRequest> request(const Json& payload, const Json& settings, Instant /*now*/) {
  const std::string account = text_setting(settings, "account_sid");
  const std::string endpoint = std::string(kApi) + percent_encoded(account) +
                               (calls(settings) ? "/Calls.json" : "/Messages.json");
  Json form = payload;
  const std::string twiml_url = text_setting(settings, "twiml_url");
  if (!twiml_url.empty()) form["Url"] = twiml_url;
  auto posted = post_json(text_setting(settings, "url", endpoint), "url", form_encoded(form));
  if (!posted) return posted.error();
  posted->headers = {
      {"Content-Type", "application/x-www-form-urlencoded"},
      {"Accept", "application/json"},
      {"Authorization", "Basic " + base64(account + ":" + text_setting(settings, "auth_token"))},
  };
  return DeliveryRequest(std::move(posted).value());
}

/// Whether a message that was taken is known to be undeliverable already.
bool gave_up(const Json& answer) {
  const std::string status = text_setting(answer, "status");
  return status == "failed" || status == "undelivered" || status == "canceled";
}

/// Twilio explains itself in JSON: {"code": 21211, "message": "..."} with an error status,
/// {"status": "queued", "error_message": null} with 201.
Judgement judge(const DeliveryOutcome& outcome) {
  Judgement judgement = judge_http(outcome);
  const Json answer = Json::parse_or_null(outcome.body_head);
  if (!answer.is_object()) return judgement;
  if (judgement.verdict == Verdict::kSent) {
    if (!gave_up(answer)) return judgement;
    return {
        Verdict::kDead,
        FailureReason::kClientError,
        {},
        "message " + text_setting(answer, "status") + ": " + text_setting(answer, "error_message")};
  }
  const std::string message = text_setting(answer, "message");
  if (!message.empty()) {
    judgement.explanation = "HTTP status " + std::to_string(outcome.status) + ", error " +
                            std::to_string(count_setting(answer, "code", 0)) + ": " + message;
  }
  return judgement;
}

}  // namespace

const ReceiverKind kSms = {
    "sms", false, false, check, compose, request, judge, field_table(kFields), std::nullopt, "to"};

}  // namespace monitoring::notify
