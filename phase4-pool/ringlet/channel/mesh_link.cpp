#include <ringlet/channel/mesh_link.hpp>

namespace ringlet {

// What is left in the channel for those who were woken is asked for again when they wait again.
void MeshLinkBase::attend() noexcept {
    do {
        bool closed = is_closed();  // looked at before the items, which then are all
        if (intake_.sets_aside()) set_aside();
        if (closed || has_item()) {
            waiting_.wake_all();
            intake_.wake_all();
        }
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
