#include <ringlet/channel/mesh_link.hpp>

#include <utility>

namespace ringlet {

// What is left in the channel for those who were woken is asked for again when they wait again.
void MeshLinkBase::attend() noexcept {
    do {
        bool closed = is_closed();  // looked at before the items, which then are all
        if (intake_.sets_aside()) set_aside();
        bool has = has_item();
        if (closed || has) waiting_.wake_all();
        // Who waits for any link goes on waiting for the others, and need not hear twice that this one is
        // closed.
        if (has || (closed && !std::exchange(told_, true))) intake_.wake_all();
    } while (intake_.is_awaited() && end().ask());
}

void MeshIntake::Standing::change() noexcept {
    stands_ = !stands_;
    if (stands_) {
        ++intake_.standing_;
        intake_.attend_all();
    } else {
        --intake_.standing_;
    }
}

}  // namespace ringlet
