#include <ringlet/reactor/direct_device.hpp>

#include <algorithm>
#include <bit>
#include <fstream>
#include <string>
#include <sys/sysmacros.h>

namespace ringlet::sys {

namespace {

constexpr std::size_t page_bytes = 4096;
constexpr std::size_t block_max = 128 << 10;

// A file of the device's queue; 0 if there is none. A partition has no queue of its own: its disk, the folder
// above, has it.
std::size_t queue_limit(dev_t device, const char* name) {
    std::string folder =
        "/sys/dev/block/" + std::to_string(major(device)) + ":" + std::to_string(minor(device));
    for (const char* queue : {"/queue/", "/../queue/"}) {
        std::size_t value = 0;
        if (std::ifstream(folder + queue + name) >> value) return value;
    }
    return 0;
}

}  // namespace

std::size_t polled_block_bytes(dev_t device) {
    if (queue_limit(device, "io_poll") == 0) return 0;
    // The device splits at borders of its own, and where they are in a file, nobody knows.
    if (queue_limit(device, "chunk_sectors") != 0) return page_bytes;
    std::size_t largest = queue_limit(device, "max_sectors_kb") * 1024;
    std::size_t in_pieces =
        queue_limit(device, "max_segments") * page_bytes;  // if no two pages are neighbours
    return std::max(page_bytes, std::bit_floor(std::min({block_max, largest, in_pieces})));
}

}  // namespace ringlet::sys
