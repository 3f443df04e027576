#include "monitoring/metrics/exposition.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <vector>

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
  exposition.add(gauge("g"), "", 1);
  exposition.add(gauge("g"), "", 2);
  const std::string text = prometheus(exposition);
  EXPECT_NE(text.find("\ng 1\n"), std::string::npos);
  EXPECT_EQ(text.find("\ng 2\n"), std::string::npos);
}

/// One thing that a database may call a name.
struct Use {
  const char* what;
  void (*add)(Exposition&, std::string_view datname);
  std::vector<std::string> samples;
};

constexpr std::uint64_t kCounts[] = {1, 0, 0, 0};

std::vector<Use> uses_of_name() {
  return {
      {"gauge", [](Exposition& e, std::string_view d) { e.add(gauge("n"), "", 1, d); }, {"n{"}},
      {"counter", [](Exposition& e, std::string_view d) { e.add(counter("n"), "", 1, d); }, {"n{"}},
      {"total",
       [](Exposition& e, std::string_view d) { e.add(counter("n_total"), "", 1, d); },
       {"n_total{"}},
      {"gauge of total",
       [](Exposition& e, std::string_view d) { e.add(gauge("n_total"), "", 1, d); },
       {"n_total{"}},
      {"histogram",
       [](Exposition& e, std::string_view d) {
         e.add_histogram(histogram("n"), "", 1, kCounts, d);
       },
       {"n_bucket{", "n_sum{", "n_count{"}},
      {"gauge of a count",
       [](Exposition& e, std::string_view d) { e.add(gauge("n_count"), "", 1, d); },
       {"n_count{"}},
      {"counter of a bucket",
       [](Exposition& e, std::string_view d) { e.add(counter("n_bucket"), "", 1, d); },
       {"n_bucket{"}},
      {"histogram of a sum",
       [](Exposition& e, std::string_view d) {
         e.add_histogram(histogram("n_sum"), "", 1, kCounts, d);
       },
       {"n_sum_bucket{", "n_sum_count{", "n_sum_sum{"}}};
}

/// Every family's TYPE comes once, and its samples follow it.
void expect_well_formed(const std::string& text, const std::string& what) {
  std::set<std::string> families;
  std::set<std::string> series;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("# TYPE ", 0) == 0) {
      const std::string name = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(families.insert(name).second) << what << ": " << name << " twice\n" << text;
    } else if (line[0] != '#') {
      const std::string name = line.substr(0, line.find(' '));
      EXPECT_TRUE(series.insert(name).second) << what << ": " << name << " twice\n" << text;
    }
  }
}

TEST(Exposition, NoDatabaseHidesAnothersSeries) {
  for (const Use& one : uses_of_name()) {
    for (const Use& other : uses_of_name()) {
      Exposition exposition;
      one.add(exposition, "a");
      other.add(exposition, "b");
      const std::string what = std::string(one.what) + " beside " + other.what;
      for (const std::string& text : {prometheus(exposition), openmetrics(exposition)}) {
        expect_well_formed(text, what);
        for (const std::string& sample : one.samples) {
          EXPECT_NE(text.find("\n" + sample + "datname=\"a\""), std::string::npos) << what << "\n"
                                                                                   << text;
        }
        for (const std::string& sample : other.samples) {
          EXPECT_NE(text.find("\n" + sample + "datname=\"b\""), std::string::npos) << what << "\n"
                                                                                   << text;
        }
      }
    }
  }
}

TEST(Exposition, LosesATypeThatDatabasesDisagreeOn) {
  Exposition exposition;
  exposition.add(gauge("tenants_down"), "", 7, "v1");
  exposition.add(counter("tenants_down"), "", 1, "v2");
  EXPECT_NE(prometheus(exposition)
                .find("# TYPE tenants_down untyped\n"
                      "tenants_down{datname=\"v2\"} 1\n"
                      "tenants_down{datname=\"v1\"} 7\n"),
            std::string::npos)
      << prometheus(exposition);
  EXPECT_NE(openmetrics(exposition).find("# TYPE tenants_down unknown\n"), std::string::npos);
}

TEST(Exposition, NobodyTakesTheExtensionsOwnNames) {
  for (const Use& own : uses_of_name()) {
    for (const Use& other : uses_of_name()) {
      Exposition exposition;
      other.add(exposition, "b");
      exposition.set_own(true);
      own.add(exposition, "");
      exposition.set_own(false);
      Exposition alone;
      own.add(alone, "");
      const std::string what = std::string(own.what) + " of our own beside " + other.what;
      const std::string text = prometheus(exposition);
      expect_well_formed(text, what);
      expect_well_formed(openmetrics(exposition), what);
      EXPECT_NE(text.find("{datname=\"b\""), std::string::npos) << what << "\n" << text;
      std::istringstream lines(prometheus(alone));
      for (std::string line; std::getline(lines, line);) {
        EXPECT_NE(("\n" + text).find("\n" + line + "\n"), std::string::npos)
            << what << ": " << line << "\n"
            << text;
      }
    }
  }
}

TEST(Exposition, APointThatLooksLikeOneOfOurOwnDoesNotHideIt) {
  Exposition exposition;
  exposition.add(gauge("monitoring_process_up"), "", 0);
  exposition.set_own(true);
  exposition.add(gauge("monitoring_process_up"), "", 1);
  EXPECT_NE(prometheus(exposition).find("\nmonitoring_process_up 1\n"), std::string::npos);
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
