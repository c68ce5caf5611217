#include "timeline.hpp"

#include <ringlet/executor/trace_reader.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <ostream>
#include <set>
#include <string_view>

namespace example {

using namespace ringlet;

namespace {

constexpr double page_width = 1200;
constexpr double plot_left = 190;
constexpr double plot_width = page_width - plot_left - 36;
constexpr double plot_top = 92;
constexpr double row_height = 46;
constexpr double bar_height = 18;
constexpr double tick_height = 8;
constexpr double label_width_min = 26;  // a bar that is narrower shows no number
constexpr int lanes_max = 4;            // of operations in flight, one above the other

// As many turns as can be told apart.
constexpr std::size_t turns_max = 160;

// Told apart by people who see few colours too (Okabe and Ito).
constexpr std::array queue_colors{"#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"};
constexpr const char* submit_color = "#1f5fbf";
constexpr const char* complete_color = "#2e8b57";
constexpr const char* preempt_color = "#c00000";

std::string number(double value) {
    std::array<char, 32> text;
    auto [end, error] =
        std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed, 1);
    return {text.data(), end};
}

std::string escaped(std::string_view text) {
    std::string safe;
    for (char c : text) {
        if (c == '<')
            safe += "&lt;";
        else if (c == '&')
            safe += "&amp;";
        else
            safe += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
    return safe;
}

std::string counted(std::size_t count, const char* thing) {
    return std::to_string(count) + ' ' + thing + (count == 1 ? "" : "s");
}

std::string readable(Duration duration) {
    auto ns = static_cast<double>(duration.count());
    if (ns == 0) return "0";
    if (ns < 1e3) return number(ns) + " ns";
    if (ns < 1e6) return number(ns / 1e3) + " us";
    if (ns < 1e9) return number(ns / 1e6) + " ms";
    return number(ns / 1e9) + " s";
}

std::string percent(Duration part, Duration whole) {
    return number(100.0 * static_cast<double>(part.count()) /
                  static_cast<double>(std::max<Duration::rep>(whole.count(), 1))) +
           " %";
}

// How much there is to see between two events: kinds of events, and pixels in which something begins or ends.
std::size_t worth_of(const TraceReader& reader, std::size_t first, std::size_t last) {
    std::set<std::pair<int, std::int32_t>> kinds;  // by queue or ring
    std::set<int> pixels;
    double ns_per_pixel = static_cast<double>((reader[last].at - reader[first].at).count() + 1) / plot_width;
    for (std::size_t i = first; i < last; ++i) {
        const TraceEvent& event = reader[i];
        if (event.kind == TraceEvent::poll) continue;
        bool is_io = event.kind == TraceEvent::submit || event.kind == TraceEvent::complete;
        kinds.emplace(event.kind, is_io ? event.ring : event.value);
        pixels.insert(
            static_cast<int>(static_cast<double>((event.at - reader[first].at).count()) / ns_per_pixel));
    }
    return kinds.size() * 4 + pixels.size();
}

Window choose_window(const TraceReader& reader) {
    std::vector<std::size_t> turns;
    for (std::size_t i = 0; i < reader.size(); ++i) {
        if (reader[i].kind == TraceEvent::turn_begin) turns.push_back(i);
    }
    Window best{{}, reader.time_of(reader.size() - 1)};
    if (turns.size() <= turns_max) return best;
    std::size_t most = 0;
    for (std::size_t first = 0; first + turns_max < turns.size(); first += turns_max / 4) {
        std::size_t from = turns[first];
        std::size_t to = turns[first + turns_max];
        std::size_t worth = worth_of(reader, from, to);
        if (worth <= most) continue;
        most = worth;
        best = {reader.time_of(from), reader.time_of(to)};
    }
    return best;
}

class Drawing {
public:
    Drawing(const Trace& trace, std::ostream& out, std::optional<Window> window)
        : reader_(trace), out_(out), window_(window ? *window : choose_window(reader_)) {
        if (window_.to <= window_.from) window_.to = window_.from + Duration(1);
    }

    void draw() {
        std::vector<std::uint8_t> rings = rings_used();
        std::size_t queues = reader_.trace().queue_names().size();
        bottom_ = plot_top + row_height * static_cast<double>(queues + 1 + rings.size());
        out_ << R"(<svg xmlns="http://www.w3.org/2000/svg" width=")" << page_width << R"(" height=")"
             << bottom_ + 46 << R"(" viewBox="0 0 )" << page_width << ' ' << bottom_ + 46
             << R"(" font-family="system-ui, DejaVu Sans, sans-serif" font-size="12" fill="#222">)" << '\n'
             << R"(<rect width="100%" height="100%" rx="8" fill="#fff"/>)" << '\n';
        draw_title();
        draw_legend();
        draw_axis();
        for (std::size_t queue = 0; queue < queues; ++queue) draw_queue(queue);
        draw_sleeps();
        for (std::uint8_t ring : rings) draw_ring(ring);
        out_ << "</svg>\n";
    }

private:
    double x_of(Duration time) const {
        auto part = static_cast<double>((time - window_.from).count()) /
                    static_cast<double>((window_.to - window_.from).count());
        return plot_left + plot_width * std::clamp(part, 0.0, 1.0);
    }
    bool is_seen(std::size_t i) const {
        return reader_.end_time_of(i) >= window_.from && reader_.time_of(i) <= window_.to;
    }
    bool is_seen_at(std::size_t i) const {
        return reader_.time_of(i) >= window_.from && reader_.time_of(i) <= window_.to;
    }
    Duration part_seen(std::size_t i) const {
        return std::min(reader_.end_time_of(i), window_.to) - std::max(reader_.time_of(i), window_.from);
    }

    // --- Shapes -------------------------------------------------------------------------------

    void text(double x, double y, std::string_view words, std::string_view style = "") {
        out_ << "<text x=\"" << number(x) << "\" y=\"" << number(y) << "\" " << style << '>' << escaped(words)
             << "</text>\n";
    }
    // From event i to its end; a narrow one in full colour, so that it is seen.
    void bar(std::size_t i, double top, double height, const char* color, double opacity,
             std::string_view title) {
        double left = x_of(reader_.time_of(i));
        double width = std::max(1.0, x_of(reader_.end_time_of(i)) - left);
        if (width < 2) opacity = 1;
        out_ << "<rect x=\"" << number(left) << "\" y=\"" << number(top) << "\" width=\"" << number(width)
             << "\" height=\"" << number(height) << "\" fill=\"" << color << "\" fill-opacity=\""
             << number(opacity) << "\"><title>" << escaped(title) << "</title></rect>\n";
    }
    void tick(double x, double top, const char* color) {
        out_ << "<path d=\"M" << number(x) << ' ' << number(top) << "v" << tick_height << "\" stroke=\""
             << color << "\"/>\n";
    }
    void triangle(double x, double top, const char* color) {
        out_ << "<path d=\"M" << number(x) << ' ' << number(top) << "l-4 8h8z\" fill=\"" << color << "\"/>\n";
    }
    double begin_row(std::string_view name, std::string_view facts) {
        double top = plot_top + row_height * static_cast<double>(rows_++);
        out_ << "<path d=\"M16 " << number(top + row_height) << "H" << page_width - 24
             << "\" stroke=\"#e4e4e4\"/>\n";
        text(16, top + 20, name, "font-weight=\"bold\"");
        text(16, top + 35, facts, "font-size=\"11\" fill=\"#666\"");
        return top;
    }

    // --- Rows ---------------------------------------------------------------------------------

    void draw_queue(std::size_t queue) {
        Duration used{};
        std::size_t turns = 0, preempted = 0;
        auto is_ours = [&](std::size_t i) { return reader_[i].value == static_cast<std::int32_t>(queue); };
        for (std::size_t i = 0; i < reader_.size(); ++i) {
            if (!is_ours(i)) continue;
            if (reader_[i].kind == TraceEvent::turn_begin && is_seen(i)) ++turns, used += part_seen(i);
            preempted += reader_[i].kind == TraceEvent::turn_end && reader_[i].flag && is_seen_at(i);
        }
        std::string facts = percent(used, window_.to - window_.from) + ", " + counted(turns, "turn");
        if (preempted > 0) facts += ", " + std::to_string(preempted) + " ▲";
        double top = begin_row(reader_.trace().queue_names()[queue], facts);
        const char* color = queue_colors[queue % queue_colors.size()];
        double last_wake = 0, last_run = 0;
        for (std::size_t i = 0; i < reader_.size(); ++i) {
            if (!is_ours(i) || !is_seen(i)) continue;
            switch (reader_[i].kind) {
                case TraceEvent::wake:
                    if (is_seen_at(i) && advances(last_wake, i)) tick(last_wake, top + 4, "#444");
                    break;
                case TraceEvent::turn_begin:
                    bar(i, top + 13, bar_height, color, 0.3,
                        reader_.queue_name(i) + ": a turn of " + length(i));
                    break;
                case TraceEvent::run: draw_run(i, top + 16, color, last_run); break;
                case TraceEvent::turn_end:
                    if (reader_[i].flag && is_seen_at(i))
                        triangle(x_of(reader_.time_of(i)), top + 33, preempt_color);
                    break;
                default: break;
            }
        }
    }

    void draw_run(std::size_t i, double top, const char* color, double& last) {
        double left = x_of(reader_.time_of(i));
        double right = x_of(reader_.end_time_of(i));
        if (right - last < 0.5) return;  // no new pixel
        last = right;
        std::string name = std::to_string(reader_.task_number(i));
        bar(i, top, bar_height - 6, color, reader_.task_number(i) % 2 == 0 ? 0.6 : 0.9,
            "task " + name + ": polled for " + length(i));
        if (right - left >= label_width_min) {
            text((left + right) / 2, top + 10, name, "font-size=\"10\" fill=\"#fff\" text-anchor=\"middle\"");
        }
    }

    void draw_sleeps() {
        Duration asleep{};
        std::size_t count = 0;
        for (std::size_t i = 0; i < reader_.size(); ++i) {
            if (reader_[i].kind == TraceEvent::park_begin && is_seen(i)) asleep += part_seen(i), ++count;
        }
        double top =
            begin_row("parked", percent(asleep, window_.to - window_.from) + ", " + counted(count, "time"));
        for (std::size_t i = 0; i < reader_.size(); ++i) {
            if (reader_[i].kind == TraceEvent::park_begin && is_seen(i))
                bar(i, top + 13, bar_height, "#9aa0a6", 0.8, "asleep for " + length(i));
        }
    }

    void draw_ring(std::uint8_t ring) {
        std::size_t submitted = 0, completed = 0;
        auto is_ours = [&](std::size_t i, TraceEvent::Kind kind) {
            return reader_[i].kind == kind && reader_[i].ring == ring;
        };
        for (std::size_t i = 0; i < reader_.size(); ++i) {
            submitted += is_ours(i, TraceEvent::submit) && is_seen_at(i);
            completed += is_ours(i, TraceEvent::complete) && is_seen_at(i);
        }
        double top = begin_row(std::string(Trace::ring_names[ring]) + " ring",
                               counted(submitted, "SQE") + ", " + counted(completed, "CQE"));
        std::array<double, lanes_max> lane_ends{};
        double last_submit = 0, last_complete = 0;
        for (std::size_t i = 0; i < reader_.size(); ++i) {
            if (is_ours(i, TraceEvent::submit) && is_seen(i)) {
                draw_operation(i, top + 13, lane_ends);
                if (is_seen_at(i) && advances(last_submit, i)) tick(last_submit, top + 4, submit_color);
            }
            if (is_ours(i, TraceEvent::complete) && is_seen_at(i) && advances(last_complete, i))
                tick(last_complete, top + 33, complete_color);
        }
    }

    // In the first lane that is free; if none is, over what is in the last.
    void draw_operation(std::size_t i, double top, std::array<double, lanes_max>& lane_ends) {
        auto free =
            std::ranges::find_if(lane_ends, [&](double end) { return end <= x_of(reader_.time_of(i)); });
        if (free == lane_ends.end()) --free;
        *free = x_of(reader_.end_time_of(i)) + 0.5;
        double height = bar_height / lanes_max;
        bar(i, top + height * static_cast<double>(free - lane_ends.begin()), height - 0.5, submit_color,
            reader_[i].flag ? 0.2 : 0.5, reader_.operation_name(i) + ": in flight for " + length(i));
    }

    std::string length(std::size_t i) const { return readable(reader_.end_time_of(i) - reader_.time_of(i)); }

    // True if the event is at least half a pixel behind `last`, which it then becomes.
    bool advances(double& last, std::size_t i) const {
        double x = x_of(reader_.time_of(i));
        if (x - last < 0.5) return false;
        last = x;
        return true;
    }

    std::vector<std::uint8_t> rings_used() const {
        std::set<std::uint8_t> rings;
        for (std::size_t i = 0; i < reader_.size(); ++i) {
            if (reader_[i].kind == TraceEvent::submit) rings.insert(reader_[i].ring);
        }
        return {rings.begin(), rings.end()};
    }

    // --- Around them --------------------------------------------------------------------------

    void draw_title() {
        Duration whole = reader_.time_of(reader_.size() - 1);
        text(16, 28, "executor " + reader_.trace().executor_name(), "font-size=\"16\" font-weight=\"bold\"");
        std::string facts = readable(window_.to - window_.from) + " of " + readable(whole) + ", from " +
                            readable(window_.from) + " on; " + std::to_string(reader_.size()) +
                            " events in all";
        if (reader_.trace().dropped() > 0)
            facts += ", and " + std::to_string(reader_.trace().dropped()) + " dropped";
        text(16, 46, facts, "fill=\"#666\"");
    }

    void draw_legend() {
        double x = 16;
        auto entry = [&](std::string_view shape, std::string_view words) {
            out_ << "<g transform=\"translate(" << number(x) << " 60)\">" << shape << "</g>\n";
            text(x + 26, 71, words, "font-size=\"11\"");
            x += 40 + 6.2 * static_cast<double>(words.size());
        };
        entry(
            R"(<rect y="1" width="20" height="12" fill="#0072b2" fill-opacity=".3"/><rect x="3" y="3" width="7" height="8" fill="#0072b2" fill-opacity=".9"/><rect x="10" y="3" width="7" height="8" fill="#0072b2" fill-opacity=".6"/>)",
            "turn of a queue, tasks in it by number");
        entry(R"(<path d="M10 3l-4 8h8z" fill="#c00000"/>)", "preempted");
        entry(R"(<path d="M10 3v8" stroke="#444"/>)", "a task wakes");
        entry(R"(<rect y="1" width="20" height="12" fill="#9aa0a6" fill-opacity=".8"/>)", "thread asleep");
        entry(R"(<path d="M10 3v8" stroke="#1f5fbf"/>)", "SQE");
        entry(R"(<path d="M10 3v8" stroke="#2e8b57"/>)", "CQE");
        entry(R"(<rect y="4" width="20" height="4" fill="#1f5fbf" fill-opacity=".5"/>)",
              "operation in flight");
        entry(R"(<rect y="4" width="20" height="4" fill="#1f5fbf" fill-opacity=".2"/>)", "the runtime's own");
    }

    // About ten marks, at 1, 2 or 5 times a power of ten.
    void draw_axis() {
        auto span = static_cast<double>((window_.to - window_.from).count());
        double power = std::pow(10, std::floor(std::log10(std::max(span, 1.0) / 10)));
        double step = power * (span / power > 50 ? 10 : span / power > 20 ? 5 : 2);
        auto from = static_cast<double>(window_.from.count());
        for (double mark = std::ceil(from / step) * step; mark <= from + span; mark += step) {
            auto time = Duration(static_cast<Duration::rep>(mark));
            double x = x_of(time);
            out_ << "<path d=\"M" << number(x) << ' ' << plot_top << 'V' << number(bottom_ + 6)
                 << "\" stroke=\"#e4e4e4\"/>\n";
            text(x, bottom_ + 22, readable(time), "font-size=\"11\" text-anchor=\"middle\"");
        }
    }

    TraceReader reader_;
    std::ostream& out_;
    Window window_;
    double bottom_ = 0;
    std::size_t rows_ = 0;
};

}  // namespace

void write_timeline(const Trace& trace, std::ostream& out, std::optional<Window> window) {
    if (!trace.events().empty()) Drawing(trace, out, window).draw();
}

}  // namespace example
