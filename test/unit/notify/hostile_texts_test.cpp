// Texts that mean something to whoever reads them, in every place that an alert can put them, for
// every kind of receiver: what is sent stays what it is meant to be, within the receiver's limits.

#include <algorithm>
#include <cctype>
#include <cstring>
#include <functional>
#include <set>

#include "monitoring/base/encoding.hpp"
#include "samples.hpp"

namespace monitoring::notify {
namespace {

using namespace testing;  // NOLINT: the samples of this folder

std::vector<std::string> hostile_texts() {
  std::string all_bytes;
  for (int c = 0; c < 256; ++c) all_bytes += static_cast<char>(c);
  std::string controls;
  for (char c = 0; c < 0x20; ++c) controls += c;
  return {
      "\"quoted\" 'single' \\back\\ `tick` \\u0000 \\n",
      "a\r\nBcc: evil@x.example\r\n\r\nbody",
      "a\nX-Evil: 1\n.\n..\nQUIT\n",
      ".\r\n.",
      controls,
      all_bytes,
      "\x7f\xc2\x80\xc2\x85\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xae",
      "\xef\xbf\xbe\xef\xbf\xbf\xef\xbb\xbf",
      // Surrogates, an overlong slash, a character that ends too early, one that is too large.
      "\xed\xa0\x80\xed\xb0\x80 \xc0\xaf \xe2\x82 \xf4\x90\x80\x80",
      "<!channel> <!here> <@U012345> <https://evil.example|click> & &amp; &lt;",
      "<script>alert(1)</script><img src=x onerror=y>\"><b>",
      "]]></Say><Dial>+15550003</Dial><!-- -->",
      "{{ .CommonLabels.alertname }} {{ query \"SELECT 1\" }} {{",
      "%0d%0aBcc: x %s %n + & = ;",
      "=?utf-8?q?encoded?= =?utf-8?b?AAAA?=",
      "{\"event_id\": \"x\"}\n{\"type\": \"event\"}\n",
      std::string(20000, 'x'),
      std::string(3000, '&'),
      std::string(5000, '<'),
      std::string(9000, '"'),
      std::string(4000, '\n'),
      std::string(4000, '\0'),
  };
}

std::string many(const char* character, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += character;
  return text;
}

/// In labels, annotations, the names of the group and the links.
Notification hostile_notification(const std::string& text) {
  Notification notification;
  notification.receiver = text;
  notification.group_labels = {{"alertname", text}};
  notification.group_key = "{}:{alertname=\"" + text + "\"}";
  notification.external_url = "https://db.example/" + text;
  for (const char* host : {"a", "b"}) {
    notification.alerts.push_back(alert({{"alertname", text},
                                         {"host", host},
                                         {"instance", text},
                                         {"severity", "critical"},
                                         {"service", text},
                                         {"cluster", text}},
                                        {{"summary", text},
                                         {"description", text},
                                         {"runbook_url", "https://x.example/" + text},
                                         {"dashboard", text},
                                         {"image_url", text}},
                                        "2026-11-21T00:34:58Z"));
    notification.alerts.back().generator_url = text;
  }
  summarize(notification);
  return notification;
}

/// Valid UTF-8, and JSON.
Json strictly_parsed(const std::string& text) {
  EXPECT_TRUE(valid_utf8(text) == text) << text.substr(0, 200);
  auto parsed = Json::parse(text);
  EXPECT_TRUE(parsed.ok()) << text.substr(0, 200);
  return parsed.ok() ? *parsed : Json();
}

void for_each_text(const Json& value, const std::function<void(const std::string&)>& visit) {
  if (value.is_string()) return visit(value.string());
  for (const Json& element : value.elements()) for_each_text(element, visit);
  for (const Json::Member& member : value.members()) for_each_text(member.value, visit);
}

std::size_t characters(const std::string& text) {
  return utf8_length(text);
}

void check_headers(const HttpDelivery& request) {
  for (const auto& [name, value] : request.headers) {
    EXPECT_EQ((name + value).find_first_of(std::string_view("\r\n\0", 3)), std::string::npos);
  }
  EXPECT_EQ(request.url.find_first_of(std::string_view("\r\n\0 ", 4)), std::string::npos);
}

void check_pagerduty(const HttpDelivery& request) {
  const Json event = strictly_parsed(request.body);
  EXPECT_LE(characters(event["payload"]["summary"].string()), 1024U);
  EXPECT_LE(request.body.size(), 512U * 1024);
  EXPECT_LE(event["dedup_key"].string().size(), 255U);
  EXPECT_EQ(event["payload"]["severity"], "critical");
  EXPECT_EQ(event["routing_key"], "s3cr3t-k3y");
}

void check_slack(const HttpDelivery& request) {
  const Json message = strictly_parsed(request.body);
  std::size_t mentions = 0;
  for_each_text(message, [&](const std::string& text) {
    EXPECT_LE(text.size(), 3000U + 2 * 300U);
    for (const char* own : {"<!here>", "<@U012345>", "<https://evil.example"}) {
      EXPECT_EQ(text.find(own), std::string::npos) << own;
    }
    for (std::size_t at = 0; (at = text.find("<!channel>", at)) != std::string::npos; ++at) {
      ++mentions;
    }
  });
  EXPECT_EQ(mentions, 1U) << "the one of the receiver, for what is critical";
  for (const Json& block : message["attachments"][0]["blocks"].elements()) {
    if (block["type"] != "section") continue;
    EXPECT_LE(characters(block["text"]["text"].string()), 3000U);
  }
}

void check_webhook(const HttpDelivery& request) {
  const Json message = strictly_parsed(request.body);
  EXPECT_EQ(message["version"], "4");
  EXPECT_EQ(message["alerts"].size(), 2U);
}

void check_sentry(const HttpDelivery& request) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < request.body.size();) {
    const auto end = request.body.find('\n', at);
    lines.push_back(request.body.substr(at, end - at));
    at = end + 1;
  }
  ASSERT_EQ(lines.size(), 3U) << "envelope, item, event";
  strictly_parsed(lines[0]);
  EXPECT_EQ(strictly_parsed(lines[1])["length"].count(), lines[2].size());
  const Json event = strictly_parsed(lines[2]);
  EXPECT_LE(characters(event["logentry"]["formatted"].string()), 8192U);
  for (const auto& [name, value] : event["tags"].members()) {
    const std::string& tag = value.string();
    EXPECT_LE(characters(tag), 200U) << name;
    EXPECT_TRUE(std::none_of(tag.begin(), tag.end(), [](unsigned char c) {
      return c < 0x20 || c == 0x7F;
    })) << name;
  }
}

