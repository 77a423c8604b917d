"""Measures numpy's OpenBLAS as the benchmark `dense` measures SmallMind: one line of JSON, shape to GFLOP/s.

    python smallmind-testkit/reference/dense_speed.py THREADS 512x512x512 ...

Needs `pip install numpy`. Medians of what is done in a second, with the kernels
that OpenBLAS chooses itself.
"""
import json
import os
import statistics
import sys
import time

threads, shapes = sys.argv[1], sys.argv[2:]
for forced in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(forced, None)
os.environ["OPENBLAS_NUM_THREADS"] = threads

import numpy as np  # noqa: E402, it reads the variables

random = np.random.default_rng(0)


def measure(m, k, n):
    a = random.random((m, k), dtype=np.float32)
    b = random.random((k, n), dtype=np.float32)
    c = np.zeros((m, n), dtype=np.float32)
    times, start = [], time.perf_counter()
    while time.perf_counter() - start < 1.0:
        began = time.perf_counter()
        np.matmul(a, b, out=c)
        times.append(time.perf_counter() - began)
    return 2e-9 * m * k * n / statistics.median(times)


print(json.dumps({shape: measure(*map(int, shape.split("x"))) for shape in shapes}))
