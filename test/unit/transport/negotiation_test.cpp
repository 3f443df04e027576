#include <gtest/gtest.h>
#include <zlib.h>

#include "monitoring/transport/http_server.hpp"

namespace monitoring::transport {
namespace {

TEST(Negotiation, OpenMetricsForThoseWhoAskForIt) {
  // Prometheus 2.42, as it came over the wire.
  EXPECT_TRUE(
      prefers_openmetrics("application/openmetrics-text;version=1.0.0,application/"
                          "openmetrics-text;version=0.0.1;q=0.75,"
                          "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"));
  // Prometheus 3 with scrape_protocols in its default order.
  EXPECT_TRUE(
      prefers_openmetrics("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
                          "application/openmetrics-text;version=0.0.1;q=0.5,"
                          "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/"
                          "plain;version=0.0.4;q=0.3,*/*;q=0.2"));
  EXPECT_TRUE(prefers_openmetrics("application/openmetrics-text"));
  EXPECT_TRUE(prefers_openmetrics("Application/OpenMetrics-Text ; Version=1.0.0 ; Q=0.2"));
}

TEST(Negotiation, TextForEverybodyElse) {
  EXPECT_FALSE(prefers_openmetrics(""));
  EXPECT_FALSE(prefers_openmetrics("*/*"));
  EXPECT_FALSE(prefers_openmetrics("text/plain;version=0.0.4"));
  EXPECT_FALSE(prefers_openmetrics("application/openmetrics-text;version=0.0.1"));
  EXPECT_FALSE(prefers_openmetrics("application/openmetrics-text;q=0"));
  EXPECT_FALSE(prefers_openmetrics("application/openmetrics-text;q=0.4, text/plain;q=0.5"));
  EXPECT_FALSE(prefers_openmetrics("application/openmetrics-text;q=nonsense"));
  EXPECT_FALSE(prefers_openmetrics(",;,=;q=;,"));
}

TEST(Negotiation, Gzip) {
  EXPECT_TRUE(accepts_gzip("gzip"));
  EXPECT_TRUE(accepts_gzip("deflate, GZIP;q=0.5, br"));
  EXPECT_FALSE(accepts_gzip(""));
  EXPECT_FALSE(accepts_gzip("identity"));
  EXPECT_FALSE(accepts_gzip("deflate, gzip;q=0"));
}

TEST(BearerToken, FitsOnlyItself) {
  EXPECT_TRUE(bears_token("Bearer s3cret", "s3cret"));
  EXPECT_TRUE(bears_token("bearer   s3cret ", "s3cret"));
  EXPECT_FALSE(bears_token("Bearer s3cre", "s3cret"));
  EXPECT_FALSE(bears_token("Bearer s3crets3cret", "s3cret"));
  EXPECT_FALSE(bears_token("Bearer", "s3cret"));
  EXPECT_FALSE(bears_token("", "s3cret"));
  EXPECT_FALSE(bears_token("Basic s3cret", "s3cret"));
  EXPECT_FALSE(bears_token("Bearer ", ""));
}

std::string unpacked(const std::string& packed, std::size_t length) {
  std::string text(length, '\0');
  z_stream stream{};
  inflateInit2(&stream, 15 + 16);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  inflateEnd(&stream);
  return text;
}

TEST(Gzip, ComesBack) {
  std::string text;
  for (int i = 0; i < 10000; ++i) text += "metric{label=\"" + std::to_string(i * i) + "\"} 1\n";
  const std::string packed = gzip(text);
  EXPECT_LT(packed.size(), text.size() / 3);
  EXPECT_EQ(unpacked(packed, text.size()), text);
}

}  // namespace
}  // namespace monitoring::transport
