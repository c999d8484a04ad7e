#!/usr/bin/env bash
# Run the tests with other instruction sets and other numbers of threads, since a sum may depend on both:
#     tests/portability.sh           the whole suite under each setting below
#     tests/portability.sh --quick   the numerical tests under two of them
# ATEN_CPU_CAPABILITY selects the kernels of PyTorch, ONEDNN_MAX_CPU_ISA those of its convolutions,
# MKL_ENABLE_INSTRUCTIONS and OPENBLAS_CORETYPE those of matrix products, OMP_NUM_THREADS the threads of all of them.
set -uo pipefail
cd "$(dirname "$0")/.."

numerical=(tests/model tests/inference tests/metrics tests/evaluation tests/pairs tests/dem tests/training)
failed=()

run() {  # NAME, then settings of the environment up to --, then arguments of pytest
    local name=$1 settings=()
    shift
    while [ "$1" != -- ]; do settings+=("$1"); shift; done
    shift
    echo "== $name: ${settings[*]}"
    env "${settings[@]}" pytest -n 2 --dist loadfile --no-loadscope-reorder "$@" || failed+=("$name")
}

oldest=(ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 MKL_ENABLE_INSTRUCTIONS=SSE4_2 OPENBLAS_CORETYPE=Nehalem)
avx2=(ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2 OPENBLAS_CORETYPE=Haswell)

if [ "${1:-}" = --quick ]; then
    run "oldest instructions, one thread" "${oldest[@]}" OMP_NUM_THREADS=1 -- -m "not slow" "${numerical[@]}"
    run "AVX2, two threads" "${avx2[@]}" OMP_NUM_THREADS=2 -- -m "not slow" "${numerical[@]}"
else
    run "oldest instructions, one thread" "${oldest[@]}" OMP_NUM_THREADS=1 -- "$@"
    run "AVX2, one thread" "${avx2[@]}" OMP_NUM_THREADS=1 -- "$@"
    for threads in 2 4; do  # `make test` has one
        run "all instructions, threads: $threads" OMP_NUM_THREADS=$threads -- "$@"
    done
fi

if [ ${#failed[@]} -gt 0 ]; then
    printf 'failed: %s\n' "${failed[@]}"
    exit 1
fi
