#include <ringlet/reactor/direct_device.hpp>

#include <ringlet/base/notice.hpp>

#include <cstdio>
#include <new>
#include <sys/sysmacros.h>
#include <utility>

namespace ringlet {

namespace {

std::string name_of(dev_t device) {
    return std::to_string(major(device)) + ":" + std::to_string(minor(device));
}

}  // namespace

DirectDevice::DirectDevice(dev_t number, std::string path)
    : number_(number),
      path_(std::move(path)),
      block_bytes_(sys::polled_block_bytes(number)),
      polls_(block_bytes_ > 0) {
    if (!polls_) notice("it does not poll (NVMe drives do if nvme.poll_queues is set)");
}

void DirectDevice::refuse(const char* why) noexcept {
    polls_ = false;
    try {
        notice(why);
    } catch (const std::bad_alloc&) {
        std::fprintf(stderr, "ringlet: %s: direct I/O waits for interrupts: %s\n", path_.c_str(), why);
    }
}

void DirectDevice::notice(const std::string& why) const {
    std::string device = "device " + name_of(number_);
    notice_once(device, path_ + ": direct I/O on " + device + " waits for interrupts: " + why);
}

}  // namespace ringlet
