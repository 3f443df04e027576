#include "monitoring/notify/tempo.hpp"

#include <gtest/gtest.h>

namespace monitoring::notify {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

Tempo after(int requests, Duration took, std::size_t bytes) {
  Tempo tempo;
  for (int i = 0; i < requests; ++i) tempo.note(took, bytes);
  return tempo;
}

TEST(Tempo, UnknownAndSlowReceiversHoldASuccessorForEachRequest) {
  EXPECT_EQ(Tempo().rows_to_hold(8), 16U);
  EXPECT_EQ(after(1, seconds(5), 1000).rows_to_hold(8), 16U);
  EXPECT_EQ(after(1, milliseconds(50), 1000).rows_to_hold(8), 16U);
}

TEST(Tempo, AQuickReceiverHoldsWhatItTakesInATenthOfASecond) {
  EXPECT_EQ(after(1, milliseconds(10), 1000).rows_to_hold(8), 80U);
  EXPECT_EQ(after(1, milliseconds(1), 1000).rows_to_hold(8), 512U);
  EXPECT_EQ(after(1, microseconds(0), 0).rows_to_hold(8), 512U);
  EXPECT_EQ(after(1, microseconds(1), 1).rows_to_hold(1000), 2000U);
}

TEST(Tempo, LargePayloadsAreNotHeapedUp) {
  EXPECT_EQ(after(1, milliseconds(1), 1 << 16).rows_to_hold(8), 64U);
  EXPECT_EQ(after(1, milliseconds(1), 1 << 24).rows_to_hold(8), 16U);
}

TEST(Tempo, TellsHowLongRowsTake) {
  EXPECT_EQ(Tempo().time_for(512, 8), seconds(0));
  EXPECT_EQ(after(1, seconds(5), 1000).time_for(512, 8), seconds(320));
}

TEST(Tempo, OneSlowAnswerIsEnoughToHoldLess) {
  Tempo tempo = after(100, milliseconds(1), 1000);
  tempo.note(seconds(5), 1000);
  EXPECT_EQ(tempo.rows_to_hold(8), 16U);
  for (int i = 0; i < 100; ++i) tempo.note(milliseconds(1), 1000);
  EXPECT_EQ(tempo.rows_to_hold(8), 512U);
}

}  // namespace
}  // namespace monitoring::notify
