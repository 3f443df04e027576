#include "notify/address.hpp"
#include "notify/mime.hpp"
#include "samples.hpp"

namespace monitoring::notify {
namespace {

using namespace testing;  // NOLINT: the samples of this folder

MailDelivery mail_of(const Notification& notification,
                     const Json& settings = settings_of("email")) {
  return std::get<MailDelivery>(requested("email", notification, settings));
}

std::vector<std::string> lines_of(const std::string& message) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < message.size();) {
    const auto end = message.find("\r\n", at);
    lines.push_back(message.substr(at, end - at));
    at = end == std::string::npos ? message.size() : end + 2;
  }
  return lines;
}

/// The value of a header, unfolded; "(none)" where there is none.
std::string header_of(const std::string& message, const std::string& name) {
  std::string value = "(none)";
  for (const std::string& line : lines_of(message)) {
    if (line.empty()) break;
    if (line.rfind(name + ": ", 0) == 0) {
      value = line.substr(name.size() + 2);
    } else if (value != "(none)" && line[0] == ' ') {
      value += line;
    } else if (value != "(none)") {
      break;
    }
  }
  return value;
}

TEST(Email, TheEnvelopeFollowsTheSettings) {
  Json settings = settings_of("email");
  settings["to"] = "Team <team@db.example>, second@db.example";
  settings["cc"] = Json::array({"boss@db.example"});
  const MailDelivery mail = mail_of(cpu_notification(), settings);
  EXPECT_EQ(mail.url, "smtp://mail.example:587");
  EXPECT_TRUE(mail.require_tls);
  EXPECT_EQ(mail.username, "alerts");
  EXPECT_EQ(mail.password, "s3cr3t-k3y");
  EXPECT_EQ(mail.sender, "alerts@db.example");
  EXPECT_EQ(mail.recipients,
            (std::vector<std::string>{"team@db.example", "second@db.example", "boss@db.example"}));
  EXPECT_EQ(mail.message.find("s3cr3t"), std::string::npos);
}

TEST(Email, SmarthostsAndUrls) {
  const auto url = [](const char* key, const char* value) {
    Json settings = settings_of("email");
    settings.erase("smarthost");
    settings[key] = value;
    return mail_of(cpu_notification(), settings).url;
  };
  EXPECT_EQ(url("smarthost", "mail.example:465"), "smtps://mail.example:465");
  EXPECT_EQ(url("smarthost", "mail.example"), "smtp://mail.example:587");
  EXPECT_EQ(url("smarthost", "[::1]:25"), "smtp://[::1]:25");
  EXPECT_EQ(url("url", "smtps://mail.example:4650"), "smtps://mail.example:4650");
  Json both = settings_of("email");
  both["url"] = "smtp://mail.example";
  EXPECT_NE(complaint("email", both), "");
  Json none = settings_of("email");
  none.erase("smarthost");
  EXPECT_NE(complaint("email", none), "");
  Json lone_user = settings_of("email");
  lone_user.erase("password");
  EXPECT_NE(complaint("email", lone_user), "");
}

TEST(Email, AMessageHasItsHeadersAndTwoParts) {
  const std::string message = mail_of(cpu_notification()).message;
  EXPECT_EQ(header_of(message, "From"), "alerts@db.example");
  EXPECT_EQ(header_of(message, "To"), "team@db.example");
  EXPECT_EQ(header_of(message, "Subject"), "[FIRING:2] HighCPUUsage prod (warning devops)");
  EXPECT_EQ(header_of(message, "Date"), "Sat, 21 Nov 2026 00:35:00 +0000");
  EXPECT_EQ(header_of(message, "MIME-Version"), "1.0");
  EXPECT_EQ(header_of(message, "Auto-Submitted"), "auto-generated");
  EXPECT_EQ(header_of(message, "Content-Type").rfind("multipart/alternative; boundary=", 0), 0U);
  const auto text = message.find("Content-Type: text/plain; charset=UTF-8");
  const auto html = message.find("Content-Type: text/html; charset=UTF-8");
  ASSERT_NE(text, std::string::npos);
  ASSERT_NE(html, std::string::npos);
  EXPECT_LT(text, html) << "the last alternative is the preferred one";
  for (const std::string& line : lines_of(message)) EXPECT_LE(line.size(), 78U) << line;
  for (std::size_t i = 0; i < message.size(); ++i) {
    if (message[i] != '\n') continue;
    ASSERT_GT(i, 0U);
    EXPECT_EQ(message[i - 1], '\r');
  }
}

