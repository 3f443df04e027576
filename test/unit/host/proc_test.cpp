#include "monitoring/host/proc.hpp"

#include <gtest/gtest.h>

#include "monitoring/host/network.hpp"
#include "samples.hpp"

namespace monitoring::host {
namespace {

TEST(ProcStat, SecondsOfEachCpuAndMode) {
  Samples samples;
  read_stat(
      "cpu  400 0 100 600 20 0 4 0 0 0\n"
      "cpu0 300 0 60 200 10 0 3 0 0 0\n"
      "cpu1 100 0 40 400 10 0 1 0 0 0\n"
      "intr 12345 1 2 3\nctxt 777\nbtime 1700000000\nprocesses 55\nprocs_running 3\n"
      "procs_blocked 1\nsoftirq 1 2 3\nnew_line 9\n",
      100, &samples);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_cpu_seconds_total", {{"cpu", "0"}, {"mode", "user"}}),
                   3);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_cpu_seconds_total", {{"cpu", "1"}, {"mode", "idle"}}),
                   4);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_cpu_seconds_total", {{"cpu", "0"}, {"mode", "softirq"}}),
                   .03);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_cpu_idle_mean_seconds_total"), 3);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_intr_total"), 12345);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_context_switches_total"), 777);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_boot_time_seconds"), 1700000000);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_forks_total"), 55);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_procs_running"), 3);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_procs_blocked"), 1);
  EXPECT_EQ(samples.size(), 2 * (8 + 2) + 6 + 1U);
}

TEST(ProcMeminfo, BytesAndTheUsedShare) {
  Samples samples;
  read_meminfo(
      "MemTotal:       1000 kB\nMemAvailable:    250 kB\nActive(anon):     8 kB\n"
      "HugePages_Total:    2\n",
      &samples);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_memory_MemTotal_bytes"), 1024000);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_memory_Active_anon_bytes"), 8192);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_memory_HugePages_Total"), 2);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_memory_used_ratio"), .75);
}

TEST(ProcLoadavg, ThreeLoads) {
  Samples samples;
  read_loadavg("0.50 1.25 2.00 3/456 789\n", &samples);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_load1"), .5);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_load5"), 1.25);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_load15"), 2);
}

TEST(ProcDiskstats, WholeDisksOnly) {
  Samples samples;
  read_diskstats(
      "   7  0 loop0 1 0 0 0 0 0 0 0 0 0 0\n"
      " 254  0 vda 10 2 100 500 20 4 200 1500 1 900 2000 5 6 7 8 9 10\n"
      " 254  1 vda1 10 2 100 500 20 4 200 1500 1 900 2000\n"
      " 259  0 nvme0n1 1 0 8 1 0 0 0 0 0 0 0\n"
      " 259  1 nvme0n1p1 1 0 8 1 0 0 0 0 0 0 0\n",
      &samples);
  const Labels vda{{"device", "vda"}};
  EXPECT_DOUBLE_EQ(value_of(samples, "node_disk_reads_completed_total", vda), 10);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_disk_read_bytes_total", vda), 51200);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_disk_write_time_seconds_total", vda), 1.5);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_disk_io_now", vda), 1);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_disk_flush_requests_time_seconds_total", vda), .01);
  EXPECT_EQ(samples.size(), 17 + 11U) << "an older kernel has fewer columns";
}

TEST(ProcNetDev, EachDevice) {
  Samples samples;
  read_net_dev(
      "Inter-|   Receive                            |  Transmit\n"
      " face |bytes packets errs drop fifo frame compressed multicast|bytes packets\n"
      "    lo: 100 2 0 0 0 0 0 0 100 2 0 0 0 0 0 0\n"
      "  eth0:7 1 3 4 0 0 0 5 9 8 0 0 0 6 0 0\n",
      &samples);
  const Labels eth0{{"device", "eth0"}};
  EXPECT_DOUBLE_EQ(value_of(samples, "node_network_receive_bytes_total", eth0), 7);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_network_receive_multicast_total", eth0), 5);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_network_transmit_bytes_total", eth0), 9);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_network_transmit_colls_total", eth0), 6);
  EXPECT_EQ(samples.size(), 32U);
}

TEST(ProcPressure, SecondsOfWaitingAndStalling) {
  constexpr const char* kText =
      "some avg10=1.95 avg60=2.60 avg300=2.03 total=2500000\n"
      "full avg10=0.00 avg60=0.00 avg300=0.00 total=500000\n";
  Samples samples;
  read_pressure("io", kText, &samples);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_pressure_io_waiting_seconds_total"), 2.5);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_pressure_io_stalled_seconds_total"), .5);
  samples.clear();
  read_pressure("cpu", kText, &samples);
  EXPECT_EQ(samples.size(), 1U);
}

TEST(ProcFiles, OpenAndMost) {
  Samples samples;
  read_file_nr("7154\t0\t2466183\n", &samples);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_filefd_allocated"), 7154);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_filefd_maximum"), 2466183);
}

