#pragma once
// What Linux says of the machine in /proc, as node_exporter's metrics: its names, labels and units.
// Pure: the texts are read elsewhere. A line that is not understood is left out, because kernels
// add lines; a file that is not there gives nothing.
//
// Source: man 5 proc; node_exporter 1.5 (github.com/prometheus/node_exporter, collector/).

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/base/labels.hpp"

namespace monitoring::host {

struct Sample {
  std::string metric_name;
  Labels labels;
  double value = 0;
};
using Samples = std::vector<Sample>;

/// Whether a metric of this room is a counter; it is a gauge otherwise.
bool is_counter(std::string_view metric_name);

/// /proc/stat: CPU seconds, context switches, forks, interrupts, processes, boot time. Adds
/// node_cpu_idle_mean_seconds_total, which is not node_exporter's: the mean over all CPUs, whose
/// rate is the idle share of the machine. `ticks_per_second` is sysconf(_SC_CLK_TCK).
void read_stat(std::string_view text, double ticks_per_second, Samples* samples);
/// /proc/meminfo, in bytes. Adds node_memory_used_ratio, which is not node_exporter's: what is not
/// MemAvailable, of MemTotal.
void read_meminfo(std::string_view text, Samples* samples);
/// /proc/loadavg.
void read_loadavg(std::string_view text, Samples* samples);
/// /proc/diskstats, without partitions, loop and RAM devices.
void read_diskstats(std::string_view text, Samples* samples);
/// /proc/net/dev.
void read_net_dev(std::string_view text, Samples* samples);
/// /proc/pressure/<resource>; `resource` is cpu, io or memory.
void read_pressure(std::string_view resource, std::string_view text, Samples* samples);
/// /proc/sys/fs/file-nr.
void read_file_nr(std::string_view text, Samples* samples);
/// A file that holds one number.
void read_number(const char* metric_name, std::string_view text, Samples* samples);
/// /proc/vmstat, of which page faults, paging, swapping and the OOM killer.
void read_vmstat(std::string_view text, Samples* samples);

struct Mount {
  std::string device;
  std::string mountpoint;
  std::string fstype;
  bool read_only = false;
};
/// /proc/self/mounts: those with a local disk behind them, each device once. A look at a network
/// file system could hang for ever, so they are left out.
std::vector<Mount> read_mounts(std::string_view text);

/// What statvfs() says of a mount, in bytes and inodes.
struct Usage {
  double size_bytes = 0;
  double free_bytes = 0;
  double avail_bytes = 0;
  double files = 0;
  double files_free = 0;
};
/// No usage: a look at it failed. Adds node_filesystem_used_ratio, which is not node_exporter's: as
/// df shows it.
void describe_filesystem(const Mount& mount, const std::optional<Usage>& usage, Samples* samples);

/// What adjtimex() says of the clock, in its units.
struct ClockState {
  bool is_synchronized = false;
  bool has_nanoseconds = false;  ///< the unit of offset; else microseconds
  double status = 0;
  double offset = 0;
  double max_error = 0;
  double estimated_error = 0;
  double frequency = 0;
  double time_constant = 0;
  double tick = 0;
  double tai_offset = 0;
};
void describe_clock(const ClockState& clock, Samples* samples);

}  // namespace monitoring::host
