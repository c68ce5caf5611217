// libFuzzer target: whatever arrives, http::parse() stays inside the bytes, judges them alike however they
// are cut, and reads back what it accepted. The rules are in tests/common/http_request_rules.hpp;
// run.sh runs it.
#include "http_request_rules.hpp"

#include <cstdio>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr http::Limits narrow{
        .target_bytes_max = 12, .header_bytes_max = 64, .headers_max = 3, .body_bytes_max = 10};
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    for (const auto& limits : {http::Limits{}, narrow}) {
        if (const auto broken = http_rules::broken_rule(bytes, limits); !broken.empty()) {
            std::fprintf(stderr, "%s\n", broken.c_str());
            std::abort();
        }
    }
    return 0;
}
