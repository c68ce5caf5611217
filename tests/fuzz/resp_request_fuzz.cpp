// libFuzzer target: whatever arrives, resp::RequestParser stays inside the bytes, reads them alike however
// they are cut, and reads back what it accepted. The rules are in tests/common/resp_request_rules.hpp.
#include "resp_request_rules.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr resp::Limits narrow{.arguments_max = 3, .bulk_bytes_max = 10, .line_bytes_max = 12};
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    for (const auto& limits : {resp::Limits{}, narrow}) {
        if (const auto broken = resp_rules::broken_rule(bytes, limits); !broken.empty()) {
            std::fprintf(stderr, "%s\n", broken.c_str());
            std::abort();
        }
    }
    return 0;
}
