#!/usr/bin/env bash
# Fuzzes what reads text from outside: tests/fuzz/run.sh TARGET [seconds, 120 unless told] [folder for what it makes].
# TARGET: http_request, resp_request or cpu_list; TARGET_fuzz.cpp says what must hold. An input that breaks a rule is
# printed and kept in that folder as crash-*; give it to TARGET_fuzz there to see it again.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
target=${1:?which target}
seconds=${2:-120}
work=${3:-$root/build/fuzz}
case $target in
    http_request) sources=("$root/common/http/request.cpp") ;;
    resp_request) sources=("$root/common/resp/request.cpp") ;;
    cpu_list) sources=("$root/phase4-pool/ringlet/executor/cpu_set.cpp") ;;
    *) echo "run.sh: there is no target $target" >&2 && exit 2 ;;
esac
mkdir -p "$work/$target"
"${CXX:-clang++-19}" -std=c++23 -g -O1 -Wall -Wextra -Werror -fsanitize=fuzzer,address,undefined \
    -fno-sanitize-recover=all -I"$root/common" -I"$root/tests/common" -I"$root/phase4-pool" \
    "$root/tests/fuzz/${target}_fuzz.cpp" "${sources[@]}" -o "$work/${target}_fuzz"
cd "$work"
exec "./${target}_fuzz" -max_len=512 -max_total_time="$seconds" "$target" "$root/tests/fuzz/corpus/$target"
