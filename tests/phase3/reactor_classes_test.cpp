// Sources that queues of both latency classes use, one after the other, and executors one after the other.
#include "support.hpp"

using namespace support;

namespace {

TaskQueueHandle make_urgent() { return create_task_queue(Shares{}, Latency::Matters{1ms}, "urgent"); }

}  // namespace

TEST_CASE("a stream that a queue of one class has begun to read is read on by one of the other") {
    auto executor = make_executor();
    executor->run([&]() -> Co<void> {
        auto [stream, peer] = half_raw_pair();
        std::string text = pattern(1 << 20);
        std::thread writer([&, peer = std::move(peer)] { put_all(peer.get(), text); });
        std::string heard = co_await read_exactly(stream, 1000);
        auto reads_on = [](Stream& stream) -> Co<std::string> { co_return co_await read_to_end(stream); };
        auto reading = spawn_local_into(make_urgent(), reads_on(stream)).value();
        heard += (co_await reading).value();
        writer.join();
        CHECK(heard == text);
    });
}

TEST_CASE("a listener goes on with the next executor of its thread") {
    auto first = make_executor();
    auto listener = value_of(TcpListener::bind(SocketAddress::loopback(0)));
    auto accepts_one = [&]() -> Co<void> {
        UniqueFd peer = raw_connection(port_of(listener));
        TcpStream accepted = value_of(co_await listener.accept());
    };
    first->run(accepts_one);
    first.reset();
    auto second = make_executor();
    second->run([&]() -> Co<void> {
        // The accept that was in flight ended with the executor.
        CHECK(failed_with(co_await listener.accept(), ECANCELED));
    });
    second->run(accepts_one);
    second->run(accepts_one);
}
