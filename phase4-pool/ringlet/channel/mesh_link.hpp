// MeshLink: what one peer of a mesh receives from another: the channel, and before it what was taken out of
// it and set aside. MeshIntake: when this is done, for all links of a peer.
//
// Threads: owner thread only.
#pragma once

#include <ringlet/channel/item_queue.hpp>
#include <ringlet/channel/shared_channel.hpp>

#include <new>
#include <vector>

namespace ringlet {

class MeshIntake;

// A link, as far as it needs no T.
class MeshLinkBase : public ChannelListener {
public:
    explicit MeshLinkBase(MeshIntake& intake) noexcept : intake_(intake) {}
    MeshLinkBase(const MeshLinkBase&) = delete;
    MeshLinkBase& operator=(const MeshLinkBase&) = delete;

    // To be called whenever somebody begins to wait, here or for any link: takes in what has arrived if that
    // is to be done, wakes who waits for it, and asks the sender for news.
    void attend() noexcept;

    void wait(Waiter& waiter, const Waker& waker) noexcept {
        waiting_.wait(waiter, waker);
        attend();
    }
    void leave(Waiter& waiter) noexcept {
        if (waiter.is_involved()) waiting_.leave(waiter);
    }

protected:
    ~MeshLinkBase() = default;

private:
    virtual SharedEnd& end() noexcept = 0;
    virtual bool is_closed() noexcept = 0;
    virtual bool has_item() noexcept = 0;
    // As many as memory allows.
    virtual void set_aside() noexcept = 0;
    void on_news() noexcept override { attend(); }

    MeshIntake& intake_;
    WaitList waiting_;   // for this link
    bool told_ = false;  // that it is closed, to who waits for any link
};

class MeshIntake {
public:
    MeshIntake() noexcept = default;
    MeshIntake(const MeshIntake&) = delete;
    MeshIntake& operator=(const MeshIntake&) = delete;

    // Somebody waits for less than all links: while one stands, what arrives is set aside.
    class Standing {
    public:
        explicit Standing(MeshIntake& intake) noexcept : intake_(intake) {}
        Standing(Standing&& other) noexcept : intake_(other.intake_) {}
        ~Standing() { set(false); }

        void set(bool stands) noexcept {
            if (stands_ != stands) change();
        }

    private:
        void change() noexcept;

        MeshIntake& intake_;
        bool stands_ = false;
    };

    bool sets_aside() const noexcept { return standing_ > 0; }
    bool is_awaited() const noexcept { return standing_ > 0 || !waiting_.is_idle(); }
    void wake_all() noexcept { waiting_.wake_all(); }

    // For any link.
    void wait(Waiter& waiter, const Waker& waker) noexcept {
        waiting_.wait(waiter, waker);
        attend_all();
    }
    void leave(Waiter& waiter) noexcept {
        if (waiter.is_involved()) waiting_.leave(waiter);
    }

protected:
    ~MeshIntake() = default;

    void add(MeshLinkBase& link) { attended_.push_back(&link); }

private:
    void attend_all() noexcept {
        for (MeshLinkBase* link : attended_) link->attend();
    }

    std::vector<MeshLinkBase*> attended_;  // the derived state's links
    WaitList waiting_;                     // for any link
    std::size_t standing_ = 0;
};

template <class T>
class MeshLink final : public MeshLinkBase {
public:
    MeshLink(MeshIntake& intake, SharedReceiver<T> receiver)
        : MeshLinkBase(intake), receiver_(std::move(receiver).release()) {
        receiver_->connect();
        receiver_->listen(*this);
    }

    // No item will be added to those that take() gives.
    bool is_closed() noexcept override { return channel().sender().is_gone(); }

    Received<T> take() noexcept {
        if (!aside_.empty()) return Received<T>(aside_.pop());
        return has_item() ? Received<T>(channel().take()) : Received<T>();
    }

private:
    SharedChannel<T>& channel() noexcept { return static_cast<SharedChannel<T>&>(receiver_->channel()); }
    SharedEnd& end() noexcept override { return *receiver_; }
    bool has_item() noexcept override { return !aside_.empty() || receiver_->available(1) > 0; }

    void set_aside() noexcept override {
        try {
            while (receiver_->available(1) > 0) {
                aside_.push(std::move(channel().front()));
                channel().drop_front();
            }
        } catch (const std::bad_alloc&) {
            return;  // it stays where it is: in memory that suffices nobody has to wait for it
        }
    }

    OwnedEnd receiver_;
    static constexpr std::size_t slots = 4;
    alignas(T) std::byte first_[slots * sizeof(T)];
    ItemQueue<T> aside_{first_, slots};
};

}  // namespace ringlet
