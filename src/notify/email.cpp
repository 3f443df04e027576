// Kind `email`: a text and an HTML part, to a smart host over SMTP.
//
// Mails of one group thread: References and In-Reply-To name <alert-<key hash>-<date>@domain>, a
// message that does not exist, as in Alertmanager (thread_by_date daily); readers make a thread of
// what refers to the same. Message-Id depends on the notification only, so that a mail that was
// sent twice because a server died in between can be told from two mails.
//
// Differs from Alertmanager on purpose: there is always a text part, the HTML needs no template
// files, and threading is on.

#include "monitoring/base/encoding.hpp"
#include "monitoring/base/json.hpp"
#include "monitoring/base/rfc3339.hpp"
#include "monitoring/base/sha256.hpp"
#include "monitoring/notify/url.hpp"
#include "notify/address.hpp"
#include "notify/email_body.hpp"
#include "notify/kinds.hpp"
#include "notify/mime.hpp"
#include "notify/settings.hpp"
#include "notify/wording.hpp"

namespace monitoring::notify {

namespace {

/// Characters; long subjects are cut by readers anyway.
constexpr std::size_t kLongestSubject = 250;
/// Hex digits of the key hash in a thread's id, as in Alertmanager.
constexpr std::size_t kThreadHashLength = 16;
/// The port of SMTP submission over implicit TLS (RFC 8314).
constexpr std::string_view kImplicitTlsPort = "465";
constexpr std::string_view kSubmissionPort = "587";

constexpr Field kFields[] = {
    {"to", FieldType::kAddresses, true},
    {"from", FieldType::kAddresses, true},
    {"cc", FieldType::kAddresses},
    {"reply_to", FieldType::kAddresses},
    {"smarthost", FieldType::kText},
    {"url", FieldType::kMailUrl},
    {"require_tls", FieldType::kBoolean},
    {"username", FieldType::kText},
    {"password", FieldType::kSecret},
    {"subject_prefix", FieldType::kText},
    {"subject", FieldType::kTemplate},
    {"text", FieldType::kTemplate},
    {"html", FieldType::kHtml},
    {"thread_by_date", FieldType::kChoice, false, "daily none"},
};

/// smtp(s)://host:port of a smarthost "host:port". Port 465 means implicit TLS.
std::string url_of_smarthost(const std::string& smarthost) {
  const auto colon = smarthost.rfind(':');
  const bool has_port =
      colon != std::string::npos && smarthost.find(']', colon) == std::string::npos;
  const std::string port = has_port ? smarthost.substr(colon + 1) : std::string(kSubmissionPort);
  const std::string host = has_port ? smarthost.substr(0, colon) : smarthost;
  return (port == kImplicitTlsPort ? "smtps://" : "smtp://") + host + ":" + port;
}

std::optional<Error> check(const Json& settings) {
  if (auto error = check_fields(settings, kFields)) return error;
  if (settings.contains("smarthost") == settings.contains("url")) {
    return Error::of("either \"smarthost\" or \"url\" must be set",
                     "For example {\"smarthost\": \"smtp.example.com:587\"}.");
  }
  if (settings.contains("smarthost") &&
      !is_mail_url(url_of_smarthost(text_setting(settings, "smarthost")))) {
    return Error::of("setting \"smarthost\" must be host:port");
  }
  if (settings.contains("username") != settings.contains("password")) {
    return Error::of("settings \"username\" and \"password\" belong together");
  }
  if (list_setting(settings, "from").size() != 1) {
    return Error::of("setting \"from\" must be one mail address");
  }
  return std::nullopt;
}

/// The domain in which message ids are made.
std::string domain_of(const Json& settings) {
  const auto senders = list_setting(settings, "from");
  const auto sender = parse_address(senders.empty() ? std::string() : senders.front());
  return sender ? sender->address.substr(sender->address.rfind('@') + 1) : "localhost";
}

std::string thread_of(const Notification& notification, const Json& settings, Instant now) {
  const std::string hash = group_id(notification).substr(0, kThreadHashLength);
  const bool daily = text_setting(settings, "thread_by_date", "daily") == "daily";
  const std::string date =
      daily ? rfc3339(now).substr(0, std::string_view("2026-01-02").size()) : "";
  return "<alert-" + hash + "-" + date + "@" + domain_of(settings) + ">";
}

/// One line: a header with a line break in it would be refused when it is too late.
std::string on_one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, ' ');
  return text;
}

std::string subject_of(const Notification& notification, const Json& settings) {
  std::string subject = text_setting(settings, "subject_prefix");
  if (!subject.empty()) subject += ' ';
  subject += text_setting(settings, "subject", title_of(notification));
  return truncated_characters(valid_utf8(on_one_line(std::move(subject))), kLongestSubject);
}

/// The mail by its parts, readable in the outbox; request() makes the message of it.
Result<Json> compose(const Notification& notification, const Json& settings, Instant now) {
  return Json{
      {"subject", subject_of(notification, settings)},
      {"date", rfc3339(now)},
      {"message_id",
       "<" + notification_id(notification, now).substr(0, 32) + "@" + domain_of(settings) + ">"},
      {"thread", thread_of(notification, settings, now)},
      {"text", text_setting(settings, "text", mail_text(notification))},
      {"html", text_setting(settings, "html", mail_html(notification))},
  };
}

/// Parsed addresses of a setting that has passed check().
std::vector<MailAddress> addresses_of(const Json& settings, const char* key) {
  std::vector<MailAddress> addresses;
  for (const std::string& text : list_setting(settings, key)) {
    auto parsed = parse_address(text);
    if (parsed) addresses.push_back(std::move(parsed).value());
  }
  return addresses;
}

