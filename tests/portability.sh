#!/usr/bin/env bash
# Run the tests with other instruction sets and other numbers of threads, since a sum may depend on both:
#     tests/portability.sh           the whole suite under each setting below
#     tests/portability.sh --quick   the tests of the net, the metrics and the tiles under two of them
# ATEN_CPU_CAPABILITY selects the kernels of PyTorch, ONEDNN_MAX_CPU_ISA those of its convolutions,
# MKL_ENABLE_INSTRUCTIONS and OPENBLAS_CORETYPE those of matrix products, OMP_NUM_THREADS the threads of all of them.
set -uo pipefail
cd "$(dirname "$0")/.."

numerical=(tests/model tests/metrics tests/inference/test_arrays.py tests/inference/test_super_resolver.py)
failed=()

run() {  # NAME THREADS, then settings of the environment up to --, then arguments of pytest
    local name=$1 settings=(OMP_NUM_THREADS=$2) processes=2
    if [ "$2" -gt 1 ]; then processes=0; fi  # threads of several processes would wait for the same cores
    shift 2
    while [ "$1" != -- ]; do settings+=("$1"); shift; done
    shift
    echo "== $name: ${settings[*]}"
    env "${settings[@]}" pytest -n $processes --dist loadfile --no-loadscope-reorder "$@" || failed+=("$name")
}

oldest=(ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 MKL_ENABLE_INSTRUCTIONS=SSE4_2 OPENBLAS_CORETYPE=Nehalem)
avx2=(ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2 OPENBLAS_CORETYPE=Haswell)

if [ "${1:-}" = --quick ]; then
    run "oldest instructions, one thread" 1 "${oldest[@]}" -- -m "not slow" "${numerical[@]}"
    run "AVX2, two threads" 2 "${avx2[@]}" -- -m "not slow" "${numerical[@]}"
else
    run "oldest instructions, one thread" 1 "${oldest[@]}" -- "$@"
    run "AVX2, one thread" 1 "${avx2[@]}" -- "$@"
    for threads in 2 4; do  # `make test` has one
        run "all instructions, threads: $threads" "$threads" -- "$@"
    done
fi

if [ ${#failed[@]} -gt 0 ]; then
    printf 'failed: %s\n' "${failed[@]}"
    exit 1
fi
