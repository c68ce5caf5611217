// Machines that nobody has: a folder with the files of /sys that tell of CPUs, caches and NUMA nodes.
#pragma once

#include <ringlet/pool/topology.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace support {

using namespace ringlet;

class MadeUpSysfs {
public:
    // The CPUs that are online; what has one number in `machine` has it in the files. In these, the cores of
    // each package are counted from 0, as the kernel does.
    explicit MadeUpSysfs(const std::vector<CpuLocation>& machine = {}) {
        if (!mkdtemp(path_.data())) throw std::runtime_error("mkdtemp");
        std::map<unsigned, std::vector<unsigned>> cores, packages, nodes, l3s;
        std::vector<unsigned> online, node_numbers;
        for (const CpuLocation& at : machine) {
            online.push_back(at.cpu);
            node_numbers.push_back(at.node);
            cores[at.core].push_back(at.cpu);
            packages[at.package].push_back(at.cpu);
            nodes[at.node].push_back(at.cpu);
            l3s[at.l3].push_back(at.cpu);
        }
        if (machine.empty()) return;
        write_list("cpu/online", online);
        write_list("node/online", node_numbers);
        for (const auto& [node, cpus] : nodes)
            write_list("node/node" + std::to_string(node) + "/cpulist", cpus);
        for (const CpuLocation& at : machine) {
            std::string cpu = "cpu/cpu" + std::to_string(at.cpu);
            write_list(cpu + "/topology/core_cpus_list", cores[at.core]);
            write_list(cpu + "/topology/package_cpus_list", packages[at.package]);
            write(cpu + "/topology/physical_package_id", std::to_string(at.package));
            for (unsigned index = 0; index < 4; ++index) {  // L1d, L1i, L2, L3
                std::string cache = cpu + "/cache/index" + std::to_string(index);
                write(cache + "/level", std::to_string(index ? index : 1));
                write_list(cache + "/shared_cpu_list", index == 3 ? l3s[at.l3] : cores[at.core]);
            }
        }
    }
    MadeUpSysfs(const MadeUpSysfs&) = delete;
    MadeUpSysfs& operator=(const MadeUpSysfs&) = delete;
    ~MadeUpSysfs() { std::filesystem::remove_all(path_); }

    const std::string& path() const { return path_; }

    // By names below devices/system.
    void write(const std::string& name, const std::string& text) {
        std::filesystem::path file = path_ + "/devices/system/" + name;
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file) << text << '\n';
    }
    void remove(const std::string& name) { std::filesystem::remove_all(path_ + "/devices/system/" + name); }

    // What is read of it by a process that may use `allowed`; all, if that is not given.
    Topology topology(const CpuSet& allowed = CpuSet::parse("0-1023").value()) const {
        auto read = Topology::read(path_, allowed);
        if (!read) throw std::runtime_error(read.error().text);
        return *read;
    }

private:
    void write_list(const std::string& name, std::vector<unsigned> cpus) {
        write(name, CpuSet(std::move(cpus)).to_string());
    }

    std::string path_ = "/tmp/ringlet-sysfs-XXXXXX";
};

// --- Machines: {cpu, core, package, node, l3} ----------------------------------------------------

// Four cores with two threads each.
inline const std::vector<CpuLocation> laptop{{0, 0, 0, 0, 0}, {1, 0, 0, 0, 0}, {2, 1, 0, 0, 0},
                                             {3, 1, 0, 0, 0}, {4, 2, 0, 0, 0}, {5, 2, 0, 0, 0},
                                             {6, 3, 0, 0, 0}, {7, 3, 0, 0, 0}};
// Four slow cores, then two fast ones with two threads each.
inline const std::vector<CpuLocation> hybrid{{0, 0, 0, 0, 0}, {1, 1, 0, 0, 0}, {2, 2, 0, 0, 0},
                                             {3, 3, 0, 0, 0}, {4, 4, 0, 0, 0}, {5, 4, 0, 0, 0},
                                             {6, 5, 0, 0, 0}, {7, 5, 0, 0, 0}};

// Two sockets with four cores each; their second threads are numbered after all first ones. In each socket a
// node, and two L3 caches.
inline std::vector<CpuLocation> two_sockets() {
    std::vector<CpuLocation> machine;
    for (unsigned cpu = 0; cpu < 16; ++cpu) {
        unsigned core = cpu % 8;
        machine.push_back({cpu, core, core / 4, core / 4, core / 2});
    }
    return machine;
}

}  // namespace support

// How a failed CHECK shows them.
template <>
struct doctest::StringMaker<ringlet::CpuSet> {
    static String convert(const ringlet::CpuSet& cpus) { return cpus.to_string().c_str(); }
};
template <>
struct doctest::StringMaker<std::vector<ringlet::CpuLocation>> {
    static String convert(const std::vector<ringlet::CpuLocation>& machine) {
        std::string text;
        for (const ringlet::CpuLocation& at : machine) {
            for (unsigned number : {at.cpu, at.core, at.package, at.node, at.l3})
                text += std::to_string(number) + " ";
            text += "| ";
        }
        return text.c_str();
    }
};
