// The chain of coroutine frames under one polled Co: who awaits whom, and what the innermost waits for.
// Co<T> (future/co.hpp) is the typed shell around it.
//
//     root frame --awaits--> frame --awaits--> innermost frame --awaits--> leaf future
//
// Polling the root polls the leaf, whatever the depth, and resumes the innermost frame only if the leaf
// is ready. A frame that starts a child or returns names the next frame and comes back to the loop in
// drive(), so that neither a million awaits in a row nor a chain of 100,000 frames grows the stack.
// (Symmetric transfer would do the same, but GCC 12 makes no tail call for it below -O2 or under
// sanitizers.)
//
// Threads: owner thread only. Lifetimes: a frame is owned by its CoOwner, which outlives the await: a
// temporary in the parent's frame, or a named Co that stays in place.
#pragma once

#include <ringlet/base/check.hpp>
#include <ringlet/future/waker.hpp>

#include <coroutine>
#include <exception>
#include <utility>

namespace ringlet {

// What the innermost frame waits for. Lives in that frame, as part of its awaiter.
struct Leaf {
    // Polls the future; true if it is ready and the frame can be resumed. Never throws: an exception
    // goes into the frame and surfaces where it awaits.
    bool (*poll)(Leaf& leaf, Context& context) noexcept;
};

class CoOwner;

// The part of a coroutine's promise that does not depend on its type.
struct FrameLink {
    // Valid while the frame is the root of a chain: it was polled, not awaited.
    struct Root {
        FrameLink* innermost;  // the frame to resume next; null once the root has returned
        Leaf* leaf;            // what `innermost` waits for; null: it can be resumed
        Context* context;      // of the poll under way; null between polls
    };
    // Valid while another frame awaits this one.
    struct Child {
        FrameLink* parent;
        CoOwner* owner;  // the Co that the parent awaits; told when the chain is destroyed from inside
    };

    std::coroutine_handle<> self;
    FrameLink* root = nullptr;  // null until started; its own address in a root
    union {
        Root as_root;
        Child as_child;
    };
    std::exception_ptr error;  // thrown by the body, or by the leaf that the body awaits

    FrameLink() noexcept : as_root{} {}

    bool is_started() const noexcept { return root != nullptr; }
    bool is_root() const noexcept { return root == this; }

    void rethrow_error() {
        if (error) [[unlikely]]
            std::rethrow_exception(std::exchange(error, nullptr));
    }
};

// Owns one coroutine frame: not started, polled, awaited by a parent frame, or returned.
class CoOwner {
public:
    CoOwner() noexcept = default;
    explicit CoOwner(FrameLink& frame) noexcept : frame_(&frame) {}
    CoOwner(CoOwner&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
    CoOwner& operator=(CoOwner&& other) noexcept {
        std::swap(frame_, other.frame_);
        return *this;
    }
    ~CoOwner() {
        if (!frame_) return;
        if (frame_->is_root() && frame_->as_root.innermost) {
            destroy_chain();
        } else {
            frame_->self.destroy();  // not started, or returned: there is no chain
        }
    }

protected:
    // Runs the chain under this root until it is finished (true) or waits for a leaf (false).
    bool drive(Context& context) {
        FrameLink& frame = *frame_;
        if (!frame.is_started()) start_root();
        RINGLET_CHECK(frame.is_root(), "a Co was awaited twice, or polled while another coroutine awaits it");
        FrameLink::Root& root = frame.as_root;
        RINGLET_CHECK(root.innermost, "a Co was polled after it had returned");
        root.context = &context;
        if (root.leaf) {
            if (!root.leaf->poll(*root.leaf, context)) {
                root.context = nullptr;
                return false;
            }
            root.leaf = nullptr;
        }
        do {
            root.innermost->self.resume();
        } while (root.innermost && !root.leaf);
        root.context = nullptr;
        return !root.innermost;
    }

    // Hangs this unstarted frame under `parent`, to be run next by the loop that runs the parent.
    void start_child_of(FrameLink& parent) noexcept {
        frame_->root = parent.root;
        frame_->as_child = {&parent, this};
        parent.root->as_root.innermost = frame_;
    }

    FrameLink* frame_ = nullptr;

private:
    void start_root() noexcept {
        frame_->root = frame_;
        frame_->as_root = {frame_, nullptr, nullptr};
    }

    void destroy_chain() noexcept;
};

// At its end a frame names its parent, which drive() resumes next.
struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> handle) const noexcept {
        FrameLink& frame = handle.promise();
        frame.root->as_root.innermost = frame.is_root() ? nullptr : frame.as_child.parent;
    }
    void await_resume() const noexcept {}
};

}  // namespace ringlet
