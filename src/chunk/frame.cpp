#include "chunk/frame.hpp"

#include <zstd.h>

#include "chunk/bits.hpp"
#include "monitoring/base/hash128.hpp"
#include "monitoring/base/varint.hpp"

namespace monitoring::chunk {

namespace {

constexpr char kVersion = 1;
constexpr std::size_t kCheckAt = 2;
constexpr std::size_t kCheckedAt = kCheckAt + 8;
/// Higher levels take a multiple of the time and gain 1 to 2 %.
constexpr int kLevel = 3;

std::uint64_t check_of(std::string_view checked, char version, char packing) {
  const auto seed = static_cast<unsigned char>(version) +
                    256U * static_cast<unsigned>(static_cast<unsigned char>(packing));
  return hash128(checked, seed).low;
}

/// Made once a process, because making one takes longer than a chunk does, and never freed.
ZSTD_CCtx* compressor() {
  static ZSTD_CCtx* const context = ZSTD_createCCtx();
  return context;
}

ZSTD_DCtx* decompressor() {
  static ZSTD_DCtx* const context = ZSTD_createDCtx();
  return context;
}

/// Empty where zstd does not make it smaller.
std::string compressed(const std::string& body) {
  std::string packed(ZSTD_compressBound(body.size()), '\0');
  const std::size_t size = ZSTD_compressCCtx(compressor(), packed.data(), packed.size(),
                                             body.data(), body.size(), kLevel);
  if (ZSTD_isError(size) || size >= body.size()) return {};
  packed.resize(size);
  return packed;
}

Result<std::string> decompressed(std::string_view packed, std::size_t size) {
  std::string body(size, '\0');
  const std::size_t got =
      ZSTD_decompressDCtx(decompressor(), body.data(), size, packed.data(), packed.size());
  if (ZSTD_isError(got)) {
    return Error::of(std::string("the bytes do not decompress: ") + ZSTD_getErrorName(got));
  }
  if (got != size) return Error::of("the bytes decompress to another size than they say");
  return body;
}

}  // namespace

std::string framed(const std::string& body, Packing packing) {
  const std::string packed = packing == Packing::kZstd ? compressed(body) : std::string();
  const Packing used = packed.empty() ? Packing::kPlain : Packing::kZstd;
  std::string checked;
  append_varint(checked, body.size());
  checked += packed.empty() ? body : packed;
  std::string bytes{kVersion, static_cast<char>(used)};
  append_eight(bytes, check_of(checked, bytes[0], bytes[1]));
  return bytes + checked;
}

Result<std::string> unframed(std::string_view bytes) {
  if (bytes.size() < kCheckedAt) return Error::at(bytes.size(), "the bytes end in their header");
  if (bytes[0] != kVersion) {
    return Error::at(0, "the version is unknown",
                     "They were written by a later release of the extension, or are damaged.");
  }
  const std::string_view checked = bytes.substr(kCheckedAt);
  if (read_eight(bytes.data() + kCheckAt) != check_of(checked, bytes[0], bytes[1])) {
    return Error::at(kCheckAt, "the check is wrong", "The bytes are not those that were written.");
  }
  VarintReader reader(checked);
  const std::uint64_t size = reader.next();
  if (size > kLargestBody) return Error::at(kCheckedAt, "the body is too large");
  const std::string_view body = checked.substr(reader.position());
  if (bytes[1] == static_cast<char>(Packing::kZstd)) return decompressed(body, size);
  if (bytes[1] != static_cast<char>(Packing::kPlain)) {
    return Error::at(1, "the bytes are packed in an unknown way");
  }
  if (body.size() != size) return Error::at(kCheckedAt, "the body has another size than it says");
  return std::string(body);
}

}  // namespace monitoring::chunk
