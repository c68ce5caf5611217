// A ring with the flags of Ringlet's and nothing else: for what the kernel itself does, and Ringlet relies
// on.
#pragma once

#include <ringlet/reactor/ring.hpp>

#include <cstdint>
#include <liburing.h>
#include <stdexcept>
#include <string_view>
#include <sys/mman.h>
#include <vector>

namespace support {

class RawRing {
public:
    explicit RawRing(unsigned entries = 8, unsigned completions = 64) {
        io_uring_params params{};
        params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE;
        params.cq_entries = completions;
        if (io_uring_queue_init_params(entries, &ring_, &params) < 0) throw std::runtime_error("io_uring");
    }
    RawRing(const RawRing&) = delete;
    RawRing& operator=(const RawRing&) = delete;
    ~RawRing() { io_uring_queue_exit(&ring_); }

    io_uring* get() { return &ring_; }

    // The next entry, to be filled with one of the functions of liburing.
    io_uring_sqe* entry() { return io_uring_get_sqe(&ring_); }

    void submit() {
        if (io_uring_submit(&ring_) < 0) throw std::runtime_error("io_uring_submit");
    }

    // All completions that the kernel has by now.
    std::vector<ringlet::Completion> reap() {
        io_uring_get_events(&ring_);
        std::vector<ringlet::Completion> seen;
        for (io_uring_cqe* entry; io_uring_peek_cqe(&ring_, &entry) == 0; io_uring_cqe_seen(&ring_, entry)) {
            seen.push_back({entry->user_data, entry->res, entry->flags});
        }
        return seen;
    }

    // Sleeps until there are `count`, and gives them.
    std::vector<ringlet::Completion> wait_for(std::size_t count) {
        std::vector<ringlet::Completion> seen;
        while (seen.size() < count) {
            io_uring_cqe* entry;
            if (io_uring_wait_cqe(&ring_, &entry) < 0) throw std::runtime_error("io_uring_wait_cqe");
            for (const ringlet::Completion& completion : reap()) seen.push_back(completion);
        }
        return seen;
    }

private:
    io_uring ring_{};
};

// Buffers for a raw ring, that the kernel picks from.
class RawBuffers {
public:
    static constexpr int group_id = 7;

    RawBuffers(RawRing& ring, unsigned count, unsigned bytes)
        : table_(mmap(nullptr, table_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)),
          memory_(count * bytes),
          count_(count),
          bytes_(bytes) {
        io_uring_buf_reg registration{};
        registration.ring_addr = reinterpret_cast<std::uintptr_t>(table_);
        registration.ring_entries = count;
        registration.bgid = group_id;
        if (io_uring_register_buf_ring(ring.get(), &registration, 0) < 0) throw std::runtime_error("buffers");
        for (unsigned id = 0; id < count; ++id) provide(id);
    }
    RawBuffers(const RawBuffers&) = delete;
    RawBuffers& operator=(const RawBuffers&) = delete;
    ~RawBuffers() { munmap(table_, table_bytes); }

    void provide(unsigned id) {
        auto* table = static_cast<io_uring_buf_ring*>(table_);
        io_uring_buf_ring_add(table, &memory_[id * bytes_], bytes_, id, io_uring_buf_ring_mask(count_), 0);
        io_uring_buf_ring_advance(table, 1);
    }
    static unsigned id_of(const ringlet::Completion& completion) {
        return completion.flags >> IORING_CQE_BUFFER_SHIFT;
    }
    std::string_view filled(const ringlet::Completion& completion) const {
        return {&memory_[id_of(completion) * bytes_], static_cast<std::size_t>(completion.result)};
    }

    // Fills `entry`: receive from `socket`, again and again.
    static void receive(io_uring_sqe* entry, int socket) {
        io_uring_prep_recv_multishot(entry, socket, nullptr, 0, 0);
        entry->flags |= IOSQE_BUFFER_SELECT;
        entry->buf_group = group_id;
    }

private:
    static constexpr std::size_t table_bytes = 4096;

    void* table_;  // shared with the kernel
    std::vector<char> memory_;
    unsigned count_;
    unsigned bytes_;
};

}  // namespace support
