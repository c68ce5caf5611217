// A doubly linked list whose links live in the elements: no allocation, and an element leaves in
// constant time without knowing its list. The executor keeps every live task on one.
#pragma once

#include <ringlet/base/check.hpp>

namespace ringlet {

// Base class of an element. Owner thread only; cannot move, since its neighbours point at it.
class ListNode {
public:
    ListNode() noexcept = default;
    ListNode(const ListNode&) = delete;
    ListNode& operator=(const ListNode&) = delete;

    bool is_linked() const noexcept { return next_ != nullptr; }

    void unlink() noexcept {
        prev_->next_ = next_;
        next_->prev_ = prev_;
        prev_ = next_ = nullptr;
    }

private:
    template <class T>
    friend class IntrusiveList;

    ListNode* prev_ = nullptr;
    ListNode* next_ = nullptr;
};

// Holds elements derived from ListNode; owns none of them. A ring through `sentinel_`, so that neither
// end is a special case.
template <class T>
class IntrusiveList {
public:
    IntrusiveList() noexcept { sentinel_.prev_ = sentinel_.next_ = &sentinel_; }
    ~IntrusiveList() { RINGLET_CHECK(empty(), "an intrusive list died before its elements"); }

    bool empty() const noexcept { return sentinel_.next_ == &sentinel_; }
    T& front() noexcept { return static_cast<T&>(*sentinel_.next_); }

    void push_back(T& element) noexcept {
        ListNode& node = element;
        node.prev_ = sentinel_.prev_;
        node.next_ = &sentinel_;
        sentinel_.prev_->next_ = &node;
        sentinel_.prev_ = &node;
    }

    template <class Predicate>
    bool any(Predicate predicate) const {
        for (const ListNode* node = sentinel_.next_; node != &sentinel_; node = node->next_) {
            if (predicate(static_cast<const T&>(*node))) return true;
        }
        return false;
    }

private:
    ListNode sentinel_;
};

}  // namespace ringlet
