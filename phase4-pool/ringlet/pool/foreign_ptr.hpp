// ForeignPtr: owns an object of one shard, and may be held by any.
//
//     auto made = co_await submit_to(2, [] { return ForeignPtr(std::make_unique<Session>()); });
//     ForeignPtr<Session> session = std::move(made).value();
//     ShardId home = session.home();
//     auto call = submit_to(home, [session = std::move(session)] { return session->age(); });
//
// Threads: made at home, which is the shard it is made on, and only there is the object touched; moved and
// dropped on any thread, also a plain one. Lifetimes: the object dies at home, always: at once if the pointer
// is dropped there, else when the message arrives that its holder becomes, and with the home's executor at
// the latest. What a pointer then holds is memory only.
#pragma once

#include <ringlet/executor/foreign_waker.hpp>
#include <ringlet/pool/pool.hpp>

#include <memory>
#include <utility>

namespace ringlet {

// What home knows of a foreign pointer. There is one reference to it, and it wakes nobody.
template <class T>
class HomeObject final : public ForeignTask {
public:
    HomeObject(Shard& home, std::unique_ptr<T> object)
        : ForeignTask(home.address(), Waker()), home_id_(home.id()), object_(std::move(object)) {}

    ShardId home_id() const noexcept { return home_id_; }
    // At home.
    T* object() const noexcept { return object_.get(); }

    void close() noexcept override {
        ForeignTask::close();
        object_.reset();
    }

private:
    const ShardId home_id_;
    // Owner thread only:
    std::unique_ptr<T> object_;
};

template <class T>
class ForeignPtr {
public:
    ForeignPtr() noexcept = default;
    // Inside a shard. Throws std::bad_alloc; then the object is gone.
    explicit ForeignPtr(std::unique_ptr<T> object)
        : holder_(object ? new HomeObject<T>(Shard::current(), std::move(object)) : nullptr) {
        if (holder_) require_executor().note_foreign(*holder_);
    }

    // Any thread:
    explicit operator bool() const noexcept { return holder_ != nullptr; }
    // Of one that is not empty.
    ShardId home() const noexcept {
        RINGLET_CHECK(holder_, "an empty foreign pointer has no home");
        return holder_->home_id();
    }
    bool is_local() const noexcept { return holder_ && holder_->home().leads_here(); }

    // At home only:
    T& operator*() const noexcept { return *operator->(); }
    T* operator->() const noexcept {
        RINGLET_CHECK(is_local(), "a foreign pointer was used away from its home");
        RINGLET_CHECK(holder_->object(), "a foreign pointer was used while its executor ends");
        return holder_->object();
    }

private:
    struct SendHome {
        void operator()(HomeObject<T>* holder) const noexcept { holder->release(); }
    };
    std::unique_ptr<HomeObject<T>, SendHome> holder_;
};

}  // namespace ringlet
