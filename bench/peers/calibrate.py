"""Measures what the machine can do at this moment: answers each line of standard input with the GFLOP/s of fp32 matrix products by
numpy's OpenBLAS on OPENBLAS_NUM_THREADS threads, the better of the best of five of 1024x576x1536 and one of 2048x2048x2048."""
import sys, time

import numpy as np

CASES = [(1024, 576, 1536, 5), (2048, 2048, 2048, 1)]


def main():
    random = np.random.default_rng(1)
    work = [(*(random.standard_normal(s, np.float32) for s in ((m, k), (k, n))), np.empty((m, n), np.float32), 2e-9 * m * k * n, runs)
            for m, k, n, runs in CASES]
    for a, b, out, _, _ in work:
        np.matmul(a, b, out)
    print("ready numpy", np.__version__, flush=True)
    for _ in sys.stdin:
        best = 0
        for a, b, out, gflop, runs in work:
            for _ in range(runs):
                start = time.perf_counter()
                np.matmul(a, b, out)
                best = max(best, gflop / (time.perf_counter() - start))
        print(best, flush=True)


main()