/// Addresses one to a line, so that no line grows too long.
std::string address_lines(const std::vector<MailAddress>& addresses) {
  std::string lines;
  for (const MailAddress& address : addresses) {
    if (!lines.empty()) lines += ",\r\n ";
    lines += encoded_address(address);
  }
  return lines;
}

/// Does not occur in quoted-printable, where "=" is followed by hex digits or a line break.
std::string boundary_of(const std::string& message_id) {
  return "=_" + hex_text(sha256(message_id)).substr(0, 32);
}

Result<std::string> message_of(const Json& payload, const Json& settings) {
  const std::string id = text_setting(payload, "message_id");
  const std::string boundary = boundary_of(id);
  const auto date = parse_rfc3339(text_setting(payload, "date"));
  if (!date) return Error::of("stored mail has no date");
  const std::string thread = text_setting(payload, "thread");

  std::vector<std::pair<const char*, std::string>> lines = {
      {"From", address_lines(addresses_of(settings, "from"))},
      {"To", address_lines(addresses_of(settings, "to"))},
      {"Cc", address_lines(addresses_of(settings, "cc"))},
      {"Reply-To", address_lines(addresses_of(settings, "reply_to"))},
      {"Subject",
       encoded_text(text_setting(payload, "subject"), std::string_view("Subject: ").size())},
      {"Date", mail_date(*date)},
      {"Message-Id", id},
      {"References", thread},
      {"In-Reply-To", thread},
      // RFC 3834: no out-of-office answers to these.
      {"Auto-Submitted", "auto-generated"},
      {"MIME-Version", "1.0"},
      {"Content-Type", "multipart/alternative;\r\n boundary=\"" + boundary + "\""},
  };
  MailHeaders headers;
  for (const auto& [name, value] : lines) {
    if (value.empty()) continue;
    if (auto error = headers.add(name, value)) return *error;
  }
  return headers.text() + "\r\n" +
         alternative_parts(boundary, text_setting(payload, "text"), text_setting(payload, "html"));
}

/// All of the receiver's, or those of them that have not got it yet.
std::vector<std::string> recipients_of(const Json& payload, const Json& settings) {
  const bool is_for_some = payload.contains("recipients");
  const std::vector<std::string> some =
      is_for_some ? list_setting(payload, "recipients") : std::vector<std::string>();
  std::vector<std::string> recipients;
  for (const char* key : {"to", "cc"}) {
    for (const MailAddress& address : addresses_of(settings, key)) {
      const bool is_meant =
          !is_for_some || std::find(some.begin(), some.end(), address.address) != some.end();
      if (is_meant) recipients.push_back(address.address);
    }
  }
  return recipients;
}

Result<DeliveryRequest> request(const Json& payload, const Json& settings, Instant /*now*/) {
  MailDelivery mail;
  mail.url = settings.contains("url") ? text_setting(settings, "url")
                                      : url_of_smarthost(text_setting(settings, "smarthost"));
  if (!is_mail_url(mail.url)) {
    return Error::of("the value of setting \"url\" is not an smtp or smtps URL");
  }
  mail.require_tls = flag_setting(settings, "require_tls", true);
  mail.username = text_setting(settings, "username");
  mail.password = text_setting(settings, "password");
  mail.sender = addresses_of(settings, "from").front().address;
  mail.recipients = recipients_of(payload, settings);
  if (mail.recipients.empty()) {
    return Error::of("the recipient is no address of the receiver any more");
  }
  auto message = message_of(payload, settings);
  if (!message) return message.error();
  mail.message = std::move(message).value();
  return DeliveryRequest(std::move(mail));
}

/// RFC 5321, section 4.2.1: 2yz taken, 4yz later, 5yz never. The reply counts too where the
/// dialogue broke off in the middle. A refused AUTH is retried, as in Alertmanager: accounts get
/// locked and unlocked.
Judgement judge(const DeliveryOutcome& outcome) {
  const bool answered = outcome.failure == DeliveryFailure::kNone;
  if (answered && outcome.status >= 200 && outcome.status < 300) {
    if (outcome.refused_recipients.empty()) return {};
    // Another attempt would tell those again who have it: those who may get it later have one of
    // their own.
    const char* const later =
        outcome.deferred_recipients.empty() ? "" : "; sent again to those refused for now";
    return {Verdict::kSent,
            outcome.refused_for_good ? FailureReason::kClientError : FailureReason::kServerError,
            {},
            "not taken for " + outcome.refused_recipients + later};
  }
  const bool refused = outcome.status >= 400 && outcome.status < 600;
  if (!answered && !(outcome.failure == DeliveryFailure::kReset && refused)) {
    // The last reply was to an earlier command: it is no sign that the mail was taken.
    DeliveryOutcome unanswered = outcome;
    unanswered.status = 0;
    return judge_http(unanswered);
  }
  const std::string explanation =
      "SMTP reply: " +
      (outcome.body_head.empty() ? std::to_string(outcome.status) : outcome.body_head);
  if (outcome.status >= 500) {
    return {Verdict::kDead, FailureReason::kClientError, {}, explanation};
  }
  return {Verdict::kRetry, FailureReason::kServerError, {}, explanation};
}

}  // namespace

const ReceiverKind kEmail = {"email", false,   false, check,
                             compose, request, judge, field_table(kFields)};

}  // namespace monitoring::notify