TEST(Email, MailsOfAGroupThread) {
  const std::string firing = mail_of(cpu_notification()).message;
  const std::string resolved = mail_of(resolved_notification()).message;
  const std::string thread = header_of(firing, "References");
  EXPECT_EQ(thread.rfind("<alert-", 0), 0U);
  EXPECT_NE(thread.find("-2026-11-21@db.example>"), std::string::npos) << thread;
  EXPECT_EQ(header_of(firing, "In-Reply-To"), thread);
  EXPECT_EQ(header_of(resolved, "References"), thread);
  EXPECT_NE(header_of(firing, "Message-Id"), header_of(resolved, "Message-Id"));
  EXPECT_EQ(header_of(firing, "Message-Id"),
            header_of(mail_of(cpu_notification()).message, "Message-Id"));
}

TEST(Email, LabelsCannotInjectHeaders) {
  Notification notification = cpu_notification();
  notification.group_labels.set("cluster", "a\r\nBcc: evil@x.example\r\n\r\nbody");
  const std::string message = mail_of(notification).message;
  EXPECT_EQ(header_of(message, "Bcc"), "(none)");
  for (const char* bad : {"a@b.c\r\nBcc: d@e.f", "X\n <a@b.c>", "a@b.c\n"}) {
    Json settings = settings_of("email");
    settings["to"] = Json::array({bad});
    EXPECT_NE(complaint("email", settings), "") << bad;
  }
  MailHeaders headers;
  EXPECT_TRUE(headers.add("Subject", "a\r\nBcc: b"));
  EXPECT_TRUE(headers.add("Subject", "a\nb"));
  EXPECT_TRUE(headers.add("Sub ject", "a"));
  EXPECT_TRUE(headers.add("X:", "a"));
  EXPECT_FALSE(headers.add("To", "a@b.c,\r\n d@e.f"));
  EXPECT_EQ(headers.text(), "To: a@b.c,\r\n d@e.f\r\n");
}

TEST(Email, HtmlIsEscaped) {
  Notification notification = cpu_notification();
  notification.alerts[0].annotations.set("summary", "<script>\"x\"</script>");
  notification.alerts[0].annotations.set("runbook_url", "javascript:alert");
  const std::string html = composed("email", notification, settings_of("email"))["html"].string();
  EXPECT_EQ(html.find("<script>"), std::string::npos);
  EXPECT_NE(html.find("&lt;script&gt;&quot;x&quot;&lt;/script&gt;"), std::string::npos);
  EXPECT_EQ(html.find("href=\"javascript"), std::string::npos);
  EXPECT_NE(html.find("<a href=\"https://runbooks.example/cpu\">"), std::string::npos);
}

TEST(Email, SubjectsAreEncodedWords) {
  EXPECT_EQ(encoded_text("plain", 9), "plain");
  EXPECT_EQ(encoded_text("gr\xC3\xBC\xC3\x9F e", 9), "=?utf-8?q?gr=C3=BC=C3=9F_e?=");
  std::string fires;
  for (int i = 0; i < 40; ++i) fires += "\xF0\x9F\x94\xA5";
  const std::string folded = encoded_text(fires, 9);
  for (const std::string& line : lines_of(folded)) {
    EXPECT_LE(line.size(), 76U);
    // Twelve characters of hex are one fire: none is split.
    const auto start = line.find("?q?") + 3;
    EXPECT_EQ((line.size() - 2 - start) % 12, 0U) << line;
  }
}

TEST(Email, DisplayNamesAreQuotedOrEncoded) {
  EXPECT_EQ(encoded_address({"", "a@b.c"}), "a@b.c");
  EXPECT_EQ(encoded_address({"Doe, \"J\"", "a@b.c"}), "\"Doe, \\\"J\\\"\" <a@b.c>");
  EXPECT_EQ(encoded_address({"\xC3\x9C", "a@b.c"}), "=?utf-8?q?=C3=9C?= <a@b.c>");
}

