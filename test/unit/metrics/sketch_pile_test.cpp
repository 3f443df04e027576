#include "monitoring/metrics/sketch_pile.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>

namespace monitoring::metrics {
namespace {

TEST(SketchPile, AnswersAsTheMergedSketchDoes) {
  std::mt19937_64 random(9);
  std::lognormal_distribution<double> lognormal(3, 2);
  for (int sketches = 0; sketches < 40; ++sketches) {
    SketchPile pile;
    Sketch merged;
    for (int i = 0; i < sketches; ++i) {
      Sketch sketch;
      for (std::uint64_t n = random() % 50; n > 0; --n) sketch.add(lognormal(random));
      ASSERT_FALSE(pile.add(sketch.serialize()));
      merged.merge(sketch);
      if (i % 3 != 0) continue;
      pile.add(17);
      merged.add(17);
      ASSERT_EQ(*pile.quantile(0.95), merged.quantile(0.95)) << sketches;
    }
    if (merged.empty()) continue;
    EXPECT_EQ(*pile.quantile(0.5), merged.quantile(0.5)) << sketches;
    EXPECT_EQ(*pile.quantile(0.99), merged.quantile(0.99)) << sketches;
  }
}

TEST(SketchPile, OfNothing) {
  SketchPile pile;
  EXPECT_TRUE(std::isnan(*pile.quantile(0.5)));
  ASSERT_FALSE(pile.add(Sketch().serialize()));
  EXPECT_TRUE(std::isnan(*pile.quantile(0.5)));
  pile.add(3);
  EXPECT_NEAR(*pile.quantile(0.5), 3, 0.03);
}

TEST(SketchPile, RefusesDamagedSketches) {
  SketchPile few;
  ASSERT_FALSE(few.add("\x02"));
  ASSERT_FALSE(few.quantile(0.5).ok());
  EXPECT_EQ(few.quantile(0.5).error().message, "sketch has an unknown version");

  SketchPile many;
  int kept = 0;
  while (!many.add("\x02")) ASSERT_LT(++kept, 100);
  EXPECT_GT(kept, 1);
}

}  // namespace
}  // namespace monitoring::metrics
