#include "monitoring/metrics/metric.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

namespace monitoring::metrics {
namespace {

using namespace std::string_literals;

TEST(MetricName, IsPrometheuss) {
  for (const char* good : {"a", "_", ":", "api_requests_total", "job:rate:5m", "A9"}) {
    EXPECT_FALSE(check_metric_name(good)) << good;
  }
  for (const char* bad : {"", "9a", "a-b", "a b", "a.b", "\xc3\xa4", "a{b}"}) {
    EXPECT_TRUE(check_metric_name(bad)) << bad;
  }
  EXPECT_FALSE(check_metric_name(std::string(kLongestName, 'a')));
  EXPECT_TRUE(check_metric_name(std::string(kLongestName + 1, 'a')));
  EXPECT_EQ(check_metric_name("ab-c")->position, 2u);
}

TEST(LabelName, ReservesWhatPrometheusUses) {
  for (const char* good : {"a", "_a", "route", "LE", "quantile"}) {
    EXPECT_FALSE(check_label_name(good)) << good;
  }
  for (const char* bad : {"", "le", "__name__", "a:b", "1a", "a-b"}) {
    EXPECT_TRUE(check_label_name(bad)) << bad;
  }
}

TEST(Bounds, AscendFinitely) {
  EXPECT_EQ(*checked_bounds({1, 2, HUGE_VAL}), (std::vector<double>{1, 2}));
  EXPECT_EQ(*checked_bounds({-1, 0}), (std::vector<double>{-1, 0}));
  EXPECT_FALSE(checked_bounds({}).ok());
  EXPECT_FALSE(checked_bounds({HUGE_VAL}).ok());
  EXPECT_FALSE(checked_bounds({2, 1}).ok());
  EXPECT_FALSE(checked_bounds({1, 1}).ok());
  EXPECT_FALSE(checked_bounds({std::nan(""), 1}).ok());
  EXPECT_FALSE(checked_bounds({-HUGE_VAL, 1}).ok());
  EXPECT_FALSE(checked_bounds(std::vector<double>(kMostBounds + 1, 1)).ok());
}

TEST(Bounds, MadeByStepsOrFactors) {
  EXPECT_EQ(*linear_bounds(0.1, 0.1, 3), (std::vector<double>{0.1, 0.2, 0.3}));
  EXPECT_EQ(*linear_bounds(-1, 0.5, 3), (std::vector<double>{-1, -0.5, 0}));
  EXPECT_EQ(*exponential_bounds(0.001, 10, 4), (std::vector<double>{0.001, 0.01, 0.1, 1}));
  EXPECT_EQ(*exponential_bounds(5, 1.5, 1), (std::vector<double>{5}));
  EXPECT_EQ(exponential_bounds(1e-3, std::pow(2, 0.25), kMostBounds)->size(), kMostBounds);
  for (const double wrong : {0.0, -1.0, std::nan("")}) {
    EXPECT_FALSE(linear_bounds(1, wrong, 3).ok());
    EXPECT_FALSE(exponential_bounds(wrong, 2, 3).ok());
  }
  EXPECT_FALSE(exponential_bounds(1, 1, 3).ok());
  EXPECT_FALSE(exponential_bounds(1, std::nan(""), 3).ok());
  EXPECT_FALSE(exponential_bounds(1e300, 10, 20).ok());
  EXPECT_FALSE(linear_bounds(std::nan(""), 1, 3).ok());
  EXPECT_FALSE(linear_bounds(1e17, 1, 3).ok());
  for (const int count : {-1, 0, static_cast<int>(kMostBounds) + 1}) {
    EXPECT_FALSE(linear_bounds(1, 1, count).ok());
    EXPECT_FALSE(exponential_bounds(1, 2, count).ok());
  }
}

TEST(Bucket, HasItsUpperBound) {
  const double bounds[] = {1, 2, 5};
  const std::pair<double, std::size_t> cases[] = {{-HUGE_VAL, 0}, {1, 0},   {1.5, 1},     {2, 1},
                                                  {5, 2},         {5.1, 3}, {HUGE_VAL, 3}};
  for (const auto& [value, bucket] : cases) {
    EXPECT_EQ(bucket_of(bounds, std::size(bounds), value), bucket) << value;
  }
}

TEST(Bucket, IsTheSameOfFewBoundsAndOfMany) {
  double bounds[kMostBounds];
  for (std::size_t i = 0; i < kMostBounds; ++i) bounds[i] = static_cast<double>(i);
  for (const std::size_t count : {std::size_t{20}, std::size_t{21}, kMostBounds}) {
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_EQ(bucket_of(bounds, count, bounds[i]), i);
      EXPECT_EQ(bucket_of(bounds, count, bounds[i] + 0.5), i + 1);
    }
  }
}

TEST(LabelBytes, AreTheSameForEqualSets) {
  EXPECT_EQ(label_bytes({{"b", "2"}, {"a", "1"}}), "a\0001\0b\0002\0"s);
  EXPECT_EQ(label_bytes({{"a", "1"}, {"empty", ""}}), label_bytes({{"a", "1"}}));
  EXPECT_EQ(label_bytes({}), "");
}

TEST(LabelBuffer, WritesLabelBytesAndCutsWhatIsTooLong) {
  LabelBuffer buffer;
  buffer.add("a", "1").add("empty", "").add("b", "2");
  EXPECT_EQ(buffer.bytes(), "a\0001\0b\0002\0"s);

  std::string long_value;
  for (int i = 0; i < 400; ++i) long_value += "\xc3\xa4";
  LabelBuffer full;
  full.add("name", long_value).add("more", "x");
  LabelReader reader(full.bytes());
  std::string_view name;
  std::string_view value;
  ASSERT_TRUE(reader.next(&name, &value));
  EXPECT_EQ(name, "name");
  EXPECT_EQ(value.size() % 2, 0u) << "cut within a character";
  EXPECT_EQ(long_value.substr(0, value.size()), value);
  EXPECT_GT(value.size(), 400u);
  EXPECT_FALSE(reader.next(&name, &value));
}

TEST(LabelReader, EndsWithTheBytes) {
  std::string_view name;
  std::string_view value;
  LabelReader none("");
  EXPECT_FALSE(none.next(&name, &value));
  LabelReader torn("name");
  EXPECT_TRUE(torn.next(&name, &value));
  EXPECT_EQ(name, "name");
  EXPECT_EQ(value, "");
  EXPECT_FALSE(torn.next(&name, &value));
}

}  // namespace
}  // namespace monitoring::metrics
