#include "monitoring/host/network.hpp"

#include <gtest/gtest.h>

#include "samples.hpp"

namespace monitoring::host {
namespace {

TEST(ProcNetstat, NamesAndNumbersInPairsOfLines) {
  Samples samples;
  read_netstat(
      "Ip: Forwarding DefaultTTL InReceives\nIp: 2 64 830776\n"
      "Tcp: RtoMin ActiveOpens CurrEstab InErrs\nTcp: 200 70296 5 1\n"
      "TcpExt: SyncookiesSent TW ListenOverflows\nTcpExt: 3 55794 4\n",
      &samples);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_netstat_Ip_Forwarding"), 2);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_netstat_Tcp_ActiveOpens"), 70296);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_netstat_Tcp_CurrEstab"), 5);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_netstat_Tcp_InErrs"), 1);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_netstat_TcpExt_SyncookiesSent"), 3);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_netstat_TcpExt_ListenOverflows"), 4);
  EXPECT_EQ(samples.size(), 6U) << "and nothing that node_exporter leaves out";
}

TEST(ProcNetstat, ALineWithoutItsNumbers) {
  Samples samples;
  read_netstat("Tcp: ActiveOpens CurrEstab\nTcp: 1\nUdp: InDatagrams\n", &samples);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_netstat_Tcp_ActiveOpens"), 1);
  EXPECT_EQ(samples.size(), 1U);
}

TEST(ProcNetstat, AllButTwoAreCounters) {
  EXPECT_TRUE(is_counter("node_netstat_Tcp_RetransSegs"));
  EXPECT_FALSE(is_counter("node_netstat_Tcp_CurrEstab"));
  EXPECT_FALSE(is_counter("node_netstat_Ip_Forwarding"));
  EXPECT_FALSE(is_counter("node_sockstat_TCP_inuse"));
}

TEST(ProcSnmp6, TheProtocolEndsWithASix) {
  Samples samples;
  read_snmp6("Ip6InReceives  2\nIp6InOctets  144\nIcmp6InMsgs  7\nUdpLite6InErrors  1\nodd 4\n",
             &samples);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_netstat_Ip6_InOctets"), 144);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_netstat_Icmp6_InMsgs"), 7);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_netstat_UdpLite6_InErrors"), 1);
  EXPECT_EQ(samples.size(), 3U);
}

TEST(ProcSockstat, PairsAndPagesAsBytes) {
  Samples samples;
  read_sockstat("sockets: used 26\nTCP: inuse 2 orphan 0 mem 3\nRAW6: inuse 1\n", 4096, &samples);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_sockstat_sockets_used"), 26);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_sockstat_TCP_inuse"), 2);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_sockstat_TCP_mem"), 3);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_sockstat_TCP_mem_bytes"), 3 * 4096);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_sockstat_RAW6_inuse"), 1);
  EXPECT_EQ(samples.size(), 6U);
}

TEST(ProcSoftnet, HexadecimalsOfEachCpu) {
  Samples samples;
  read_softnet("0000001f 00000001 00000000 00000000\n00000010 00000000 00000002\n", &samples);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_softnet_processed_total", {{"cpu", "0"}}), 31);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_softnet_dropped_total", {{"cpu", "0"}}), 1);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_softnet_times_squeezed_total", {{"cpu", "1"}}), 2);
  EXPECT_EQ(samples.size(), 6U);
}

TEST(ProcArp, EntriesOfEachDevice) {
  Samples samples;
  read_arp(
      "IP address       HW type     Flags       HW address            Mask     Device\n"
      "10.0.0.1         0x1         0x2         02:fc:00:00:00:05     *        eth0\n"
      "10.0.0.2         0x1         0x2         02:fc:00:00:00:06     *        eth0\n",
      &samples);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_arp_entries", {{"device", "eth0"}}), 2);
  EXPECT_EQ(samples.size(), 1U);
}

TEST(Interface, FilesAsMetricsAndLabels) {
  Samples samples;
  describe_interface("eth0",
                     {{"flags", "0x1003\n"},
                      {"mtu", "1400\n"},
                      {"speed", "1000\n"},
                      {"carrier_changes", "2\n"},
                      {"dormant", ""},
                      {"operstate", "up\n"},
                      {"address", "02:fc:00:00:00:01\n"},
                      {"ifalias", "\n"}},
                     &samples);
  const Labels eth0{{"device", "eth0"}};
  EXPECT_DOUBLE_EQ(value_of(samples, "node_network_flags", eth0), 0x1003);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_network_mtu_bytes", eth0), 1400);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_network_speed_bytes", eth0), 125e6);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_network_carrier_changes_total", eth0), 2);
  EXPECT_DOUBLE_EQ(value_of(samples, "node_network_up", eth0), 1);
  EXPECT_DOUBLE_EQ(
      value_of(samples, "node_network_info",
               {{"address", "02:fc:00:00:00:01"}, {"device", "eth0"}, {"operstate", "up"}}),
      1);
  EXPECT_EQ(samples.size(), 6U) << "and nothing for the file that could not be read";
}

}  // namespace
}  // namespace monitoring::host
