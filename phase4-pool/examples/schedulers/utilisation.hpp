// The closed runs as a picture (SVG), 1200 pixels wide: a row for each worker, its height the part of the
// time that it ran jobs. One time axis for all: who has done the same jobs sooner ends further left.
#pragma once

#include "measure.hpp"

#include <cstdio>
#include <fstream>
#include <string>

namespace schedulers {

class Utilisation {
public:
    explicit Utilisation(const std::string& path) : out_(path) {}

    // `groups`: a headline, and the runs below it.
    bool draw(const std::string& title, const std::vector<std::pair<std::string, std::vector<Run>>>& groups) {
        double height = top;
        for (const auto& [headline, runs] : groups) {
            height += headline_height;
            for (const Run& run : runs) {
                longest_ = std::max(longest_, run.length);
                height += row_height * static_cast<double>(run.workers.size()) + gap;
            }
        }
        print("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 1200 %.0f' width='1200' height='%.0f' "
              "font-family='system-ui, DejaVu Sans, sans-serif' font-size='12' fill='#222'>\n",
              height + 30, height + 30);
        out_ << "<rect width='100%' height='100%' rx='8' fill='#fff'/>\n";
        text(16, 28, title, "font-size='16' font-weight='bold'");
        double y = top;
        for (const auto& [headline, runs] : groups) {
            text(16, y + 18, headline, "font-weight='bold'");
            y += headline_height;
            for (const Run& run : runs) y = draw_run(run, y) + gap;
        }
        text(left, y + 14, "0", "fill='#666' text-anchor='middle'");
        text(left + width, y + 14, std::to_string(longest_ / std::chrono::milliseconds(1)) + " ms",
             "fill='#666' text-anchor='middle'");
        out_ << "</svg>\n";
        return static_cast<bool>(out_.flush());
    }

private:
    static constexpr double top = 40, left = 190, width = 960, row_height = 22, headline_height = 28, gap = 8;
    static constexpr std::size_t slices = 160;

    // Below it is the next run's place.
    double draw_run(const Run& run, double y) {
        text(16, y + 15, run.scheduler);
        for (unsigned worker = 0; worker < run.workers.size(); ++worker, y += row_height) {
            const WorkerStats& stats = run.workers[worker];
            std::string facts = std::to_string(worker) + ": " + std::to_string(stats.jobs) + " jobs";
            if (stats.stolen > 0) facts += ", " + std::to_string(stats.stolen) + " stolen";
            double base = y + row_height - 3;
            print("<path d='M%.1f %.1f", left, base);
            double x = left;
            for (double part : busy_parts(run, worker)) {
                double level = base - part * (row_height - 5);
                print("L%.1f %.1fL%.1f %.1f", x, level, x + width / slices, level);
                x += width / slices;
            }
            print("V%.1fz' fill='#0072b2' fill-opacity='0.7'><title>%s</title></path>\n", base,
                  (run.scheduler + ", worker " + facts).c_str());
            print("<path d='M%.1f %.1fH%.1f' stroke='#e4e4e4'/>\n", left, base, left + width);
            text(left - 8, y + 15, "worker " + std::to_string(worker), "fill='#666' text-anchor='end'");
        }
        return y;
    }

    // In each slice of the axis, the part of the time in which the worker had a job.
    std::vector<double> busy_parts(const Run& run, unsigned worker) const {
        std::vector<double> parts(slices);
        auto slice_of = [this](Duration at) {
            return static_cast<double>(at.count()) * slices / static_cast<double>(longest_.count());
        };
        for (const Trip& trip : run.trips) {
            if (trip.worker != worker) continue;
            double from = slice_of(trip.begun), to = slice_of(trip.ended);
            for (auto i = static_cast<std::size_t>(from); i < slices && static_cast<double>(i) < to; ++i) {
                auto begin = static_cast<double>(i);
                parts[i] += std::min(to, begin + 1) - std::max(from, begin);
            }
        }
        return parts;
    }

    void text(double x, double y, const std::string& words, const char* style = "") {
        print("<text x='%.1f' y='%.1f' %s>%s</text>\n", x, y, style, words.c_str());
    }

    template <class... Values>
    void print(const char* format, Values... values) {
        std::vector<char> line(static_cast<std::size_t>(std::snprintf(nullptr, 0, format, values...)) + 1);
        std::snprintf(line.data(), line.size(), format, values...);
        out_ << line.data();
    }

    std::ofstream out_;
    Duration longest_{};
};

}  // namespace schedulers