TEST(Email, QuotedPrintable) {
  EXPECT_EQ(quoted_printable("a=b \xC3\xA9\n"), "a=3Db =C3=A9\r\n");
  EXPECT_EQ(quoted_printable("end \nx\t"), "end=20\r\nx=09");
  EXPECT_EQ(quoted_printable("a\rb\r\nc"), "a\r\nb\r\nc");
  EXPECT_EQ(quoted_printable(std::string(76, 'x')), std::string(76, 'x'));
  EXPECT_EQ(quoted_printable(std::string(77, 'x')), std::string(75, 'x') + "=\r\nxx");
}

TEST(Email, AddressesAreChecked) {
  const auto named = parse_address("\"On Call\" <on.call+db@example.com>");
  ASSERT_TRUE(named.ok());
  EXPECT_EQ(named->display_name, "On Call");
  EXPECT_EQ(named->address, "on.call+db@example.com");
  const struct {
    const char* text;
    std::size_t position;
  } cases[] = {{"", 0},          {"nobody", 0},    {"@b.c", 0},   {"a..b@c.d", 0},
               {"a@", 2},        {"a@b..c", 2},    {"a@-b_c", 2}, {"x <a@b.c", 2},
               {"x <a b@c>", 3}, {"a@b.c\r\n", 5}, {"a@b@c", 0},  {"a@[1.2.3.4]", 2}};
  for (const auto& bad : cases) {
    const auto address = parse_address(bad.text);
    ASSERT_FALSE(address.ok()) << bad.text;
    EXPECT_EQ(address.error().position, bad.position) << bad.text;
  }
}

TEST(Email, RetryMatrix) {
  EXPECT_EQ(judged("email", answer(250)).verdict, Verdict::kSent);
  DeliveryOutcome partly = answer(250);
  partly.refused_recipients = "no.such@x.example (550 5.1.1 no such user)";
  EXPECT_EQ(judged("email", partly).verdict, Verdict::kSent);
  EXPECT_EQ(judged("email", partly).explanation,
            "not taken for no.such@x.example (550 5.1.1 no such user)");
  EXPECT_EQ(judged("email", partly).reason, FailureReason::kServerError);
  partly.deferred_recipients = {"busy@x.example"};
  EXPECT_EQ(judged("email", partly).explanation,
            "not taken for no.such@x.example (550 5.1.1 no such user); sent again to those refused "
            "for now");
  partly.refused_for_good = true;
  EXPECT_EQ(judged("email", partly).reason, FailureReason::kClientError);
  const auto broken = [](DeliveryFailure failure, int status, const char* reply = "") {
    DeliveryOutcome outcome = answer(status, reply);
    outcome.failure = failure;
    return judged("email", outcome);
  };
  EXPECT_EQ(broken(DeliveryFailure::kReset, 550, "550 no").verdict, Verdict::kDead);
  EXPECT_EQ(broken(DeliveryFailure::kReset, 550, "550 no").explanation, "SMTP reply: 550 no");
  EXPECT_EQ(broken(DeliveryFailure::kReset, 451).verdict, Verdict::kRetry);
  EXPECT_EQ(broken(DeliveryFailure::kReset, 451).reason, FailureReason::kServerError);
  EXPECT_EQ(broken(DeliveryFailure::kReset, 354).verdict, Verdict::kRetry);
  EXPECT_EQ(broken(DeliveryFailure::kAuthentication, 535).verdict, Verdict::kRetry);
  EXPECT_EQ(broken(DeliveryFailure::kAuthentication, 535).reason, FailureReason::kAuthError);
  EXPECT_EQ(broken(DeliveryFailure::kConnect, 0).verdict, Verdict::kRetry);
  // What the server said before it came to the mail does not count.
  EXPECT_EQ(broken(DeliveryFailure::kTls, 220).verdict, Verdict::kRetry);
  EXPECT_EQ(broken(DeliveryFailure::kTls, 250).verdict, Verdict::kRetry);
  EXPECT_EQ(broken(DeliveryFailure::kTimeout, 250).verdict, Verdict::kRetry);
  EXPECT_EQ(broken(DeliveryFailure::kTimeout, 250).reason, FailureReason::kDeadlineExceeded);
  EXPECT_EQ(broken(DeliveryFailure::kReset, 250).verdict, Verdict::kRetry);
}

}  // namespace
}  // namespace monitoring::notify
