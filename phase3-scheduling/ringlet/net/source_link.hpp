// SourceLink: what the future of a read or an accept knows of the source that it asks. Streams and listeners
// may be closed or dropped while others hold such futures; these then learn that the source is gone.
//
// Threads: owner thread only.
#pragma once

#include <ringlet/base/intrusive_list.hpp>

namespace ringlet {

template <class S>
class SourceLink;

// All links to one source, which has them as its member `links_`: cut when it dies.
template <class S>
class SourceLinks : public IntrusiveList<SourceLink<S>> {
public:
    ~SourceLinks() {
        while (!this->empty()) {
            this->front().source_ = nullptr;
            this->front().unlink();
        }
    }
};

template <class S>
class SourceLink : public ListNode {
public:
    explicit SourceLink(S& source) noexcept : source_(&source) { join(); }
    SourceLink(SourceLink&& other) noexcept : source_(other.source_) { join(); }
    ~SourceLink() {
        if (is_linked()) unlink();
    }

    // Null once the source is gone.
    S* get() const noexcept { return source_; }

private:
    friend class SourceLinks<S>;

    // Inlined, GCC 12 would warn that the list keeps a temporary: it does not see that this unlinks itself.
    [[gnu::noinline]] void join() noexcept {
        if (source_) source_->links_.push_back(*this);
    }

    S* source_;
};

}  // namespace ringlet