std::map<std::string, std::string> form_of(const std::string& body) {
  std::map<std::string, std::string> form;
  std::string name;
  std::string* current = &name;
  std::string value;
  const auto finish = [&] {
    EXPECT_TRUE(form.emplace(name, value).second) << "twice: " << name;
    name.clear();
    value.clear();
    current = &name;
  };
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[i] == '&') {
      finish();
    } else if (body[i] == '=') {
      current = &value;
    } else if (body[i] == '%') {
      *current += static_cast<char>(std::stoi(body.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      EXPECT_TRUE(std::isalnum(static_cast<unsigned char>(body[i])) ||
                  std::strchr("-._~+", body[i]))
          << body[i];
      *current += body[i];
    }
  }
  finish();
  return form;
}

void check_sms(const HttpDelivery& request) {
  const auto form = form_of(request.body);
  EXPECT_EQ(form.size(), 3U);
  EXPECT_EQ(form.at("To"), "+15550002");
  EXPECT_LE(characters(form.at("Body")), 1600U);
  EXPECT_EQ(valid_utf8(form.at("Body")), form.at("Body"));
}

void check_voice(const HttpDelivery& request) {
  const auto form = form_of(request.body);
  const std::string& twiml = form.at("Twiml");
  EXPECT_LE(characters(twiml), 4000U);
  EXPECT_EQ(std::count(twiml.begin(), twiml.end(), '<'), 4) << "the tags of ours: " << twiml;
  EXPECT_EQ(twiml.find("\xEF\xBF\xBF"), std::string::npos);
  for (std::size_t at = 0; (at = twiml.find('&', at)) != std::string::npos; ++at) {
    const std::string entity = twiml.substr(at, twiml.find(';', at) - at + 1);
    EXPECT_TRUE(std::set<std::string>({"&amp;", "&lt;", "&gt;"}).count(entity)) << entity;
  }
}

