#include "monitoring/collect/host.hpp"

#include <dirent.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>

#include "monitoring/base/regular_file.hpp"
#include "monitoring/host/network.hpp"

namespace monitoring::collect {

namespace {

std::string text_of(const std::string& path) {
  constexpr std::size_t kMostBytes = 16 * 1024 * 1024;
  std::string text;
  (void)read_regular_file(path, kMostBytes, &text);
  return text;
}

double ticks_per_second() {
  return static_cast<double>(sysconf(_SC_CLK_TCK));
}

std::optional<host::Usage> usage_of(const host::Mount& mount) {
  struct statvfs found {};
  if (statvfs(mount.mountpoint.c_str(), &found) != 0) return std::nullopt;
  const auto block = static_cast<double>(found.f_frsize);
  return host::Usage{static_cast<double>(found.f_blocks) * block,
                     static_cast<double>(found.f_bfree) * block,
                     static_cast<double>(found.f_bavail) * block,
                     static_cast<double>(found.f_files), static_cast<double>(found.f_ffree)};
}

void add_filesystems(host::Samples* samples) {
  for (const host::Mount& mount : host::read_mounts(text_of("/proc/self/mounts"))) {
    host::describe_filesystem(mount, usage_of(mount), samples);
  }
}

void add_clock(Instant now, host::Samples* samples) {
  const std::chrono::duration<double> since_1970 = now.time_since_epoch();
  samples->push_back({"node_time_seconds", {}, since_1970.count()});
  timex state{};
  const int result = adjtimex(&state);
  if (result < 0) return;
  host::describe_clock({result != TIME_ERROR, (state.status & STA_NANO) != 0,
                        static_cast<double>(state.status), static_cast<double>(state.offset),
                        static_cast<double>(state.maxerror), static_cast<double>(state.esterror),
                        static_cast<double>(state.freq), static_cast<double>(state.constant),
                        static_cast<double>(state.tick), static_cast<double>(state.tai)},
                       samples);
}

void add_kernel(host::Samples* samples) {
  utsname kernel{};
  if (uname(&kernel) != 0) return;
  samples->push_back({"node_uname_info",
                      {{"domainname", kernel.domainname},
                       {"machine", kernel.machine},
                       {"nodename", kernel.nodename},
                       {"release", kernel.release},
                       {"sysname", kernel.sysname},
                       {"version", kernel.version}},
                      1});
}

std::vector<std::string> names_in(const char* folder) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> open(opendir(folder), closedir);
  if (!open) return names;
  while (const dirent* entry = readdir(open.get())) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  return names;
}

void add_interfaces(host::Samples* samples) {
  const std::vector<std::string> wanted = host::interface_files();
  for (const std::string& device : names_in("/sys/class/net")) {
    std::map<std::string, std::string> files;
    for (const std::string& file : wanted) {
      files[file] = text_of("/sys/class/net/" + device + "/" + file);
    }
    host::describe_interface(device, files, samples);
  }
}

/// Files that hold one number each.
constexpr std::pair<const char*, const char*> kNumbers[] = {
    {"/proc/sys/kernel/random/entropy_avail", "node_entropy_available_bits"},
    {"/proc/sys/kernel/random/poolsize", "node_entropy_pool_size_bits"},
    {"/proc/sys/net/netfilter/nf_conntrack_count", "node_nf_conntrack_entries"},
    {"/proc/sys/net/netfilter/nf_conntrack_max", "node_nf_conntrack_entries_limit"}};

std::optional<double> value_of(const host::Samples& samples, std::string_view name) {
  const auto found = std::find_if(samples.begin(), samples.end(), [&](const host::Sample& sample) {
    return sample.metric_name == name;
  });
  if (found == samples.end()) return std::nullopt;
  return found->value;
}

/// Idle seconds of one CPU, the mean of all, and when that was.
struct IdleTime {
  double seconds;
  Instant at;
};

std::optional<double> cpu_percent_since(const std::optional<IdleTime>& before,
                                        const IdleTime& now) {
  if (!before) return std::nullopt;
  const double passed = std::chrono::duration<double>(now.at - before->at).count();
  if (passed <= 0) return std::nullopt;
  return std::clamp(100 * (1 - (now.seconds - before->seconds) / passed), 0.0, 100.0);
}

}  // namespace

host::Samples host_samples(Instant now) {
  host::Samples samples;
  host::read_stat(text_of("/proc/stat"), ticks_per_second(), &samples);
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
  add_clock(now, &samples);
  return samples;
}

host::Samples network_samples() {
  host::Samples samples;
  host::read_netstat(text_of("/proc/net/snmp"), &samples);
  host::read_netstat(text_of("/proc/net/netstat"), &samples);
  host::read_snmp6(text_of("/proc/net/snmp6"), &samples);
  const auto page_bytes = static_cast<double>(sysconf(_SC_PAGESIZE));
  host::read_sockstat(text_of("/proc/net/sockstat"), page_bytes, &samples);
  host::read_sockstat(text_of("/proc/net/sockstat6"), page_bytes, &samples);
  host::read_softnet(text_of("/proc/net/softnet_stat"), &samples);
  host::read_arp(text_of("/proc/net/arp"), &samples);
  for (const auto& [path, metric] : kNumbers) host::read_number(metric, text_of(path), &samples);
  add_interfaces(&samples);
  add_kernel(&samples);
  return samples;
}

HostUse host_use(Instant now) {
  static std::optional<IdleTime> before;
  host::Samples samples;
  host::read_stat(text_of("/proc/stat"), ticks_per_second(), &samples);
  host::read_meminfo(text_of("/proc/meminfo"), &samples);
  HostUse use;
  constexpr double kMegabyte = 1024 * 1024;
  const auto total = value_of(samples, "node_memory_MemTotal_bytes");
  const auto available = value_of(samples, "node_memory_MemAvailable_bytes");
  if (total && available) use.memory_mb = (*total - *available) / kMegabyte;
  if (const auto idle = value_of(samples, "node_cpu_idle_mean_seconds_total")) {
    use.cpu_percent = cpu_percent_since(before, {*idle, now});
    before = IdleTime{*idle, now};
  }
  return use;
}

}  // namespace monitoring::collect
