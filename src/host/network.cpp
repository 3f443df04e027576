#include "monitoring/host/network.hpp"

#include <re2/re2.h>

#include <iterator>

#include "host/lines.hpp"

namespace monitoring::host {

namespace {

constexpr const char* kWanted =
    ".*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)"
    "|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts)"
    "|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)"
    "|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors)";

void add_netstat(const std::string& name, std::string_view value, Samples* samples) {
  static const auto* const wanted = new RE2(kWanted);
  if (RE2::FullMatch(name, *wanted)) add("node_netstat_" + name, value, samples);
}

/// Of a file of /sys/class/net/<device>.
struct InterfaceFile {
  const char* file;
  const char* metric;
  double factor = 1;
};
constexpr double kMegabitBytes = 1e6 / 8;
constexpr InterfaceFile kInterface[] = {{"addr_assign_type", "address_assign_type"},
                                        {"carrier", "carrier"},
                                        {"carrier_changes", "carrier_changes_total"},
                                        {"carrier_down_count", "carrier_down_changes_total"},
                                        {"carrier_up_count", "carrier_up_changes_total"},
                                        {"dev_id", "device_id"},
                                        {"dormant", "dormant"},
                                        {"flags", "flags"},
                                        {"ifindex", "iface_id"},
                                        {"iflink", "iface_link"},
                                        {"link_mode", "iface_link_mode"},
                                        {"mtu", "mtu_bytes"},
                                        {"name_assign_type", "name_assign_type"},
                                        {"netdev_group", "net_dev_group"},
                                        {"type", "protocol_type"},
                                        {"speed", "speed_bytes", kMegabitBytes},
                                        {"statistics/rx_nohandler", "receive_nohandler_total"},
                                        {"tx_queue_len", "transmit_queue_length"}};
/// Those that are labels of node_network_info.
constexpr const char* kInterfaceLabels[] = {"address", "broadcast", "duplex", "ifalias",
                                            "operstate"};

std::string first_line(const std::map<std::string, std::string>& files, const char* file) {
  const auto found = files.find(file);
  if (found == files.end()) return {};
  return found->second.substr(0, found->second.find('\n'));
}

}  // namespace

void read_netstat(std::string_view text, Samples* samples) {
  std::string_view headings;
  std::string_view values;
  while (next_line(&text, &headings) && next_line(&text, &values)) {
    const auto names = fields_of(headings, " :");
    const auto numbers = fields_of(values, " :");
    for (std::size_t i = 1; i < names.size() && i < numbers.size(); ++i) {
      add_netstat(std::string(names[0]) + "_" + std::string(names[i]), numbers[i], samples);
    }
  }
}

void read_snmp6(std::string_view text, Samples* samples) {
  std::string_view line;
  while (next_line(&text, &line)) {
    const auto fields = fields_of(line);
    if (fields.size() != 2) continue;
    // Udp6InErrors is InErrors of Udp6.
    const std::size_t end = fields[0].find('6') + 1;
    if (end == 0) continue;
    add_netstat(std::string(fields[0].substr(0, end)) + "_" + std::string(fields[0].substr(end)),
                fields[1], samples);
  }
}

void read_sockstat(std::string_view text, double page_bytes, Samples* samples) {
  std::string_view line;
  while (next_line(&text, &line)) {
    const auto fields = fields_of(line, " :");
    for (std::size_t i = 1; i + 1 < fields.size(); i += 2) {
      const std::string name =
          "node_sockstat_" + std::string(fields[0]) + "_" + std::string(fields[i]);
      add(name, fields[i + 1], samples);
      if (fields[i] == "mem") add(name + "_bytes", {}, fields[i + 1], page_bytes, samples);
    }
  }
}

void read_softnet(std::string_view text, Samples* samples) {
  constexpr const char* kColumns[] = {"processed", "dropped", "times_squeezed"};
  std::string_view line;
  for (int cpu = 0; next_line(&text, &line); ++cpu) {
    const auto fields = fields_of(line);
    for (std::size_t i = 0; i < std::size(kColumns) && i < fields.size(); ++i) {
      const auto value = hex_number(fields[i]);
      if (!value) continue;
      samples->push_back({"node_softnet_" + std::string(kColumns[i]) + "_total",
                          {{"cpu", std::to_string(cpu)}},
                          *value});
    }
  }
}

void read_arp(std::string_view text, Samples* samples) {
  std::map<std::string, double> entries;
  std::string_view line;
  next_line(&text, &line);  // the headings
  while (next_line(&text, &line)) {
    if (const auto fields = fields_of(line); !fields.empty()) entries[std::string(fields.back())]++;
  }
  for (const auto& [device, count] : entries) {
    samples->push_back({"node_arp_entries", {{"device", device}}, count});
  }
}

std::vector<std::string> interface_files() {
  std::vector<std::string> files(std::begin(kInterfaceLabels), std::end(kInterfaceLabels));
  for (const InterfaceFile& file : kInterface) files.emplace_back(file.file);
  return files;
}

void describe_interface(const std::string& device, const std::map<std::string, std::string>& files,
                        Samples* samples) {
  const Labels labels{{"device", device}};
  for (const InterfaceFile& file : kInterface) {
    add("node_network_" + std::string(file.metric), labels, first_line(files, file.file),
        file.factor, samples);
  }
  Labels described = labels;
  for (const char* label : kInterfaceLabels) {
    if (const std::string text = first_line(files, label); !text.empty()) {
      described.set(label, text);
    }
  }
  samples->push_back({"node_network_info", described, 1});
  const bool is_up = first_line(files, "operstate") == "up";
  samples->push_back({"node_network_up", labels, is_up ? 1.0 : 0.0});
}

}  // namespace monitoring::host
