// What every floor program shares: the command line, the clock, and the JSON line that bench.py reads.
// C and C++ include it.

#ifndef RINGLET_PEERS_FLOOR_REPORT_H
#define RINGLET_PEERS_FLOOR_REPORT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline uint64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// A benchmark that went wrong must not print a figure.
static inline void check(int holds, const char* what) {
    if (!holds) {
        fprintf(stderr, "floor: does not hold: %s\n", what);
        abort();
    }
}

static inline const char* text_argument(int argc, char** argv, const char* name, const char* otherwise) {
    for (int index = 1; index + 1 < argc; ++index) {
        if (strcmp(argv[index], name) == 0) {
            return argv[index + 1];
        }
    }
    return otherwise;
}

static inline uint64_t argument(int argc, char** argv, const char* name, uint64_t otherwise) {
    const char* text = text_argument(argc, argv, name, NULL);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static inline int subcommand_is(int argc, char** argv, const char* name) {
    return argc > 1 && strcmp(argv[1], name) == 0;
}

// `who` is "floor" unless it says otherwise; `extra_name` may be left out.
struct Result {
    const char* row;
    const char* name;
    double value;
    const char* unit;
    const char* who;
    const char* extra_name;
    double extra;
};

static inline void report(struct Result result) {
    printf("{\"row\":\"%s\",\"case\":\"%s\",\"who\":\"%s\",\"value\":%.4f,\"unit\":\"%s\"", result.row,
           result.name, result.who != NULL ? result.who : "floor", result.value, result.unit);
    if (result.extra_name != NULL) {
        printf(",\"%s\":%.4f", result.extra_name, result.extra);
    }
    printf("}\n");
}

static inline double ns_each(uint64_t started_ns, uint64_t count) {
    return (double)(clock_ns() - started_ns) / (double)count;
}

// Peak resident memory of this process. Not from getrusage, whose figure includes what the process was before
// exec.
static inline double peak_memory_mib(void) {
    FILE* status = fopen("/proc/self/status", "r");
    char line[256];
    unsigned long kib = 0;
    while (status != NULL && fgets(line, sizeof line, status) != NULL &&
           sscanf(line, "VmHWM: %lu", &kib) != 1) {
    }
    check(kib != 0, "VmHWM stands in /proc/self/status");
    fclose(status);
    return (double)kib / 1024;
}

#endif
