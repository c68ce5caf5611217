// A disk whose bytes are those of a file, so that a test can make it fail: cut the file, and the rest of the
// disk is broken. Only root can make one.
#pragma once

#include <ringlet/base/unique_fd.hpp>

#include <fcntl.h>
#include <linux/loop.h>
#include <string>
#include <sys/ioctl.h>

namespace support {

using ringlet::UniqueFd;

// A block device whose bytes are those of a file. It goes when the last descriptor is closed.
class LoopDevice {
public:
    explicit LoopDevice(int image) {
        UniqueFd control(open("/dev/loop-control", O_RDWR | O_CLOEXEC));
        loop_config config{};
        config.fd = static_cast<__u32>(image);
        // Read through the page cache, kernel 6.1 shows zeros where the file has no bytes.
        config.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO;
        for (int attempt = 0; attempt < 10; ++attempt) {  // others may take the free number meanwhile
            int number = ioctl(control.get(), LOOP_CTL_GET_FREE);
            if (number < 0) return;
            path_ = "/dev/loop" + std::to_string(number);
            UniqueFd device(open(path_.c_str(), O_RDWR | O_CLOEXEC));
            if (device && ioctl(device.get(), LOOP_CONFIGURE, &config) == 0) {
                device_ = std::move(device);
                return;
            }
        }
    }

    bool works() const { return static_cast<bool>(device_); }
    const std::string& path() const { return path_; }

private:
    UniqueFd device_;
    std::string path_;
};

}  // namespace support
