// Samples of others through our chunks, and Prometheus's own XOR chunks through our reader and
// writer of XOR values: gorilla/*.json [[time, value]], oracle-promql/xor_chunks.json
// [{chunk_hex, samples: [[ms, value]]}].

#include <cmath>
#include <cstring>

#include "chunk/bits.hpp"
#include "chunk/xor_codec.hpp"
#include "monitoring/base/varint.hpp"
#include "monitoring/chunk/chunk.hpp"
#include "registry.hpp"

namespace monitoring::conformance {

namespace {

using chunk::BitReader;
using nlohmann::json;

double number_of(const json& value) {
  if (value.is_number()) return value.get<double>();
  const std::string text = value.is_string() ? value.get<std::string>() : "NaN";
  return std::strtod(text.c_str(), nullptr);
}

bool is_same(double a, double b) {
  return chunk::bits_of(a) == chunk::bits_of(b) || (std::isnan(a) && std::isnan(b));
}

void check_round_trip(const std::string& name, const chunk::SampleRun& run, bool xor_only,
                      Report& report) {
  const auto bytes = chunk::encode({run}, {chunk::Packing::kZstd, xor_only});
  if (!bytes) return report.fail(name, bytes.error().message);
  const auto chunk = chunk::Chunk::open(*bytes);
  if (!chunk) return report.fail(name, chunk.error().message);
  const auto again = chunk->decode(0);
  if (!again) return report.fail(name, again.error().message);
  const bool same =
      again->times_ms == run.times_ms &&
      std::equal(run.values.begin(), run.values.end(), again->values.begin(), is_same);
  same ? report.pass() : report.fail(name, "other samples came back");
}

void run_gorilla(const std::filesystem::path& folder, Report& report) {
  for (const auto& file : files_with_extension(folder, ".json")) {
    chunk::SampleRun run;
    for (const json& pair : read_json(file, report)) {
      run.values.push_back(number_of(pair[0]));
      run.times_ms.push_back(static_cast<std::int64_t>(number_of(pair[1]) * 1000));
    }
    check_round_trip(file.filename().string(), run, false, report);
    check_round_trip(file.filename().string() + " by XOR", run, true, report);
  }
}

std::string bytes_of_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

/// A varint that begins at any bit.
std::uint64_t varint(BitReader& bits) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const std::uint64_t byte = bits.take(8);
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return value;
}

/// Prometheus's change of a distance: 0, or a prefix of ones that says how many bits follow.
std::int64_t change(BitReader& bits) {
  constexpr int kSizes[] = {0, 14, 17, 20, 64};
  int ones = 0;
  while (ones < 4 && bits.take(1) == 1) ++ones;
  const int size = kSizes[ones];
  if (size == 0) return 0;
  const std::uint64_t raw = bits.take(size);
  if (size == 64 || raw <= std::uint64_t{1} << (size - 1)) return static_cast<std::int64_t>(raw);
  return static_cast<std::int64_t>(raw) - (std::int64_t{1} << size);
}

chunk::SampleRun samples_of(const std::string& bytes) {
  chunk::SampleRun run;
  BitReader bits(bytes);
  chunk::XorReader values;
  const std::uint64_t count = bits.take(16);
  std::int64_t time_ms = 0;
  std::int64_t distance_ms = 0;
  for (std::uint64_t i = 0; i < count && bits.good() && values.good(); ++i) {
    if (i == 0) {
      time_ms = unzigzag(varint(bits));
    } else {
      distance_ms = i == 1 ? static_cast<std::int64_t>(varint(bits)) : distance_ms + change(bits);
      time_ms += distance_ms;
    }
    run.times_ms.push_back(time_ms);
    run.values.push_back(values.take(bits));
  }
  return run;
}

void check_chunk(const std::string& name, const json& test, Report& report) {
  const chunk::SampleRun run = samples_of(bytes_of_hex(test["chunk_hex"]));
  const json& wanted = test["samples"];
  if (run.values.size() != wanted.size()) {
    return report.fail(name, std::to_string(run.values.size()) + " samples were read");
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (run.times_ms[i] != wanted[i][0].get<std::int64_t>() ||
        !is_same(run.values[i], number_of(wanted[i][1]))) {
      return report.fail(name, "sample " + std::to_string(i) + " is another");
    }
  }
  report.pass();
  check_round_trip(name + " round trip", run, false, report);
}

void run_xor_chunks(const std::filesystem::path& folder, Report& report) {
  for (const auto& file : files_with_extension(folder, ".json")) {
    if (file.filename() != "xor_chunks.json") continue;
    std::size_t number = 0;
    for (const json& test : read_json(file, report)) {
      check_chunk("chunk " + std::to_string(number++), test, report);
    }
  }
}

const Registration kGorilla{"gorilla", run_gorilla};
const Registration kXorChunks{"oracle-promql", run_xor_chunks};

}  // namespace

}  // namespace monitoring::conformance
