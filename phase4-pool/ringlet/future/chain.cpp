#include <ringlet/future/chain.hpp>

namespace ringlet {

// Innermost first and in a loop: letting each frame destroy its child would recurse once per level, and
// 100,000 frames overflow an 8 MiB stack.
void CoOwner::destroy_chain() noexcept {
    FrameLink* root = std::exchange(frame_, nullptr);
    RINGLET_CHECK(!root->as_root.context, "a Co was destroyed while it was being polled");
    FrameLink* frame = root->as_root.innermost;
    while (frame != root) {
        FrameLink::Child child = frame->as_child;
        child.owner->frame_ = nullptr;
        frame->self.destroy();
        frame = child.parent;
    }
    root->self.destroy();
}

}  // namespace ringlet
