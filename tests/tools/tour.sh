# shellcheck shell=bash
# The tour: sourced by `run`, which installs the packages first. Each step says what it shows and where to look in the
# code, runs, and leaves a line for the table at the end. A step's function returns non-zero when it failed.

steps=() # "outcome|name|what was seen"
seen=''  # set by a step: the line for the table

run_tour() {
    local started=$SECONDS
    configure "$CXX" plain
    workplace=$(mktemp -d)
    trap 'stop_server; rm -rf "$workplace"' EXIT
    build_examples
    tour_futures
    [[ ! -d phase2-io-uring ]] || tour_io_uring
    [[ ! -d phase3-scheduling ]] || tour_scheduling
    [[ ! -d phase4-pool ]] || tour_pool
    print_table "$((SECONDS - started))"
}

build_examples() {
    local phase source targets=()
    for phase in phase*-*/; do
        for source in "$phase"examples/*.cpp; do
            targets+=("subprojects/$phase$(basename "$source" .cpp)")
        done
    done
    say "building the examples"
    ninja -C "$build" "${targets[@]}"
}

# step NAME WHERE SHOWS COMMAND...
step() {
    local name=$1 where=$2 shows=$3 outcome=ok
    shift 3
    printf '\n%s%d. %s%s\n' "$bold" "$((${#steps[@]} + 1))" "$name" "$plain"
    printf '   shows: %s\n   code:  %s\n\n' "$shows" "$where"
    seen=''
    "$@" || outcome=FAILED
    stop_server || outcome=FAILED
    steps+=("$outcome|$name|$seen")
}

print_table() {
    local row outcome name what failed=0
    printf '\n%swhat was seen, in %d s%s\n' "$bold" "$1" "$plain"
    for row in "${steps[@]}"; do
        IFS='|' read -r outcome name what <<<"$row"
        printf '  %-7s %-22s %s\n' "$outcome" "$name" "$what"
        [[ $outcome == ok ]] || failed=$((failed + 1))
    done
    ((failed == 0)) || die "$failed of ${#steps[@]} steps failed"
}

# show COMMAND...: runs it and indents what it prints.
show() {
    local status=0
    "$@" >"$workplace/output" 2>&1 || status=$?
    sed 's/^/   | /' "$workplace/output"
    return "$status"
}

# expect PATTERN COMMAND...: the first place in its output that fits goes into the table; there must be one.
expect() {
    show "${@:2}" && seen=$(grep -oEm1 "$1" "$workplace/output")
}

# --- Phase 1 -----------------------------------------------------------------------------------

tour_futures() {
    local programs=$build/subprojects/phase1-futures look=phase1-futures/examples
    step "the first program" "$look/first_program.cpp, phase1-futures/ringlet/executor/local_executor.hpp" \
        "a coroutine spawns a task and awaits it, on a local executor: 3" \
        expect '^3$' "$programs/first_program"
    step "two queues" "$look/two_queues.cpp, phase1-futures/ringlet/executor/queue_manager.hpp" \
        "tasks take turns within a queue, queues with each other" \
        expect 'arabica +sip 2, queue coffee' "$programs/two_queues"
    step "cancel and detach" "$look/cancel_and_detach.cpp, phase1-futures/ringlet/task/state.hpp" \
        "what becomes of a task whose handle is awaited, cancelled, detached" \
        expect 'cancelled: no value.*' "$programs/cancel_and_detach"
    step "a pinned executor" "$look/pinned_executor.cpp, phase1-futures/ringlet/executor/placement.hpp" \
        "one thread, one core; and the error for a core that is not there" \
        expect 'cannot run on CPU 9999.*' "$programs/pinned_executor"
}

# --- Phase 2 -----------------------------------------------------------------------------------

tour_io_uring() {
    programs=$build/subprojects/phase2-io-uring
    local look=phase2-io-uring/examples
    step "io_uring" "./run doctor" "whether this machine lets a program make a ring" \
        expect "io_uring works" python3 "$TOOLS/doctor.py" --io-uring
    step "copy a file" "$look/copy_file.cpp, phase2-io-uring/ringlet/fs" \
        "a file read and written through io_uring; sha256sum compares" copy_a_file
    step "an HTTP server" "$look/http_server.cpp, phase2-io-uring/ringlet/net" \
        "a server on a free loopback port answers curl and wrk" serve_http
    step "an echo server" "$look/echo_server.cpp, $look/echo_client.cpp" \
        "what the client sends comes back, byte by byte" serve_echo
    step "ten thousand sleepers" "$look/ten_thousand_sleepers.cpp, phase2-io-uring/ringlet/time" \
        "ten thousand tasks sleep at once on one thread" \
        expect '10000 tasks slept.*' "$programs/ten_thousand_sleepers"
}

copy_a_file() {
    local from=$workplace/original to=$workplace/copy
    head -c 33554433 /dev/urandom >"$from" || return 1
    show "$programs/copy_file" "$from" "$to" || return 1
    (cd "$workplace" && sha256sum original copy) | tee "$workplace/sums" | sed 's/^/   | /'
    (($(cut -d' ' -f1 "$workplace/sums" | sort -u | wc -l) == 1)) || return 1
    seen="$(stat -c %s "$to") bytes, the same sha256"
}

serve_http() {
    start_server "$programs/http_server" || return 1
    ask /plaintext 'Hello, World! (200 text/plain)' || return 1
    ask /json '{"message":"Hello, World!"} (200 application/json)' || return 1
    load_with_wrk
}

load_with_wrk() {
    wrk -t1 -c32 -d3s "http://$address/plaintext" >"$workplace/wrk" || return 1
    sed 's/^/   | /' "$workplace/wrk"
    ! grep -qE 'Socket errors|Non-2xx' "$workplace/wrk" || return 1
    seen="$(awk '/Requests\/sec/ { print $2 }' "$workplace/wrk") requests/s to wrk"
    [[ $seen != ' '* ]]
}

# ask PATH WANTED: by curl.
ask() {
    local got
    got=$(curl -sS --max-time 5 -w ' (%{http_code} %{content_type})' "http://$address$1") || return 1
    printf '   curl %s: %s\n' "$1" "$got"
    [[ $got == "$2" ]]
}

serve_echo() {
    start_server "$programs/echo_server" || return 1
    expect '[0-9]+ messages .* came back right.*' "$programs/echo_client" "$address"
}

# start_server PROGRAM [WORDS...]: on a loopback port that the kernel picks; leaves host:port in $address.
start_server() {
    local log=$workplace/server
    : >"$log" # or the address of the server before this one may still be read there
    (($# > 1)) || set -- "$1" 127.0.0.1:0
    "$@" >"$log" 2>&1 &
    server=$!
    for _ in {1..100}; do
        address=$(grep -oEm1 '127\.0\.0\.1:[0-9]+' "$log") && return 0
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
    sed 's/^/   | /' "$log"
    return 1
}

# Servers end cleanly when they are told to.
stop_server() {
    [[ -n ${server:-} ]] || return 0
    local told=$server
    server=''
    kill "$told" && wait "$told"
}

# --- Phase 3 -----------------------------------------------------------------------------------

tour_scheduling() {
    programs=$build/subprojects/phase3-scheduling
    local look=phase3-scheduling/examples library=phase3-scheduling/ringlet
    step "a polite loop" "$look/cooperative_preempt.cpp, $library/executor/preempt.hpp" \
        "a loop works for a second beside a metronome: without and with yield_if_needed" \
        expect 'with yield_if_needed.*' "$programs/cooperative_preempt"
    step "a ring never seen" "$look/unseen_ring.cpp, $library/reactor/ring.hpp" \
        "which rings show a loop that something has come" \
        expect 'DEFER_TASKRUN.*never.*' "$programs/unseen_ring"
    step "shares" "$look/shares.cpp, $library/executor/queue_manager.hpp" \
        "two queues share the core 2:1, then 1:2" \
        expect '1000 ms.*' "$programs/shares"
    step "the stolen half" "$look/stolen_half.cpp, $library/executor/queue_manager.cpp" \
        "a queue that sleeps keeps its debt; and one that cheats" steal_half
    step "latency classes" "$look/latency_classes.cpp, $library/executor/latency.hpp" \
        "how long a woken task waits beside two hogs, without and with Latency::Matters" \
        expect 'Latency::Matters.*' "$programs/latency_classes"
    step "direct reads" "$look/direct_read.cpp, $library/fs/dma_file.hpp" \
        "reads past the page cache, by ring" \
        expect 'main ring, at once +32.*' "$programs/direct_read" --folder build --mib 64 --ms 200
    step "a stall" "$look/stall.cpp, $library/executor/stall_detector.hpp" \
        "a task that does not yield is named, with its stack" \
        expect 'ringlet: stall.*' "$programs/stall"
    step "a trace" "$look/trace_me.cpp, $library/executor/trace.hpp" \
        "what ran when: for Perfetto, and as a picture" draw_trace
}

steal_half() {
    show "$programs/stolen_half" || return 1
    expect 'debt forgotten.*' "$programs/stolen_half" --forget
}

draw_trace() {
    mkdir -p build/tour
    show "$programs/trace_me" --trace build/tour/trace.json --timeline build/tour/timeline.svg || return 1
    python3 -m json.tool build/tour/trace.json /dev/null || return 1
    seen='build/tour/trace.json (for ui.perfetto.dev), build/tour/timeline.svg'
}

# --- Phase 4 -----------------------------------------------------------------------------------

tour_pool() {
    programs=$build/subprojects/phase4-pool
    local look=phase4-pool/examples library=phase4-pool/ringlet
    step "where shards run" "$look/placement.cpp, $library/pool/pool_placement.hpp" \
        "this machine's CPUs, and where each kind of pool would put its shards" \
        expect '^ +0 +[0-9]+ .*' "$programs/placement"
    step "three schedulers" "$look/three_schedulers.cpp, $look/schedulers" \
        "one shared queue, one per core, work stealing: even and skewed loads" compare_schedulers
    step "HTTP on every core" "$look/sharded_http.cpp, $library/pool/executor_pool.hpp" \
        "phase 2's server on each shard, one port for all: curl and wrk" serve_sharded_http
    step "a key-value server" "$look/sharded_kv.cpp, $library/pool/submit_to.hpp" \
        "keys owned by shards, the Redis protocol: redis-cli and redis-benchmark" serve_keys
}

compare_schedulers() {
    mkdir -p build/tour
    show "$programs/three_schedulers" --svg build/tour/schedulers.svg || return 1
    seen='the table above, and build/tour/schedulers.svg'
}

serve_sharded_http() {
    start_server "$programs/sharded_http" || return 1
    ask /json '{"message":"Hello, World!"} (200 application/json)' || return 1
    load_with_wrk
}

serve_keys() {
    start_server "$programs/sharded_kv" --port 0 || return 1
    local host=${address%:*} port=${address#*:} got
    for words in "SET greeting hello" "GET greeting" "INCR visits" "MGET greeting visits" "DBSIZE"; do
        # shellcheck disable=SC2086  # a command is words
        got=$(redis-cli -h "$host" -p "$port" $words | tr '\n' ' ') || return 1
        printf '   redis-cli %s: %s\n' "$words" "$got"
    done
    [[ $got == '2 ' ]] || return 1
    redis-benchmark -h "$host" -p "$port" -q -n 100000 -t set,get -P 16 | tr '\r' '\n' |
        grep 'requests per second' >"$workplace/load" || return 1
    sed 's/^/   | /' "$workplace/load"
    seen=$(grep -oE 'GET: [0-9.]+ requests per second' "$workplace/load")
}
