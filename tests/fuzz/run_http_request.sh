#!/usr/bin/env bash
# Fuzzes the HTTP request parser: tests/fuzz/run_http_request.sh [seconds, 120 unless told] [folder for what it makes].
# An input that breaks a rule is printed and kept in that folder as crash-*; give it to http_request_fuzz to see it again.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
seconds=${1:-120}
work=${2:-$root/build/fuzz}
mkdir -p "$work/http_request"
"${CXX:-clang++-19}" -std=c++23 -g -O1 -Wall -Wextra -Werror -fsanitize=fuzzer,address,undefined \
    -fno-sanitize-recover=all -I"$root/common" -I"$root/tests/common" \
    "$root/tests/fuzz/http_request_fuzz.cpp" "$root/common/http/request.cpp" -o "$work/http_request_fuzz"
cd "$work"
exec ./http_request_fuzz -max_len=512 -max_total_time="$seconds" http_request "$root/tests/fuzz/corpus/http_request"
