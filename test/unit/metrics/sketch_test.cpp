#include "monitoring/metrics/sketch.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace monitoring::metrics {
namespace {

constexpr double kPromise = 0.01;
constexpr double kQuantiles[] = {0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1};

/// percentile_cont over sorted values, and how far the answer of a sketch may be from it.
struct Exact {
  double value;
  double tolerance;
};

Exact exact(const std::vector<double>& sorted, double q) {
  const double rank = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(rank);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  const double fraction = rank - static_cast<double>(below);
  const double low = sorted[below];
  const double high = sorted[above];
  const double value = low * (1 - fraction) + high * fraction;
  const bool one_sign = (low >= 0) == (high >= 0);
  const double scale = one_sign ? std::fabs(value) : std::max(std::fabs(low), std::fabs(high));
  return {value, kPromise * scale};
}

Sketch sketch_of(const std::vector<double>& values) {
  Sketch sketch;
  for (const double value : values) sketch.add(value);
  return sketch;
}

void expect_exact(std::vector<double> values, const std::string& what) {
  const Sketch sketch = sketch_of(values);
  std::sort(values.begin(), values.end());
  ASSERT_EQ(sketch.count(), values.size()) << what;
  for (const double q : kQuantiles) {
    const Exact want = exact(values, q);
    EXPECT_NEAR(sketch.quantile(q), want.value, want.tolerance)
        << what << ", " << values.size() << " values, q = " << q;
  }
}

TEST(Sketch, IsWithinOnePercentOnEveryDistributionAndSize) {
  std::mt19937_64 random(20240229);
  std::uniform_real_distribution<double> uniform(1, 1000);
  std::exponential_distribution<double> exponential(0.01);
  std::lognormal_distribution<double> lognormal(3, 2);
  std::normal_distribution<double> normal(0, 50);
  std::normal_distribution<double> fast(10, 1);
  std::normal_distribution<double> slow(5000, 300);
  std::uniform_real_distribution<double> unit(0, 1);
  const std::pair<const char*, std::function<double()>> distributions[] = {
      {"uniform", [&] { return uniform(random); }},
      {"exponential", [&] { return exponential(random); }},
      {"lognormal", [&] { return lognormal(random); }},
      {"pareto", [&] { return std::pow(1 - unit(random), -1 / 0.5); }},
      {"bimodal", [&] { return unit(random) < 0.9 ? fast(random) : slow(random); }},
      {"negative", [&] { return -lognormal(random); }},
      {"mixed sign", [&] { return normal(random); }},
      {"constant", [] { return 42.5; }},
      {"mostly zero", [&] { return unit(random) < 0.9 ? 0.0 : uniform(random); }},
      {"whole numbers", [&] { return std::floor(uniform(random)); }},
      {"every magnitude", [&] { return std::pow(10.0, 600 * unit(random) - 300); }},
  };
  for (const auto& [name, draw] : distributions) {
    for (const std::size_t size : {1, 2, 3, 4, 5, 16, 17, 100, 1000, 20000}) {
      std::vector<double> values(size);
      std::generate(values.begin(), values.end(), draw);
      // Every magnitude at once is more than the buckets that are kept.
      if (name == std::string("every magnitude") && size > 2000) continue;
      expect_exact(values, name);
    }
  }
}

TEST(Sketch, HoldsExtremesOfTheDoubleRange) {
  const double tiny = 2.5e-320;
  for (const double value : {tiny, DBL_MIN, 1e-300, 1.0, 1e300, DBL_MAX}) {
    for (const double signed_value : {value, -value}) {
      Sketch sketch;
      sketch.add(signed_value);
      EXPECT_NEAR(sketch.quantile(0.5) / signed_value, 1, kPromise) << signed_value;
    }
  }
  Sketch both = sketch_of({-DBL_MAX, DBL_MAX});
  EXPECT_NEAR(both.quantile(0), -DBL_MAX, kPromise * DBL_MAX);
  EXPECT_NEAR(both.quantile(0.5), 0, kPromise * DBL_MAX);
}

TEST(Sketch, SmallestNumbersAreOffByOneUnitAtMost) {
  const double unit = std::numeric_limits<double>::denorm_min();
  for (int units = 1; units < 5000; ++units) {
    Sketch sketch;
    sketch.add(units * unit);
    EXPECT_LE(std::fabs(sketch.quantile(0.5) - units * unit),
              std::max(unit, kPromise * units * unit))
        << units;
  }
}

TEST(Sketch, KeepsThePromiseOnBothSidesOfEveryBoundary) {
  // Walks from octave to octave by less than a bucket, through neighbouring doubles of each step.
  for (double value = 1e-310; value < 1e308; value *= 1.0071) {
    for (const double near : {std::nextafter(value, 0), value, std::nextafter(value, DBL_MAX)}) {
      Sketch sketch;
      sketch.add(near);
      ASSERT_NEAR(sketch.quantile(0.5) / near, 1, kPromise) << near;
    }
  }
}

TEST(Sketch, EmptyAndNonsensicalQuantiles) {
  Sketch sketch;
  EXPECT_TRUE(sketch.empty());
  EXPECT_TRUE(std::isnan(sketch.quantile(0.5)));
  sketch.add(10);
  sketch.add(20);
  EXPECT_TRUE(std::isnan(sketch.quantile(std::nan(""))));
  EXPECT_EQ(sketch.quantile(-1), sketch.quantile(0));
  EXPECT_EQ(sketch.quantile(2), sketch.quantile(1));
  EXPECT_LT(sketch.quantile(0), sketch.quantile(1));
}

TEST(Sketch, ZeroHasNoErrorAndNoSign) {
  const Sketch sketch = sketch_of({0.0, -0.0, 0.0});
  EXPECT_EQ(sketch.quantile(0.5), 0);
  EXPECT_EQ(sketch.serialize(), [] {
    Sketch weighted;
    weighted.add(0.0, 3);
    return weighted.serialize();
  }());
}

TEST(Sketch, MergingIsAddingInAnyOrder) {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> lognormal(1, 3);
  std::bernoulli_distribution is_negative(0.2);
  for (int round = 0; round < 200; ++round) {
    Sketch parts[3];
    Sketch whole;
    const int size = 1 << (round % 12);
    for (int i = 0; i < size; ++i) {
      double value = lognormal(random);
      if (round % 2 == 0 && is_negative(random)) value = -value;
      if (i % 17 == 0) value = 0;
      parts[i % 3].add(value);
      whole.add(value);
    }
    Sketch left = parts[0];
    left.merge(parts[1]);
    left.merge(parts[2]);
    Sketch right = parts[2];
    Sketch middle = parts[1];
    middle.merge(parts[0]);
    right.merge(middle);
    EXPECT_EQ(left.serialize(), whole.serialize());
    EXPECT_EQ(right.serialize(), whole.serialize());
    Sketch parsed;
    for (const Sketch& part : parts) parsed.merge(*Sketch::parse(part.serialize()));
    EXPECT_EQ(parsed.serialize(), whole.serialize());
    EXPECT_EQ(parsed.count(), whole.count());
  }
}

TEST(Sketch, MergesWithItselfAndWithNothing) {
  Sketch sketch = sketch_of({1, 2, 3});
  sketch.merge(sketch);
  EXPECT_EQ(sketch.count(), 6u);
  sketch.merge(Sketch());
  EXPECT_EQ(sketch.count(), 6u);
  Sketch empty;
  empty.merge(sketch);
  EXPECT_EQ(empty.serialize(), sketch.serialize());
}

TEST(Sketch, CopiesAndMovesAreIndependent) {
  for (const int size : {0, 1, 2, 3, 100, 3000}) {
    Sketch original;
    for (int i = 0; i < size; ++i) original.add(std::pow(1.03, i % 1500));
    const std::string before = original.serialize();
    Sketch copy = original;
    copy.add(1);
    EXPECT_EQ(original.serialize(), before);
    Sketch moved = std::move(original);
    EXPECT_EQ(moved.serialize(), before);
    original = copy;
    EXPECT_EQ(original.count(), static_cast<std::uint64_t>(size) + 1);
  }
}

TEST(Sketch, CountsSaturate) {
  Sketch sketch;
  sketch.add(5, std::uint64_t{1} << 40);
  EXPECT_EQ(sketch.count(), std::uint64_t{1} << 40);
  sketch.add(5, Sketch::kMaxCount);
  sketch.add(6, Sketch::kMaxCount);
  EXPECT_EQ(sketch.count(), Sketch::kMaxCount);
  EXPECT_NEAR(sketch.quantile(1), 5, 5 * kPromise);
  ASSERT_TRUE(Sketch::parse(sketch.serialize()).ok());
  sketch.add(7, 0);
  EXPECT_EQ(sketch.count(), Sketch::kMaxCount);
}

TEST(Sketch, JoinsSmallestMagnitudesWhenThereAreTooMany) {
  // More than 2,048 buckets of each sign, in an order that makes every representation grow.
  std::vector<double> magnitudes;
  for (int i = 0; i < 6000; ++i) magnitudes.push_back(std::exp2(i / 35.0 - 80));
  std::shuffle(magnitudes.begin(), magnitudes.end(), std::mt19937_64(3));
  Sketch sketch;
  sketch.add(0);
  for (const double magnitude : magnitudes) {
    sketch.add(magnitude);
    sketch.add(-magnitude);
  }
  EXPECT_EQ(sketch.count(), 12001u);
  EXPECT_LE(sketch.memory_bytes(), 66u * 1024);
  EXPECT_EQ(sketch.quantile(0.5), 0);
  const double largest = *std::max_element(magnitudes.begin(), magnitudes.end());
  EXPECT_NEAR(sketch.quantile(1) / largest, 1, kPromise);
  EXPECT_NEAR(sketch.quantile(0) / -largest, 1, kPromise);
  // A fifth of the way in is still among the 2,048 largest of the negative ones.
  EXPECT_NEAR(sketch.quantile(0.15) / -std::exp2(4199 / 35.0 - 80), 1, 0.03);
  const Result<Sketch> again = Sketch::parse(sketch.serialize());
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->serialize(), sketch.serialize());
}