void check_mail(const MailDelivery& mail) {
  const std::string& message = mail.message;
  EXPECT_EQ(mail.recipients, std::vector<std::string>{"team@db.example"});
  EXPECT_EQ(message.find('\0'), std::string::npos);
  std::multiset<std::string> names;
  bool is_head = true;
  for (std::size_t at = 0; at < message.size();) {
    const auto end = message.find("\r\n", at);
    ASSERT_NE(end, std::string::npos);
    const std::string line = message.substr(at, end - at);
    at = end + 2;
    ASSERT_EQ(line.find_first_of("\r\n"), std::string::npos);
    ASSERT_LE(line.size(), 998U);
    if (line.empty()) is_head = false;
    if (is_head && line[0] != ' ') names.insert(line.substr(0, line.find(':')));
    // Encoded: 7-bit text that no relay changes.
    for (const unsigned char c : line) ASSERT_TRUE(c >= 0x20 && c < 0x7F);
  }
  EXPECT_EQ(names, (std::multiset<std::string>{"From", "To", "Subject", "Date", "Message-Id",
                                               "References", "In-Reply-To", "Auto-Submitted",
                                               "MIME-Version", "Content-Type"}));
  for (const char* raw : {"<script", "<img src=3Dx", "<img src=x", "<Dial>"}) {
    const auto html = message.find("text/html");
    EXPECT_EQ(message.find(raw, html), std::string::npos) << raw;
  }
}

TEST(HostileTexts, StayTextsForEveryKindOfReceiver) {
  std::vector<std::string> texts = hostile_texts();
  texts.push_back(many("\xF0\x9F\x94\xA5", 9000));
  texts.push_back(many("\xC3\xA9\n", 3000));
  const std::map<std::string, std::function<void(const HttpDelivery&)>> checks = {
      {"pagerduty", check_pagerduty}, {"slack", check_slack}, {"webhook", check_webhook},
      {"sentry", check_sentry},       {"sms", check_sms},
  };
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const Notification notification = hostile_notification(texts[i]);
    for (const std::string kind :
         {"pagerduty", "slack", "email", "webhook", "sentry", "sms", "log"}) {
      SCOPED_TRACE(kind + ", text " + std::to_string(i));
      const Json settings = settings_of(kind);
      if (kind == "email") {
        check_mail(std::get<MailDelivery>(requested(kind, notification, settings)));
      } else if (kind == "log") {
        strictly_parsed(composed(kind, notification, settings).dump());
      } else {
        const HttpDelivery request = http_request(kind, notification, settings);
        check_headers(request);
        checks.at(kind)(request);
      }
    }
    SCOPED_TRACE("voice, text " + std::to_string(i));
    Json voice = settings_of("sms");
    voice["voice"] = true;
    const HttpDelivery call = http_request("sms", notification, voice);
    check_headers(call);
    check_voice(call);
  }
}

TEST(HostileTexts, EveryKindIsLookedAt) {
  EXPECT_EQ(receiver_kind_names(), "pagerduty, slack, email, webhook, sentry, sms, log")
      << "a kind that is new belongs into the test above";
}

}  // namespace
}  // namespace monitoring::notify
