"""Measures llama.cpp as `smallmind bench` measures SmallMind: one line of JSON, test to tokens a second.

    python smallmind-testkit/reference/speed.py MODEL.gguf -p 512 -n 128 -d 0 -t 2 -r 5

Needs `pip install llama-cpp-python==0.3.36 numpy`. -p is the prefill of so many
random tokens, -n the decode of so many, both after -d others, whose prefill is
measured once; 0 leaves a test out. Medians of -r repetitions, after one of at
most 512 tokens that does not count.
"""
import argparse
import json
import statistics
import time

import llama_cpp as lc
import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("model")
for option, default in [("-p", 512), ("-n", 128), ("-d", 0), ("-t", 2), ("-r", 5)]:
    parser.add_argument(option, type=int, default=default)
args = parser.parse_args()
longest = args.d + max(args.p, args.n)
model = lc.Llama(
    args.model, n_ctx=longest + 16, n_batch=2048, n_ubatch=512,
    n_threads=args.t, n_threads_batch=args.t, verbose=False,
)
random = np.random.default_rng(0)


def decode(ids):
    for start in range(0, len(ids), 2048):
        part = ids[start : start + 2048]
        tokens = (lc.llama_token * len(part))(*part)
        if lc.llama_decode(model.ctx, lc.llama_batch_get_one(tokens, len(part))):
            raise SystemExit("llama_decode failed")


def measure(count, past, repetitions, run):
    speeds = []
    for length in [min(count, 512)] + [count] * repetitions:
        ids = random.integers(0, model.n_vocab(), length).tolist()
        if not model._ctx.kv_cache_seq_rm(-1, past, -1):
            raise SystemExit("llama.cpp cannot take tokens back")
        start = time.perf_counter()
        run(ids)
        speeds.append(length / (time.perf_counter() - start))
    return statistics.median(speeds[1:])


results = {}
depth = f" @ d{args.d}" if args.d else ""
if args.d:
    results[f"pp{args.d}"] = measure(args.d, 0, 1, decode)
if args.p:
    results[f"pp{args.p}{depth}"] = measure(args.p, args.d, args.r, decode)
if args.n:
    one_by_one = lambda ids: [decode([i]) for i in ids]
    results[f"tg{args.n}{depth}"] = measure(args.n, args.d, args.r, one_by_one)
print(json.dumps(results))
