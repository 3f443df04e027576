#include "metrics/sketch_tally.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace monitoring::metrics {
namespace {

constexpr double kQuantiles[] = {0, 0.001, 0.1, 0.5, 0.9, 0.95, 0.99, 1};

/// A tally of the bytes answers as the merged sketches do.
void expect_merged(const std::vector<std::string>& parts, const std::string& what) {
  SketchTally tally;
  Sketch merged;
  for (const std::string& part : parts) {
    ASSERT_FALSE(tally.add(part)) << what;
    merged.merge(*Sketch::parse(part));
    ASSERT_EQ(tally.empty(), merged.empty()) << what;
    if (merged.empty()) continue;
    for (const double q : kQuantiles) {
      ASSERT_EQ(tally.quantile(q), merged.quantile(q)) << what << ", q = " << q;
    }
  }
}

TEST(SketchTally, AnswersAsMergedSketchesDo) {
  std::mt19937_64 random(20240301);
  std::uniform_real_distribution<double> uniform(1, 1000);
  std::lognormal_distribution<double> lognormal(3, 2);
  std::normal_distribution<double> normal(0, 50);
  std::uniform_real_distribution<double> unit(0, 1);
  const std::pair<const char*, std::function<double()>> distributions[] = {
      {"uniform", [&] { return uniform(random); }},
      {"lognormal", [&] { return lognormal(random); }},
      {"negative", [&] { return -lognormal(random); }},
      {"mixed sign", [&] { return normal(random); }},
      {"mostly zero", [&] { return unit(random) < 0.9 ? 0.0 : uniform(random); }},
      {"zeros above", [&] { return unit(random) < 0.5 ? 0.0 : -uniform(random); }},
      {"whole numbers", [&] { return std::floor(normal(random)); }},
      {"tiny", [&] { return 1e-322 * uniform(random); }},
      {"a range too wide", [&] { return std::pow(2.0, 70 * unit(random) - 35); }},
      {"every magnitude", [&] { return std::pow(10.0, 600 * unit(random) - 300); }},
  };
  for (const auto& [name, draw] : distributions) {
    for (int round = 0; round < 40; ++round) {
      std::vector<std::string> parts;
      for (std::uint64_t part = 0; part < 1 + random() % 4; ++part) {
        Sketch sketch;
        const std::uint64_t size = random() % (std::uint64_t{1} << (round % 13));
        for (std::uint64_t i = 0; i < size; ++i) sketch.add(draw());
        parts.push_back(sketch.serialize());
      }
      expect_merged(parts, name);
    }
  }
}

TEST(SketchTally, HoldsCountsOfAnySize) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> parts;
    for (int part = 0; part < 4; ++part) {
      Sketch sketch;
      for (int i = 0; i < 30; ++i) {
        const double value = std::exp2(static_cast<double>(random() % 200) / 35) - 1;
        sketch.add(round % 3 == 0 ? -value : value, random() >> (random() % 64));
      }
      parts.push_back(sketch.serialize());
    }
    expect_merged(parts, "round " + std::to_string(round));
  }
}

TEST(SketchTally, OfNothing) {
  SketchTally tally;
  EXPECT_TRUE(tally.empty());
  EXPECT_TRUE(std::isnan(tally.quantile(0.5)));
  ASSERT_FALSE(tally.add(Sketch().serialize()));
  EXPECT_TRUE(tally.empty());
  Sketch one;
  one.add(17);
  ASSERT_FALSE(tally.add(one.serialize()));
  EXPECT_FALSE(tally.empty());
  EXPECT_TRUE(std::isnan(tally.quantile(std::nan(""))));
  EXPECT_EQ(tally.quantile(-1), one.quantile(0));
}

TEST(SketchTally, RefusesWhatASketchRefuses) {
  std::mt19937_64 random(5);
  std::lognormal_distribution<double> lognormal(0, 2);
  Sketch sketches[2];
  for (int i = 0; i < 500; ++i)
    sketches[0].add(i % 5 == 0 ? -lognormal(random) : lognormal(random));
  for (int i = 0; i < 500; ++i) sketches[1].add(lognormal(random), 1 + random() % 300);
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string damaged = sketches[round % 2].serialize();
    const int changes = 1 + static_cast<int>(random() % 4);
    for (int i = 0; i < changes; ++i)
      damaged[random() % damaged.size()] = static_cast<char>(random());
    if (round % 3 == 0) damaged.resize(random() % damaged.size());
    const Result<Sketch> parsed = Sketch::parse(damaged);
    SketchTally tally;
    const std::optional<Error> error = tally.add(damaged);
    ASSERT_EQ(parsed.ok(), !error);
    if (error) {
      EXPECT_EQ(error->message, parsed.error().message);
      EXPECT_EQ(error->position, parsed.error().position);
      continue;
    }
    ++accepted;
    ASSERT_FALSE(tally.add(sketches[0].serialize()));
    Sketch merged = *parsed;
    merged.merge(sketches[0]);
    EXPECT_EQ(tally.quantile(0.95), merged.quantile(0.95));
  }
  EXPECT_GT(accepted, 0);
}

}  // namespace
}  // namespace monitoring::metrics
