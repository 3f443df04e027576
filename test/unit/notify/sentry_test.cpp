#include "notify/sentry_protocol.hpp"
#include "samples.hpp"

namespace monitoring::notify {
namespace {

using namespace testing;  // NOLINT: the samples of this folder
using std::chrono::seconds;

TEST(Sentry, DsnsAreRead) {
  const auto plain = parse_sentry_dsn("https://abc@o1.ingest.sentry.io/42");
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->public_key, "abc");
  EXPECT_EQ(plain->envelope_url, "https://o1.ingest.sentry.io/api/42/envelope/");
  const auto old = parse_sentry_dsn("http://abc:old@127.0.0.1:9000/sub/path/7");
  ASSERT_TRUE(old.ok());
  EXPECT_EQ(old->public_key, "abc");
  EXPECT_EQ(old->envelope_url, "http://127.0.0.1:9000/sub/path/api/7/envelope/");
}

TEST(Sentry, MalformedDsnsAreErrorsWithAPosition) {
  const struct {
    const char* dsn;
    std::size_t position;
  } cases[] = {{"", 0},
               {"s3cr3t", 0},
               {"ftp://s3cr3t@h/1", 0},
               {"https://h.example/1", 8},
               {"https://@h/1", 8},
               {"https://s3 cr3t@h/1", 8},
               {"https://s3cr3t@h", 15},
               {"https://s3cr3t@h/", 17},
               {"https://s3cr3t@h/a b", 17},
               {"https://s3cr3t@/1", 15},
               {"https://s3cr3t@h:x/1", 15}};
  for (const auto& bad : cases) {
    const auto dsn = parse_sentry_dsn(bad.dsn);
    ASSERT_FALSE(dsn.ok()) << bad.dsn;
    EXPECT_EQ(dsn.error().position, bad.position) << bad.dsn;
    EXPECT_EQ((dsn.error().message + dsn.error().hint).find("s3"), std::string::npos);
  }
}

TEST(Sentry, AnEnvelopeHasThreeLines) {
  const HttpDelivery request = http_request("sentry", cpu_notification(), settings_of("sentry"));
  EXPECT_EQ(request.url, "https://sentry.example/api/42/envelope/");
  EXPECT_EQ(header(request, "Content-Type"), "application/x-sentry-envelope");
  EXPECT_EQ(header(request, "X-Sentry-Auth"),
            "Sentry sentry_version=7, sentry_client=monitoring/1.0, sentry_key=s3cr3tpublic");
  std::istringstream lines(request.body);
  std::string envelope_line;
  std::string item_line;
  std::string event_line;
  std::getline(lines, envelope_line);
  std::getline(lines, item_line);
  std::getline(lines, event_line);
  const Json envelope = Json::parse_or_null(envelope_line);
  const Json item = Json::parse_or_null(item_line);
  const Json event = Json::parse_or_null(event_line);
  EXPECT_EQ(envelope["event_id"], event["event_id"]);
  EXPECT_EQ(envelope["dsn"], "https://s3cr3tpublic@sentry.example/42");
  EXPECT_EQ(envelope["sent_at"], "2026-11-21T00:35:00.5Z");
  EXPECT_EQ(item["type"], "event");
  EXPECT_EQ(item["length"], event_line.size());

  EXPECT_EQ(event["event_id"].string().find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_EQ(event["event_id"].string().size(), 32U);
  EXPECT_EQ(event["level"], "warning");
  EXPECT_EQ(event["timestamp"], "2026-11-21T00:35:00.5Z");
  EXPECT_EQ(event["platform"], "other");
  EXPECT_EQ(event["fingerprint"],
            Json::array({"monitoring", "{}:{alertname=\"HighCPUUsage\", cluster=\"prod\"}"}));
  EXPECT_EQ(event["tags"]["team"], "devops");
  EXPECT_EQ(event["tags"]["status"], "firing");
  EXPECT_EQ(event["logentry"]["formatted"],
            "[FIRING:2] HighCPUUsage prod (warning devops)\nCPU usage is 91.23% (threshold: 80%)");
  EXPECT_EQ(event["extra"]["alerts"].size(), 2U);
}

Json event_of(const Notification& notification, const Json& settings = settings_of("sentry")) {
  return composed("sentry", notification, settings);
}

TEST(Sentry, LevelsFollowTheSeverity) {
  EXPECT_EQ(event_of(with_severity("P0"))["level"], "fatal");
  EXPECT_EQ(event_of(with_severity("P1"))["level"], "error");
  EXPECT_EQ(event_of(with_severity("info"))["level"], "info");
  EXPECT_EQ(event_of(resolved_notification())["level"], "info");
}

TEST(Sentry, AResolveIsAnEventOfTheSameIssue) {
  const Json firing = event_of(cpu_notification());
  const Json resolved = event_of(resolved_notification());
  EXPECT_EQ(firing["fingerprint"], resolved["fingerprint"]);
  EXPECT_NE(firing["event_id"], resolved["event_id"]);
}

TEST(Sentry, LimitsHold) {
  Notification notification = cpu_notification();
  notification.common_labels.set("long", std::string(500, 'v'));
  notification.common_labels.set("lines", "a\nb");
  notification.common_labels.set(std::string(40, 'n'), "v");
  notification.common_annotations.set("summary", std::string(20000, 's'));
  for (int i = 0; i < 4000; ++i) notification.alerts.push_back(notification.alerts[0]);
  const Json event = event_of(notification);
  EXPECT_LE(event.dump().size(), 1000U * 1000);
  EXPECT_EQ(event["extra"]["alerts"], "left out: the event would exceed 1 MB");
  EXPECT_EQ(event["tags"]["lines"], "a b");
  EXPECT_LE(event["tags"]["long"].string().size(), 202U);
  EXPECT_FALSE(event["tags"].contains(std::string(40, 'n')));
  EXPECT_LE(event["logentry"]["formatted"].string().size(), 8194U);
}

TEST(Sentry, RateLimitsThatConcernEvents) {
  EXPECT_EQ(sentry_event_limit("60:error:organization"), seconds(60));
  EXPECT_EQ(sentry_event_limit("60::organization"), seconds(60)) << "no category means all";
  EXPECT_EQ(sentry_event_limit("60"), seconds(60));
  EXPECT_EQ(sentry_event_limit("60:transaction:key, 2700:default;error;security:organization"),
            seconds(2700));
  EXPECT_EQ(sentry_event_limit("10:error, 20::key"), seconds(20));
  EXPECT_EQ(sentry_event_limit("soon:error"), seconds(60));
  EXPECT_EQ(sentry_event_limit("60:transaction;session"), std::nullopt);
  EXPECT_EQ(sentry_event_limit(""), std::nullopt);
  EXPECT_EQ(sentry_event_limit(" , ,"), std::nullopt);
}

TEST(Sentry, RetryMatrix) {
  EXPECT_EQ(judged("sentry", answer(200, "{}")).verdict, Verdict::kSent);
  EXPECT_EQ(judged("sentry", answer(413)).verdict, Verdict::kDead);
  EXPECT_EQ(judged("sentry", answer(503)).verdict, Verdict::kRetry);
  EXPECT_EQ(judged("sentry", answer(429)).pause, seconds(60)) << "Sentry's default";
  DeliveryOutcome limited = answer(429);
  limited.rate_limits = "7:error:key";
  limited.retry_after = seconds(3);
  EXPECT_EQ(judged("sentry", limited).pause, seconds(7));
  limited.status = 200;
  EXPECT_EQ(judged("sentry", limited).verdict, Verdict::kSent);
  EXPECT_EQ(judged("sentry", limited).pause, seconds(7)) << "also with a 200";
}

}  // namespace
}  // namespace monitoring::notify
