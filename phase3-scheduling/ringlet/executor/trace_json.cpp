#include <ringlet/executor/trace_json.hpp>

#include <ringlet/executor/trace_reader.hpp>

#include <algorithm>
#include <locale>
#include <ostream>
#include <string_view>

namespace ringlet {

namespace {

std::string json_string(std::string_view text) {
    std::string quoted = "\"";
    for (char c : text) {
        if (c == '"' || c == '\\') quoted += '\\';
        quoted += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
    return quoted += '"';
}

// Microseconds, to the nanosecond.
std::string json_time(Duration time) {
    auto ns = std::max<Duration::rep>(time.count(), 0);
    std::string digits = std::to_string(ns % 1000);
    return std::to_string(ns / 1000) + '.' + std::string(3 - digits.size(), '0') + digits;
}

class Writer {
public:
    Writer(const Trace& trace, std::ostream& out) : reader_(trace), out_(out) {}

    void write() {
        out_ << "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"dropped_events\":" << reader_.trace().dropped()
             << "},\"traceEvents\":[\n"
             << R"({"ph":"M","pid":1,"tid":1,"name":"process_name","args":{"name":"ringlet"}},)" << '\n'
             << R"({"ph":"M","pid":1,"tid":1,"name":"thread_name","args":{"name":)"
             << json_string("executor " + reader_.trace().executor_name()) << "}}";
        for (std::size_t i = 0; i < reader_.size(); ++i) write(i);
        out_ << "\n]}\n";
    }

private:
    void write(std::size_t i) {
        switch (reader_[i].kind) {
            case TraceEvent::spawn: return instant(i, "spawn " + task(i), "task", queue(i));
            case TraceEvent::wake:
                instant(i, "wake " + task(i), "task", queue(i));
                return arrow_from(i, "wake");
            case TraceEvent::turn_begin: return slice(i, reader_.queue_name(i), "turn");
            case TraceEvent::run: slice(i, task(i), "task"); return arrow_to(i, "wake");
            case TraceEvent::turn_end:
                if (reader_[i].flag) instant(i, "preempted", "turn", queue(i));
                return;
            case TraceEvent::poll: return slice(i, "poll", "poll");
            case TraceEvent::park_begin: return slice(i, "park", "poll");
            case TraceEvent::park_end: return;
            case TraceEvent::submit:
                instant(i, "submit " + reader_.operation_name(i), "operation", ring(i));
                arrow_from(i, "operation");
                return in_flight(i);
            case TraceEvent::complete:
                instant(i, "complete " + reader_.operation_name(i), "operation",
                        ring(i) + ",\"result\":" + std::to_string(reader_[i].value));
                if (!reader_[i].flag) arrow_to(i, "operation");
                return;
        }
    }

    void head(const char* phase, Duration at, std::string_view name, const char* category) {
        out_ << ",\n{\"ph\":\"" << phase << "\",\"pid\":1,\"tid\":1,\"ts\":" << json_time(at)
             << ",\"name\":" << json_string(name) << ",\"cat\":\"" << category << '"';
    }
    void slice(std::size_t i, std::string_view name, const char* category) {
        head("X", reader_.time_of(i), name, category);
        out_ << ",\"dur\":" << json_time(reader_.end_time_of(i) - reader_.time_of(i)) << '}';
    }
    void instant(std::size_t i, std::string_view name, const char* category, std::string_view arguments) {
        head("i", reader_.time_of(i), name, category);
        out_ << ",\"s\":\"t\",\"args\":{" << arguments << "}}";
    }
    // Arrows are told apart by the event that they come from, and both ends are written or none.
    void arrow_from(std::size_t i, const char* category) {
        if (reader_.end_of(i) == TraceReader::none) return;
        head("s", reader_.time_of(i), category, category);
        out_ << ",\"id\":" << i << '}';
    }
    void arrow_to(std::size_t i, const char* category) {
        if (reader_.cause_of(i) == TraceReader::none) return;
        head("f", reader_.time_of(i), category, category);
        out_ << ",\"bp\":\"e\",\"id\":" << reader_.cause_of(i) << '}';
    }
    void in_flight(std::size_t i) {
        std::string name = std::string(reader_.ring_name(i)) + ' ' + reader_.operation_name(i);
        head("b", reader_.time_of(i), name, "in flight");
        out_ << ",\"id\":" << i << '}';
        head("e", reader_.end_time_of(i), name, "in flight");
        out_ << ",\"id\":" << i << '}';
    }

    std::string task(std::size_t i) const { return "task " + std::to_string(reader_.task_number(i)); }
    std::string queue(std::size_t i) const { return "\"queue\":" + json_string(reader_.queue_name(i)); }
    std::string ring(std::size_t i) const { return "\"ring\":" + json_string(reader_.ring_name(i)); }

    TraceReader reader_;
    std::ostream& out_;
};

}  // namespace

void write_trace_json(const Trace& trace, std::ostream& out) {
    std::locale before = out.imbue(std::locale::classic());  // digits without anything between them
    Writer(trace, out).write();
    out.imbue(before);
}

}  // namespace ringlet
