#include "monitoring/metrics/exposition.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <iterator>
#include <string>

namespace monitoring::metrics {
namespace {

MetricSpec counter(std::string_view name, std::string_view help = "Help.") {
  return {name, MetricType::counter, help, {}, nullptr, 0};
}

MetricSpec gauge(std::string_view name, std::string_view help = "Help.") {
  return {name, MetricType::gauge, help, {}, nullptr, 0};
}

constexpr double kBounds[] = {0.5, 1, 2.5};

MetricSpec histogram(std::string_view name) {
  return {name, MetricType::histogram, "Help.", {}, kBounds, std::size(kBounds)};
}

std::string prometheus(const Exposition& exposition) {
  return exposition.text(ExpositionFormat::prometheus);
}

std::string openmetrics(const Exposition& exposition) {
  return exposition.text(ExpositionFormat::openmetrics);
}

TEST(Exposition, OfNothing) {
  EXPECT_EQ(prometheus(Exposition()), "");
  EXPECT_EQ(openmetrics(Exposition()), "# EOF\n");
}

TEST(Exposition, SortsFamiliesAndPoints) {
  Exposition exposition;
  const std::string b = label_bytes({{"l", "b"}});
  const std::string a = label_bytes({{"l", "a"}});
  exposition.add(gauge("z"), "", 1);
  exposition.add(counter("requests_total"), b, 2);
  exposition.add(gauge("y"), "", 3);
  exposition.add(counter("requests_total"), a, 4);
  EXPECT_EQ(prometheus(exposition),
            "# HELP requests_total Help.\n"
            "# TYPE requests_total counter\n"
            "requests_total{l=\"a\"} 4\n"
            "requests_total{l=\"b\"} 2\n"
            "# HELP y Help.\n"
            "# TYPE y gauge\n"
            "y 3\n"
            "# HELP z Help.\n"
            "# TYPE z gauge\n"
            "z 1\n");
}

TEST(Exposition, NamesCountersAsOpenMetricsDoes) {
  Exposition exposition;
  exposition.add(counter("requests_total"), "", 1);
  exposition.add(counter("errors"), "", 2);
  EXPECT_EQ(openmetrics(exposition),
            "# HELP errors Help.\n"
            "# TYPE errors unknown\n"
            "errors 2\n"
            "# HELP requests Help.\n"
            "# TYPE requests counter\n"
            "requests_total 1\n"
            "# EOF\n");
}

TEST(Exposition, WritesHistogramsCumulated) {
  Exposition exposition;
  const std::uint64_t buckets[] = {1, 0, 2, 3};
  const std::string labels = label_bytes({{"l", "a"}});
  exposition.add_histogram(histogram("d"), labels, 12.5, buckets);
  EXPECT_EQ(prometheus(exposition),
            "# HELP d Help.\n"
            "# TYPE d histogram\n"
            "d_bucket{l=\"a\",le=\"0.5\"} 1\n"
            "d_bucket{l=\"a\",le=\"1\"} 1\n"
            "d_bucket{l=\"a\",le=\"2.5\"} 3\n"
            "d_bucket{l=\"a\",le=\"+Inf\"} 6\n"
            "d_sum{l=\"a\"} 12.5\n"
            "d_count{l=\"a\"} 6\n");
  EXPECT_NE(openmetrics(exposition).find("le=\"1.0\"} 1\n"), std::string::npos);
  EXPECT_NE(openmetrics(exposition).find("le=\"+Inf\"} 6\n"), std::string::npos);
}

TEST(Exposition, LeavesTheSumOutWhereItMayFall) {
  Exposition exposition;
  constexpr double kNegative[] = {-1, 1};
  const std::uint64_t buckets[] = {1, 0, 0};
  exposition.add_histogram({"d", MetricType::histogram, "", "", kNegative, 2}, "", -3, buckets);
  EXPECT_NE(prometheus(exposition).find("d_sum -3\n"), std::string::npos);
  EXPECT_EQ(openmetrics(exposition).find("d_sum"), std::string::npos);
}

TEST(Exposition, Escapes) {
  Exposition exposition;
  const std::string labels = label_bytes({{"l", "a\"b\\c\nd"}});
  exposition.add(gauge("g", "say \"x\\y\"\nz"), labels, 1);
  EXPECT_EQ(prometheus(exposition),
            "# HELP g say \"x\\\\y\"\\nz\n"
            "# TYPE g gauge\n"
            "g{l=\"a\\\"b\\\\c\\nd\"} 1\n");
  EXPECT_EQ(openmetrics(exposition).find("# HELP g say \\\"x\\\\y\\\"\\nz\n# TYPE"), 0u);
}

TEST(Exposition, WritesNumbersThatGoReads) {
  const std::pair<double, const char*> cases[] = {{0, "0"},
                                                  {-0.0, "0"},
                                                  {1000000, "1000000"},
                                                  {9007199254740991, "9007199254740991"},
                                                  {1e300, "1e+300"},
                                                  {0.1, "0.1"},
                                                  {-2.5, "-2.5"},
                                                  {std::nan(""), "NaN"},
                                                  {HUGE_VAL, "+Inf"},
                                                  {-HUGE_VAL, "-Inf"}};
  for (const auto& [value, text] : cases) {
    Exposition exposition;
    exposition.add(gauge("g"), "", value);
    EXPECT_NE(prometheus(exposition).find(std::string("\ng ") + text + "\n"), std::string::npos)
        << text;
  }
}

TEST(Exposition, HasHelpForWhatNobodyDescribed) {
  Exposition exposition;
  exposition.add(gauge("g", ""), "", 1);
  EXPECT_EQ(prometheus(exposition).substr(0, 36), "# HELP g Defined by its first use.\n#");
}

TEST(Exposition, NamesTheUnitWhereTheNameEndsInIt) {
  Exposition exposition;
  MetricSpec seconds = counter("cpu_seconds_total");
  seconds.unit = "seconds";
  MetricSpec other = gauge("latency");
  other.unit = "ms";
  exposition.add(seconds, "", 1);
  exposition.add(other, "", 1);
  EXPECT_EQ(prometheus(exposition).find("UNIT"), std::string::npos);
  EXPECT_NE(openmetrics(exposition).find("# UNIT cpu_seconds seconds\ncpu_seconds_total 1\n"),
            std::string::npos);
  EXPECT_EQ(openmetrics(exposition).find("# UNIT latency"), std::string::npos);
}

TEST(Exposition, LabelsTheDatabase) {
  Exposition exposition;
  const std::string labels = label_bytes({{"datname", "theirs"}, {"l", "x"}});
  exposition.add(gauge("g"), labels, 1, "shop");
  exposition.add(gauge("g"), "", 2, "app");
  exposition.add(gauge("g"), labels, 3);
  EXPECT_NE(prometheus(exposition)
                .find("g{datname=\"theirs\",l=\"x\"} 3\n"
                      "g{datname=\"app\"} 2\n"
                      "g{datname=\"shop\",exported_datname=\"theirs\",l=\"x\"} 1\n"),
            std::string::npos)
      << prometheus(exposition);
}

TEST(Exposition, SaysTheDatabaseOnce) {
  Exposition exposition;
  const std::string labels = label_bytes({{"datname", "shop"}, {"l", "x"}});
  exposition.add(gauge("g"), labels, 1, "shop");
  EXPECT_NE(prometheus(exposition).find("g{datname=\"shop\",l=\"x\"} 1\n"), std::string::npos)
      << prometheus(exposition);
}

TEST(Exposition, WritesNothingTwice) {
  Exposition exposition;
  const std::uint64_t buckets[] = {1, 0, 0, 0};
  exposition.add(gauge("g"), "", 1);
  exposition.add(gauge("g"), "", 2);
  exposition.add(counter("g"), "", 3);
  exposition.add_histogram(histogram("h"), "", 1, buckets);
  exposition.add(gauge("h_count"), "", 4);
  const std::string text = prometheus(exposition);
  EXPECT_NE(text.find("\ng 1\n"), std::string::npos);
  EXPECT_EQ(text.find("\ng 2\n"), std::string::npos);
  EXPECT_EQ(text.find("\ng 3\n"), std::string::npos);
  EXPECT_EQ(text.find("h_count 4\n"), std::string::npos);
  EXPECT_NE(text.find("h_count 1\n"), std::string::npos);
}

TEST(Exposition, KeepsACounterBesideAGaugeOfItsFamilysName) {
  Exposition exposition;
  exposition.add(counter("sockets_total"), "", 7);
  exposition.add(gauge("sockets"), "", 3);
  const std::string text = openmetrics(exposition);
  EXPECT_NE(text.find("# TYPE sockets gauge\nsockets 3\n"), std::string::npos);
  EXPECT_NE(text.find("# TYPE sockets_total unknown\nsockets_total 7\n"), std::string::npos);
  EXPECT_NE(prometheus(exposition).find("# TYPE sockets_total counter\n"), std::string::npos);
}

TEST(Exposition, KeepsTextsOfTheCaller) {
  Exposition exposition;
  for (int i = 0; i < 100; ++i) {
    exposition.add(gauge("g"), exposition.keep(label_bytes({{"i", std::to_string(i)}})), i);
  }
  EXPECT_NE(prometheus(exposition).find("g{i=\"0\"} 0\n"), std::string::npos);
}

}  // namespace
}  // namespace monitoring::metrics