TEST(ProcVmstat, AFewOfMany) {
  Samples samples;
  read_vmstat("nr_free_pages 5\npgmajfault 7\noom_kill 1\n", &samples);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_vmstat_pgmajfault"), 7);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_vmstat_oom_kill"), 1);
  EXPECT_EQ(samples.size(), 2U);
}

TEST(ProcMounts, LocalDisksOnce) {
  const auto mounts = read_mounts(
      "proc /proc proc rw 0 0\n/dev/vda / ext4 rw,relatime 0 0\n/dev/vda /srv/bind ext4 rw 0 0\n"
      "/dev/vdb /mnt/a\\040b xfs ro,noatime 0 0\nhost:/x /mnt/nfs nfs4 rw 0 0\n"
      "tmpfs /dev/shm tmpfs rw 0 0\ntmpfs /tmp tmpfs rw 0 0\ntmpfs /run tmpfs rw 0 0\n"
      "x /mnt/fuse fuse.sshfs rw 0 0\nbad line\n");
  ASSERT_EQ(mounts.size(), 4U);
  EXPECT_EQ(mounts[0].mountpoint, "/");
  EXPECT_FALSE(mounts[0].read_only);
  EXPECT_EQ(mounts[1].mountpoint, "/mnt/a b");
  EXPECT_TRUE(mounts[1].read_only);
  EXPECT_EQ(mounts[2].mountpoint, "/tmp");
  EXPECT_EQ(mounts[3].mountpoint, "/run");
}

TEST(ProcMounts, UsedAsDfShowsIt) {
  Samples samples;
  // A tenth is kept for root: what is left of 100 is 40, and 50 are used.
  describe_filesystem({"/dev/vda", "/", "ext4", false}, Usage{100, 50, 40, 10, 9}, &samples);
  const Labels labels{{"device", "/dev/vda"}, {"fstype", "ext4"}, {"mountpoint", "/"}};
  EXPECT_DOUBLE_EQ(value_of(samples, "node_filesystem_avail_bytes", labels), 40);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_filesystem_used_ratio", labels), 50. / 90);
}

TEST(ProcMounts, AnErrorIsAllThatIsKnown) {
  Samples samples;
  describe_filesystem({"/dev/vdb", "/mnt", "xfs", false}, std::nullopt, &samples);
  const Labels labels{{"device", "/dev/vdb"}, {"fstype", "xfs"}, {"mountpoint", "/mnt"}};
  EXPECT_DOUBLE_EQ(value_of(samples, "node_filesystem_device_error", labels), 1);
  EXPECT_EQ(samples.size(), 1U);
}

TEST(Clock, SecondsOfTheKernelsUnits) {
  Samples samples;
  ClockState clock;
  clock.is_synchronized = true;
  clock.offset = 1500;
  clock.max_error = 250'000;
  clock.frequency = 65536 * 20;
  describe_clock(clock, &samples);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_timex_sync_status"), 1);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_timex_offset_seconds"), .0015);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_timex_maxerror_seconds"), .25);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_timex_frequency_adjustment_ratio"), 1.00002);
  samples.clear();
  clock.has_nanoseconds = true;
  describe_clock(clock, &samples);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_timex_offset_seconds"), .0000015);
}

TEST(ProcStat, TimeOfVirtualMachines) {
  Samples samples;
  read_stat("cpu0 300 10 60 200 10 0 3 0 150 5\n", 100, &samples);
  EXPECT_DOUBLE_EQ(
      value_of(samples, "node_cpu_guest_seconds_total", {{"cpu", "0"}, {"mode", "user"}}), 1.5);
  EXPECT_DOUBLE_EQ(
      value_of(samples, "node_cpu_guest_seconds_total", {{"cpu", "0"}, {"mode", "nice"}}), .05);
}

TEST(Proc, NoTextIsTooOdd) {
  for (const char* text : {"", "\n\n", "cpu", "cpu0\n", "a b", ":::", "x x x x x x x x x x x x x x",
                           "MemTotal: x kB", "some", "\\\\\\ \\0 ext4 ro", "1 2 /dev/"}) {
    Samples samples;
    read_stat(text, 100, &samples);
    read_meminfo(text, &samples);
    read_loadavg(text, &samples);
    read_diskstats(text, &samples);
    read_net_dev(text, &samples);
    read_pressure("io", text, &samples);
    read_file_nr(text, &samples);
    read_vmstat(text, &samples);
    read_netstat(text, &samples);
    read_snmp6(text, &samples);
    read_sockstat(text, 4096, &samples);
    read_softnet(text, &samples);
    read_arp(text, &samples);
    EXPECT_TRUE(read_mounts(text).empty() || text[0] == '\\') << text;
  }
}

TEST(Proc, CountersByName) {
  EXPECT_TRUE(is_counter("node_cpu_seconds_total"));
  EXPECT_TRUE(is_counter("node_vmstat_pgfault"));
  EXPECT_FALSE(is_counter("node_load1"));
}

}  // namespace
}  // namespace monitoring::host
