// What the suites of direct files share: folders on disks, bytes in aligned buffers, and the notices that the
// library gave.
#pragma once

#include "support.hpp"

#include <ringlet/base/notice.hpp>
#include <ringlet/fs/dma_file.hpp>

#include <filesystem>

namespace support {

// An empty folder in `parent`, removed with all that is in it. Anyone may read there.
class DiskFolder {
public:
    explicit DiskFolder(const std::string& parent) : path_(parent + "/ringlet-test-XXXXXX") {
        if (!mkdtemp(path_.data())) throw std::runtime_error("mkdtemp in " + parent);
        std::filesystem::permissions(path_, std::filesystem::perms(0755));
    }
    DiskFolder(const DiskFolder&) = delete;
    DiskFolder& operator=(const DiskFolder&) = delete;
    ~DiskFolder() { std::filesystem::remove_all(path_); }

    std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

private:
    std::string path_;
};

// Of a file system on a device that polls; null if this machine has none.
inline const char* polled_folder() { return std::getenv("RINGLET_POLLED_FOLDER"); }

// On a disk, where /tmp may be in memory.
inline std::string usual_folder() { return access("/var/tmp", W_OK) == 0 ? "/var/tmp" : "/tmp"; }

// Runs a test in a folder as most are, and in one on a device that polls, if there is one.
template <class Body>
void in_each_folder(Body body) {
    for (std::string parent : {usual_folder(), std::string(polled_folder() ? polled_folder() : "")}) {
        if (parent.empty()) continue;
        CAPTURE(parent);
        DiskFolder folder(parent);
        body(folder);
    }
}

// The notices since it was made, instead of printing them.
class Notices {
public:
    Notices() : before_(set_notice_handler(&keep)) { texts.clear(); }
    Notices(const Notices&) = delete;
    Notices& operator=(const Notices&) = delete;
    ~Notices() { set_notice_handler(before_); }

    NoticeHandler before() const { return before_; }
    static inline std::vector<std::string> texts;

private:
    static void keep(const char* text) noexcept { texts.push_back(text); }

    NoticeHandler before_;
};

// Whether this machine's devices poll is not what most tests are about: nothing is printed.
inline Notices quiet;

// A buffer with `text`, and zeros up to the file's alignment.
inline DmaBuffer buffer_of(const DmaFile& file, std::string_view text) {
    DmaBuffer buffer = file.alloc_dma_buffer(text.size());
    std::memset(buffer.data(), 0, buffer.size());
    std::memcpy(buffer.data(), text.data(), text.size());
    return buffer;
}

// Made with system calls: it is on the device when this returns.
inline void make_file(const std::string& path, std::string_view content) {
    UniqueFd file(open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644));
    while (!content.empty()) {
        ssize_t count = write(file.get(), content.data(), content.size());
        if (count <= 0) throw std::runtime_error("write");
        content.remove_prefix(static_cast<std::size_t>(count));
    }
    if (fsync(file.get()) != 0) throw std::runtime_error("fsync");
}

inline std::string content_of(const std::string& path) {
    UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    return get_to_end(file.get());
}

// All memory of direct I/O has come back: it fits in one buffer again.
inline bool all_io_memory_is_free() {
    IoMemory& memory = Reactor::current().io_memory();
    return DmaBuffer(memory, memory.bytes().size()).is_pooled();
}

}  // namespace support
