#include "monitoring/host/proc.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <iterator>
#include <set>
#include <utility>

#include "host/lines.hpp"

namespace monitoring::host {

namespace {

// --- /proc/stat ----------------------------------------------------------------------------------

constexpr const char* kModes[] = {"user",   "nice", "system",  "idle",
                                  "iowait", "irq",  "softirq", "steal"};
constexpr std::size_t kIdle = 3;
/// Parts of user and nice, again.
constexpr const char* kGuestModes[] = {"user", "nice"};

/// Idle seconds of the CPUs, to be averaged.
struct Idle {
  double seconds = 0;
  int cpus = 0;
};

/// "cpu" alone is the sum of all, which anybody can make of the others.
void read_cpu(const std::vector<std::string_view>& fields, double ticks_per_second, Idle* idle,
              Samples* samples) {
  const std::string cpu(fields[0].substr(3));
  if (cpu.empty()) return;
  for (std::size_t mode = 0; mode < std::size(kModes) && mode + 1 < fields.size(); ++mode) {
    add("node_cpu_seconds_total", {{"cpu", cpu}, {"mode", kModes[mode]}}, fields[mode + 1],
        1 / ticks_per_second, samples);
  }
  constexpr std::size_t kFirstGuest = std::size(kModes) + 1;
  for (std::size_t mode = 0; kFirstGuest + mode < fields.size() && mode < 2; ++mode) {
    add("node_cpu_guest_seconds_total", {{"cpu", cpu}, {"mode", kGuestModes[mode]}},
        fields[kFirstGuest + mode], 1 / ticks_per_second, samples);
  }
  if (fields.size() <= kIdle + 1) return;
  idle->seconds += number(fields[kIdle + 1]).value_or(0) / ticks_per_second;
  idle->cpus += 1;
}

constexpr std::pair<std::string_view, const char*> kStat[] = {
    {"intr", "node_intr_total"},
    {"ctxt", "node_context_switches_total"},
    {"btime", "node_boot_time_seconds"},
    {"processes", "node_forks_total"},
    {"procs_running", "node_procs_running"},
    {"procs_blocked", "node_procs_blocked"}};

// --- Devices -------------------------------------------------------------------------------------

/// sda1, vdb2, xvda1, nvme0n1p1: a part of what another line counts. Also loop3, ram0 and fd0.
bool is_part_or_virtual(std::string_view device) {
  for (const std::string_view prefix : {"loop", "ram", "fd"}) {
    if (starts_with(device, prefix)) return true;
  }
  if (!is_digit(device.back())) return false;
  if (starts_with(device, "nvme")) return device.find('p') != std::string_view::npos;
  for (const std::string_view prefix : {"sd", "hd", "vd", "xvd"}) {
    if (starts_with(device, prefix)) return true;
  }
  return false;
}

struct DiskField {
  const char* name;
  double factor;
};
constexpr double kSectorBytes = 512;
constexpr double kMilli = 0.001;
/// From the fourth field on. Documentation/admin-guide/iostats.rst of the kernel.
constexpr DiskField kDisk[] = {{"node_disk_reads_completed_total", 1},
                               {"node_disk_reads_merged_total", 1},
                               {"node_disk_read_bytes_total", kSectorBytes},
                               {"node_disk_read_time_seconds_total", kMilli},
                               {"node_disk_writes_completed_total", 1},
                               {"node_disk_writes_merged_total", 1},
                               {"node_disk_written_bytes_total", kSectorBytes},
                               {"node_disk_write_time_seconds_total", kMilli},
                               {"node_disk_io_now", 1},
                               {"node_disk_io_time_seconds_total", kMilli},
                               {"node_disk_io_time_weighted_seconds_total", kMilli},
                               {"node_disk_discards_completed_total", 1},
                               {"node_disk_discards_merged_total", 1},
                               {"node_disk_discarded_sectors_total", 1},
                               {"node_disk_discard_time_seconds_total", kMilli},
                               {"node_disk_flush_requests_total", 1},
                               {"node_disk_flush_requests_time_seconds_total", kMilli}};

constexpr const char* kNetwork[] = {
    "receive_bytes",  "receive_packets",  "receive_errs",       "receive_drop",
    "receive_fifo",   "receive_frame",    "receive_compressed", "receive_multicast",
    "transmit_bytes", "transmit_packets", "transmit_errs",      "transmit_drop",
    "transmit_fifo",  "transmit_colls",   "transmit_carrier",   "transmit_compressed"};

// --- Mounts --------------------------------------------------------------------------------------

constexpr std::string_view kDiskFilesystems[] = {"ext2", "ext3", "ext4",     "xfs",  "btrfs", "zfs",
                                                 "f2fs", "jfs",  "bcachefs", "vfat", "tmpfs"};

bool is_of_interest(std::string_view mountpoint, std::string_view fstype) {
  for (const std::string_view prefix : {"/dev", "/proc", "/sys", "/run/credentials",
                                        "/var/lib/docker", "/var/lib/containers/storage"}) {
    if (mountpoint == prefix || starts_with(mountpoint, std::string(prefix) + "/")) return false;
  }
  return std::find(std::begin(kDiskFilesystems), std::end(kDiskFilesystems), fstype) !=
         std::end(kDiskFilesystems);
}

/// Spaces, tabs, line ends and backslashes are \ooo in this file.
std::string unescaped(std::string_view field) {
  std::string text;
  for (std::size_t i = 0; i < field.size(); ++i) {
    const bool is_escape = field[i] == '\\' && i + 3 < field.size() && is_digit(field[i + 1]) &&
                           is_digit(field[i + 2]) && is_digit(field[i + 3]);
    if (!is_escape) {
      text += field[i];
      continue;
    }
    text += static_cast<char>(std::strtol(std::string(field.substr(i + 1, 3)).c_str(), nullptr, 8));
    i += 3;
  }
  return text;
}

}  // namespace

bool is_counter(std::string_view metric_name) {
  if (metric_name == "node_netstat_Tcp_CurrEstab") return false;
  if (metric_name == "node_netstat_Ip_Forwarding") return false;
  for (const std::string_view prefix : {"node_vmstat_", "node_netstat_"}) {
    if (starts_with(metric_name, prefix)) return true;
  }
  return ends_with(metric_name, "_total");
}

void read_stat(std::string_view text, double ticks_per_second, Samples* samples) {
  Idle idle;
  std::string_view line;
  while (next_line(&text, &line)) {
    const auto fields = fields_of(line);
    if (fields.size() < 2) continue;
    if (starts_with(fields[0], "cpu")) read_cpu(fields, ticks_per_second, &idle, samples);
    for (const auto& [word, metric] : kStat) {
      if (fields[0] == word) add(metric, fields[1], samples);
    }
  }
  if (idle.cpus == 0) return;
  samples->push_back({"node_cpu_idle_mean_seconds_total", {}, idle.seconds / idle.cpus});
}

void read_meminfo(std::string_view text, Samples* samples) {
  constexpr double kKilo = 1024;
  double total = 0;
  double available = 0;
  std::string_view line;
  while (next_line(&text, &line)) {
    const auto fields = fields_of(line, " \t:()");
    if (fields.size() < 2) continue;
    const bool is_size = fields.back() == "kB";
    // Active(anon) is Active_anon.
    const std::size_t value_at = fields.size() - (is_size ? 2 : 1);
    std::string name = "node_memory";
    for (std::size_t i = 0; i < value_at; ++i) name += "_" + std::string(fields[i]);
    const double factor = is_size ? kKilo : 1;
    if (name == "node_memory_MemTotal") total = number(fields[value_at]).value_or(0);
    if (name == "node_memory_MemAvailable") available = number(fields[value_at]).value_or(0);
    add(name + (is_size ? "_bytes" : ""), {}, fields[value_at], factor, samples);
  }
  if (total > 0) samples->push_back({"node_memory_used_ratio", {}, 1 - available / total});
}

void read_loadavg(std::string_view text, Samples* samples) {
  const auto fields = fields_of(text);
  if (fields.size() < 3) return;
  add("node_load1", fields[0], samples);
  add("node_load5", fields[1], samples);
  add("node_load15", fields[2], samples);
}

void read_diskstats(std::string_view text, Samples* samples) {
  constexpr std::size_t kFirst = 3;
  std::string_view line;
  while (next_line(&text, &line)) {
    const auto fields = fields_of(line);
    if (fields.size() <= kFirst || is_part_or_virtual(fields[2])) continue;
    const Labels device{{"device", std::string(fields[2])}};
    for (std::size_t i = 0; i < std::size(kDisk) && kFirst + i < fields.size(); ++i) {
      add(kDisk[i].name, device, fields[kFirst + i], kDisk[i].factor, samples);
    }
  }
}

void read_net_dev(std::string_view text, Samples* samples) {
  std::string_view line;
  while (next_line(&text, &line)) {
    const auto fields = fields_of(line, " \t:");
    // The two lines of headings have bars.
    if (fields.size() <= std::size(kNetwork) || line.find('|') != std::string_view::npos) continue;
    const Labels device{{"device", std::string(fields[0])}};
    for (std::size_t i = 0; i < std::size(kNetwork); ++i) {
      add("node_network_" + std::string(kNetwork[i]) + "_total", device, fields[i + 1], 1, samples);
    }
  }
}

void read_pressure(std::string_view resource, std::string_view text, Samples* samples) {
  constexpr double kMicro = 1e-6;
  std::string_view line;
  while (next_line(&text, &line)) {
    const auto fields = fields_of(line, " \t=");
    if (fields.size() < 3) continue;
    // For the CPU "full" says nothing: somebody always runs.
    if (fields[0] == "full" && resource == "cpu") continue;
    const char* const kind = fields[0] == "some" ? "_waiting" : "_stalled";
    add("node_pressure_" + std::string(resource) + kind + "_seconds_total", {}, fields.back(),
        kMicro, samples);
  }
}

void read_file_nr(std::string_view text, Samples* samples) {
  const auto fields = fields_of(text, " \t\n");
  if (fields.size() < 3) return;
  add("node_filefd_allocated", fields[0], samples);
  add("node_filefd_maximum", fields[2], samples);
}

void read_number(const char* metric_name, std::string_view text, Samples* samples) {
  add(metric_name, text, samples);
}

void read_vmstat(std::string_view text, Samples* samples) {
  constexpr std::string_view kWanted[] = {"oom_kill", "pgfault", "pgmajfault", "pgpgin",
                                          "pgpgout",  "pswpin",  "pswpout"};
  std::string_view line;
  while (next_line(&text, &line)) {
    const auto fields = fields_of(line);
    if (fields.size() != 2) continue;
    if (std::find(std::begin(kWanted), std::end(kWanted), fields[0]) == std::end(kWanted)) continue;
    add("node_vmstat_" + std::string(fields[0]), fields[1], samples);
  }
}

std::vector<Mount> read_mounts(std::string_view text) {
  std::vector<Mount> mounts;
  std::set<std::string, std::less<>> seen;
  std::string_view line;
  while (next_line(&text, &line)) {
    const auto fields = fields_of(line, " ");
    if (fields.size() < 4) continue;
    Mount mount{unescaped(fields[0]), unescaped(fields[1]), std::string(fields[2])};
    if (!is_of_interest(mount.mountpoint, mount.fstype)) continue;
    // A bind mount shows the same file system again; every tmpfs is one of its own.
    if (mount.fstype != "tmpfs" && !seen.insert(mount.device).second) continue;
    mount.read_only = fields[3] == "ro" || starts_with(fields[3], "ro,");
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

void describe_filesystem(const Mount& mount, const std::optional<Usage>& usage, Samples* samples) {
  const Labels labels{
      {"device", mount.device}, {"fstype", mount.fstype}, {"mountpoint", mount.mountpoint}};
  const auto put = [&](const char* name, double value) {
    samples->push_back({std::string("node_filesystem_") + name, labels, value});
  };
  put("device_error", usage ? 0 : 1);
  if (!usage) return;
  put("size_bytes", usage->size_bytes);
  put("free_bytes", usage->free_bytes);
  put("avail_bytes", usage->avail_bytes);
  put("files", usage->files);
  put("files_free", usage->files_free);
  put("readonly", mount.read_only ? 1 : 0);
  const double used = usage->size_bytes - usage->free_bytes;
  if (used + usage->avail_bytes > 0) put("used_ratio", used / (used + usage->avail_bytes));
}

void describe_clock(const ClockState& clock, Samples* samples) {
  constexpr double kMicro = 1e-6;
  // The kernel's unit of frequencies: parts per million, 16 bits behind the point.
  constexpr double kFrequency = kMicro / 65536;
  const auto put = [&](const char* name, double value) {
    samples->push_back({std::string("node_timex_") + name, {}, value});
  };
  put("sync_status", clock.is_synchronized ? 1 : 0);
  put("status", clock.status);
  put("offset_seconds", clock.offset * (clock.has_nanoseconds ? 1e-9 : kMicro));
  put("maxerror_seconds", clock.max_error * kMicro);
  put("estimated_error_seconds", clock.estimated_error * kMicro);
  put("frequency_adjustment_ratio", 1 + clock.frequency * kFrequency);
  put("loop_time_constant", clock.time_constant);
  put("tick_seconds", clock.tick * kMicro);
  put("tai_offset_seconds", clock.tai_offset);
}

}  // namespace monitoring::host
