// libFuzzer target: whatever arrives, CpuSet::parse() refuses it or makes a set of it that is small,
// ascending and read back as it was written. run.sh runs it.
#include <ringlet/executor/cpu_set.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>

using ringlet::CpuSet;

namespace {

void expect(bool holds, const char* rule) {
    if (holds) return;
    std::fprintf(stderr, "broken: %s\n", rule);
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto set = CpuSet::parse({reinterpret_cast<const char*>(data), size});
    if (!set) {
        expect(set.error() == std::errc::invalid_argument, "what is refused is EINVAL");
        return 0;
    }
    expect(set->size() <= CpuSet::cpu_max + 1, "no more CPUs than numbers");
    expect(std::ranges::adjacent_find(*set, std::greater_equal()) == set->end(), "they ascend");
    expect(CpuSet::parse(set->to_string() + "\n") == *set, "what is written is read back");
    expect(set->intersection(*set) == *set, "a set holds itself");
    return 0;
}
