#include "monitoring/store/host.hpp"

#include <sys/statvfs.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

namespace monitoring::store {

namespace {

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  return text.str();
}

void add_filesystems(host::Samples* samples) {
  for (const host::Mount& mount : host::read_mounts(text_of("/proc/self/mounts"))) {
    struct statvfs found {};
    if (statvfs(mount.mountpoint.c_str(), &found) != 0) continue;
    const auto block = static_cast<double>(found.f_frsize);
    const host::Usage usage{static_cast<double>(found.f_blocks) * block,
                            static_cast<double>(found.f_bfree) * block,
                            static_cast<double>(found.f_bavail) * block,
                            static_cast<double>(found.f_files), static_cast<double>(found.f_ffree)};
    host::describe_filesystem(mount, usage, samples);
  }
}

}  // namespace

host::Samples host_samples() {
  host::Samples samples;
  host::read_stat(text_of("/proc/stat"), static_cast<double>(sysconf(_SC_CLK_TCK)), &samples);
  host::read_meminfo(text_of("/proc/meminfo"), &samples);
  host::read_loadavg(text_of("/proc/loadavg"), &samples);
  host::read_diskstats(text_of("/proc/diskstats"), &samples);
  host::read_net_dev(text_of("/proc/net/dev"), &samples);
  for (const char* resource : {"cpu", "io", "memory"}) {
    host::read_pressure(resource, text_of(std::string("/proc/pressure/") + resource), &samples);
  }
  host::read_file_nr(text_of("/proc/sys/fs/file-nr"), &samples);
  host::read_vmstat(text_of("/proc/vmstat"), &samples);
  add_filesystems(&samples);
  return samples;
}

}  // namespace monitoring::store
