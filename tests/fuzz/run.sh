#!/usr/bin/env bash
# Runs fuzz targets from their seeds, and from what earlier runs have found, for so many seconds each; prints a line for each:
#
#     tests/fuzz/run.sh [--planted] SECONDS [TARGET...]
#     tests/fuzz/run.sh --build
#
# `--planted` builds them with their planted faults and from the seeds alone: each must be found in that time. Exit code 1: something
# was found, or a planted fault was not. Needs cargo-fuzz (`cargo install cargo-fuzz`); without a sanitizer it needs no nightly Rust:
# there is no unsafe code to speak of, and panics and what the targets assert are what is looked for.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root="$PWD"

features=() seconds=0
if [ "${1:-}" = --planted ]; then
    features=(--features planted)
    shift
fi
if [ "${1:-}" != --build ]; then
    seconds="${1:?usage: tests/fuzz/run.sh [--planted] SECONDS [TARGET...]}"
fi
shift
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for file in tests/fuzz/targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target/fuzz}"
host="$(rustc -vV | sed -n 's/^host: //p')"
one=""
[ ${#targets[@]} -gt 1 ] || one="${targets[0]}"
# The gateway as it is shipped: not what its dependencies become for fuzzing of their own.
cargo fuzz build --fuzz-dir tests/fuzz --sanitizer none --no-cfg-fuzzing --codegen-units 16 "${features[@]}" $one >&2
[ "$seconds" -gt 0 ] || exit 0

# last FILE PATTERN: the last match.
last() {
    grep -o "$2" "$1" | tail -n 1 | grep -o '[0-9]*$' || echo 0
}

failed=0
printf '%-16s %8s %12s %9s %18s %9s %8s  %s\n' target seconds executions per-s 'edges, first-last' features corpus found
for target in "${targets[@]}"; do
    corpus="$CARGO_TARGET_DIR/corpus/$target" artifacts="$CARGO_TARGET_DIR/artifacts/$target/" log="$CARGO_TARGET_DIR/$target.log"
    [ ${#features[@]} -eq 0 ] || corpus="$(mktemp -d)"
    mkdir -p "$corpus" "$artifacts"
    began=$SECONDS code=0
    "$CARGO_TARGET_DIR/$host/release/$target" "$corpus" "tests/fuzz/seeds/$target" -max_total_time="$seconds" -timeout=60 -print_final_stats=1 \
        -artifact_prefix="$artifacts" >"$log" 2>&1 </dev/null || code=$?
    first="$(grep -m 1 INITED "$log" | grep -o 'cov: [0-9]*' | grep -o '[0-9]*' || echo 0)"
    executions="$(last "$log" 'number_of_executed_units: *[0-9]*')"
    found="nothing"
    if [ "$code" -ne 0 ]; then
        found="$(grep -m 1 -A 1 "panicked at\|ERROR: libFuzzer" "$log" | tr '\n' ' ' | cut -c 1-200)"
    fi
    printf '%-16s %8s %12s %9s %18s %9s %8s  %s\n' "$target" $((SECONDS - began)) "$executions" \
        "$(last "$log" 'average_exec_per_sec: *[0-9]*')" "$first-$(last "$log" 'cov: [0-9]*')" "$(last "$log" 'ft: [0-9]*')" \
        "$(find "$corpus" -type f | wc -l)" "$found"
    if [ ${#features[@]} -eq 0 ]; then
        if [ "$code" -ne 0 ]; then
            failed=1
            echo "    again: $CARGO_TARGET_DIR/$host/release/$target $(grep -o "$artifacts[a-z]*-[0-9a-f]*" "$log" | tail -n 1)"
        fi
    else
        rm -r "$corpus"
        [ "$code" -ne 0 ] || failed=1
    fi
done
exit $failed
