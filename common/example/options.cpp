#include "options.hpp"

#include <ringlet/executor/trace_json.hpp>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace example {

using namespace ringlet;

Options::Options(int argc, char** argv, std::string about, std::vector<std::string> flags, Tracing tracing)
    : program_(std::filesystem::path(argv[0]).filename()),
      about_(std::move(about)),
      flags_(std::move(flags)) {
    if (tracing == Tracing::offered)
        flags_.insert(flags_.end(), {"--trace FILE.json", "--timeline FILE.svg", "--window MS-MS"});
    flags_.push_back("--help");
    for (int i = 1; i < argc; ++i) {
        std::string flag = argv[i];
        auto known = std::ranges::find_if(
            flags_, [&](const std::string& known) { return known.substr(0, known.find(' ')) == flag; });
        if (known == flags_.end()) refuse("there is no " + flag);
        bool wants_value = known->find(' ') != std::string::npos;
        if (wants_value && i + 1 == argc) refuse(flag + " wants a value");
        given_[flag] = wants_value ? argv[++i] : "";
    }
    static_cast<void>(window());
    if (!has("--help")) return;
    print_usage(stdout);
    std::exit(0);
}

Options::~Options() {
    write("--trace", &write_trace_json);
    std::optional<Window> drawn = window();
    write("--timeline", [&](const Trace& trace, std::ostream& out) { write_timeline(trace, out, drawn); });
}

// "12.5-40": what the picture shows of the trace, in milliseconds.
std::optional<Window> Options::window() const {
    if (!has("--window")) return std::nullopt;
    double from_ms = 0, to_ms = 0;
    bool is_right = std::sscanf(text("--window", "").c_str(), "%lf-%lf", &from_ms, &to_ms) == 2;
    if (!is_right || from_ms < 0 || to_ms <= from_ms) refuse("--window wants two times, as in 12.5-40");
    auto of_ms = [](double ms) { return Duration(static_cast<Duration::rep>(ms * 1e6)); };
    return Window{of_ms(from_ms), of_ms(to_ms)};
}

std::string Options::text(const std::string& flag, std::string fallback) const {
    return has(flag) ? given_.at(flag) : std::move(fallback);
}

unsigned Options::number(const std::string& flag, unsigned fallback) const {
    if (!has(flag)) return fallback;
    const std::string& text = given_.at(flag);
    unsigned value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
        refuse(flag + " wants a number, not " + text);
    return value;
}

LocalExecutorBuilder& Options::apply(LocalExecutorBuilder& builder) {
    if (!has("--trace") && !has("--timeline")) return builder;
    return builder.trace(traces_.emplace_back());
}

std::unique_ptr<LocalExecutor> Options::make(LocalExecutorBuilder builder) {
    auto executor = apply(builder).make();
    if (executor) return std::move(*executor);
    std::fprintf(stderr, "%s: %s\n", program_.c_str(), executor.error().text.c_str());
    std::exit(1);
}

void Options::refuse(const std::string& why) const {
    std::fprintf(stderr, "%s: %s\n", program_.c_str(), why.c_str());
    print_usage(stderr);
    std::exit(2);
}

void Options::print_usage(std::FILE* out) const {
    std::fprintf(out, "usage: %s", program_.c_str());
    for (const std::string& flag : flags_) std::fprintf(out, " [%s]", flag.c_str());
    std::fprintf(out, "\n%s\n", about_.c_str());
}

void Options::write(const std::string& flag,
                    const std::function<void(const Trace&, std::ostream&)>& write_trace) const {
    if (!has(flag)) return;
    for (std::size_t i = 0; i < traces_.size(); ++i) {
        std::filesystem::path path = given_.at(flag);
        if (i > 0)
            path.replace_filename(path.stem().string() + '-' + std::to_string(i + 1) +
                                  path.extension().string());
        std::ofstream file(path);
        write_trace(traces_[i], file);
        if (!file.flush()) std::fprintf(stderr, "%s: cannot write %s\n", program_.c_str(), path.c_str());
        std::printf("%s: %zu events, %llu dropped\n", path.c_str(), traces_[i].events().size(),
                    static_cast<unsigned long long>(traces_[i].dropped()));
    }
}

}  // namespace example