TEST(Sketch, CountsBeyond32BitsInAWindow) {
  constexpr std::uint64_t kMany = 3'000'000'000;
  Sketch window;
  Sketch reversed;
  for (int i = 0; i < 100; ++i) window.add(std::exp2(i / 35.0));
  for (int i = 99; i >= 0; --i) reversed.add(std::exp2(i / 35.0), kMany);
  for (int i = 0; i < 100; ++i) window.add(std::exp2(i / 35.0), kMany - 1);
  EXPECT_EQ(window.count(), 100 * kMany);
  EXPECT_EQ(window.serialize(), reversed.serialize());
  const double again = 2.0;
  window.add(&again, 1);
  EXPECT_EQ(window.count(), 100 * kMany + 1);
  Sketch merged;
  for (int i = 0; i < 100; ++i) merged.add(std::exp2(i / 35.0));
  merged.merge(window);
  EXPECT_EQ(merged.count(), 100 * kMany + 101);
}

TEST(Sketch, IsSmallWhenItHoldsLittle) {
  Sketch sketch;
  sketch.add(17.5);
  EXPECT_EQ(sketch.memory_bytes(), 24u);
  EXPECT_LE(sketch.serialize().size(), 6u);
  sketch.add(18.5);
  EXPECT_EQ(sketch.memory_bytes(), 24u);
  sketch.add(19.5);
  EXPECT_LE(sketch.memory_bytes(), 24u + 32);
}

