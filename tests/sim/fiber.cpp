#include "fiber.hpp"

#include "memory.hpp"

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <ringlet/base/recycle.hpp>
#include <utility>
#include <vector>

#if defined(RINGLET_ASAN)
#include <sanitizer/common_interface_defs.h>
#endif

namespace sim {

namespace {

constexpr std::size_t stack_bytes = 1 << 20;

// Stacks are used again: a run begins and ends 20,000 times a second.
struct FreeStack {
    void operator()(void* bottom) const { std::free(bottom); }
};
std::vector<std::unique_ptr<void, FreeStack>> free_stacks;

struct Stacks {
    boost::context::stack_context allocate() {
        void* bottom = nullptr;
        if (free_stacks.empty()) {
            bottom = std::aligned_alloc(4096, stack_bytes);
            if (!bottom) throw std::bad_alloc();
        } else {
            bottom = free_stacks.back().release();
            free_stacks.pop_back();
        }
        boost::context::stack_context context;
        context.size = stack_bytes;
        context.sp = static_cast<std::byte*>(bottom) + stack_bytes;
        return context;
    }
    void deallocate(boost::context::stack_context& context) {
        free_stacks.emplace_back(static_cast<std::byte*>(context.sp) - stack_bytes);
    }
};

void begin_switch([[maybe_unused]] void** fake, [[maybe_unused]] const void* bottom,
                  [[maybe_unused]] std::size_t bytes) {
#if defined(RINGLET_ASAN)
    __sanitizer_start_switch_fiber(fake, bottom, bytes);
#endif
}

void end_switch([[maybe_unused]] void* fake, [[maybe_unused]] const void** bottom,
                [[maybe_unused]] std::size_t* bytes) {
#if defined(RINGLET_ASAN)
    __sanitizer_finish_switch_fiber(fake, bottom, bytes);
#endif
}

}  // namespace

Fiber::Fiber(std::function<void()> body) : body_(std::move(body)) {
    Stacks stacks;
    boost::context::stack_context stack = stacks.allocate();
    bottom_ = static_cast<std::byte*>(stack.sp) - stack_bytes;
    inside_ =
        boost::context::fiber(std::allocator_arg, boost::context::preallocated(stack.sp, stack.size, stack),
                              stacks, [this](boost::context::fiber&& outside) {
                                  end_switch(nullptr, &outside_bottom_, &outside_bytes_);
                                  outside_ = std::move(outside);
                                  body_();
                                  ended_ = true;
                                  memory::in_program = false;  // the stack is ours again
                                  begin_switch(nullptr, outside_bottom_, outside_bytes_);
                                  return std::move(outside_);
                              });
}

void Fiber::resume() {
    swap_exceptions();
    begin_switch(&fake_outside_, bottom_, stack_bytes);
    inside_ = std::move(inside_).resume();
    end_switch(fake_outside_, nullptr, nullptr);
    swap_exceptions();
}

void Fiber::suspend() {
    begin_switch(&fake_inside_, outside_bottom_, outside_bytes_);
    outside_ = std::move(outside_).resume();
    end_switch(fake_inside_, &outside_bottom_, &outside_bytes_);
}

void Fiber::swap_exceptions() {
    Exceptions now;
    auto* of_thread = abi::__cxa_get_globals();
    std::memcpy(&now, static_cast<void*>(of_thread), sizeof now);
    std::memcpy(static_cast<void*>(of_thread), &exceptions_, sizeof now);
    exceptions_ = now;
}

}  // namespace sim
