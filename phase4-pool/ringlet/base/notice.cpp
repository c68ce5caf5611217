#include <ringlet/base/notice.hpp>

#include <atomic>
#include <cstdio>
#include <mutex>
#include <set>

namespace ringlet {

namespace {

void print(const char* text) noexcept { std::fprintf(stderr, "ringlet: %s\n", text); }

std::atomic<NoticeHandler> handler_in_force{&print};

bool is_news(const std::string& subject) {
    static std::mutex mutex;
    static std::set<std::string> mentioned;
    std::lock_guard lock(mutex);
    return mentioned.insert(subject).second;
}

}  // namespace

NoticeHandler set_notice_handler(NoticeHandler handler) noexcept {
    return handler_in_force.exchange(handler);
}

void notice_once(const std::string& subject, const std::string& text) {
    if (is_news(subject)) handler_in_force.load()(text.c_str());
}

}  // namespace ringlet