TEST(Sketch, RoundTripsAtEverySize) {
  std::mt19937_64 random(11);
  std::normal_distribution<double> normal(100, 400);
  Sketch sketch;
  for (int i = 0; i < 2000; ++i) {
    const Result<Sketch> again = Sketch::parse(sketch.serialize());
    ASSERT_TRUE(again.ok()) << i << ": " << again.error().message;
    ASSERT_EQ(again->serialize(), sketch.serialize());
    ASSERT_EQ(again->count(), sketch.count());
    sketch.add(std::trunc(normal(random)));
  }
}

TEST(Sketch, RefusesWhatItWouldNotWrite) {
  const std::string refused[] = {
      "",
      std::string("\x02\x00", 2),                              // unknown version
      "\x01",                                                  // no number of buckets
      std::string("\x01\x00\x00", 3),                          // bytes after the end
      "\x01\x01",                                              // bucket missing
      "\x01\x01\x02",                                          // count missing
      std::string("\x01\x01\x02\x00", 4),                      // count of zero
      std::string("\x01\x02\x02\x01\x00\x01", 6),              // the same key twice
      std::string("\x01\x01\x82\x00\x01", 5),                  // over-long varint
      "\x01\xff\xff\xff\xff\x0f",                              // four billion buckets
      "\x01\x01\xff\xff\xff\x7f\x01",                          // key out of range
      "\x01\x01\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  // count above 2^63 - 1
  };
  for (const std::string& bytes : refused) {
    const Result<Sketch> result = Sketch::parse(bytes);
    ASSERT_FALSE(result.ok());
    EXPECT_LE(*result.error().position, bytes.size());
  }
  EXPECT_TRUE(Sketch::parse(std::string("\x01\x00", 2)).ok());
}

TEST(Sketch, SurvivesDamagedBytes) {
  std::mt19937_64 random(5);
  Sketch sketch;
  std::lognormal_distribution<double> lognormal(0, 2);
  for (int i = 0; i < 500; ++i) sketch.add(i % 5 == 0 ? -lognormal(random) : lognormal(random));
  const std::string bytes = sketch.serialize();
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string damaged = bytes;
    const int changes = 1 + static_cast<int>(random() % 4);
    for (int i = 0; i < changes; ++i)
      damaged[random() % damaged.size()] = static_cast<char>(random());
    if (round % 3 == 0) damaged.resize(random() % damaged.size());
    const Result<Sketch> result = Sketch::parse(damaged);
    if (!result.ok()) continue;
    // What is accepted is a sketch like any other, and is written as it was read.
    ++accepted;
    EXPECT_EQ(result->serialize(), damaged);
    EXPECT_TRUE(result->empty() || std::isfinite(result->quantile(0.5)));
  }
  EXPECT_GT(accepted, 0);
}

}  // namespace
}  // namespace monitoring::metrics
