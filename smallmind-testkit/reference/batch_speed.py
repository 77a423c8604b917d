"""Measures llama.cpp's decode of several sequences at once: one line of JSON, test to tokens a second in all.

    python smallmind-testkit/reference/batch_speed.py MODEL.gguf -n 64 -t 2 -r 3 --sequences 1,2,4,8

Needs `pip install llama-cpp-python==0.3.36`. One llama_batch a step has a token
of each sequence, all with logits. Medians of -r repetitions, after one that does
not count.
"""
import argparse
import json
import statistics
import time

import llama_cpp as lc

parser = argparse.ArgumentParser()
parser.add_argument("model")
for option, default in [("-n", 64), ("-t", 2), ("-r", 3)]:
    parser.add_argument(option, type=int, default=default)
parser.add_argument("--sequences", default="1,2,4,8")
args = parser.parse_args()
counts = [int(count) for count in args.sequences.split(",")]


@lc.llama_log_callback
def quiet(level, text, data):
    pass


lc.llama_log_set(quiet, None)
lc.llama_backend_init()
model = lc.llama_model_load_from_file(args.model.encode(), lc.llama_model_default_params())


def context(sequences):
    params = lc.llama_context_default_params()
    params.n_ctx = sequences * max(256, args.n + 16)
    params.n_batch = params.n_ubatch = 512
    params.n_seq_max = sequences
    params.n_threads = params.n_threads_batch = args.t
    return lc.llama_init_from_model(model, params)


def decode(ctx, sequences):
    batch = lc.llama_batch_init(sequences, 0, 1)
    batch.n_tokens = sequences
    for position in range(args.n):
        for s in range(sequences):
            batch.token[s] = 1000 + position * 31 + s * 7
            batch.pos[s] = position
            batch.n_seq_id[s] = 1
            batch.seq_id[s][0] = s
            batch.logits[s] = 1
        if lc.llama_decode(ctx, batch):
            raise SystemExit("llama_decode failed")
        lc.llama_synchronize(ctx)
    lc.llama_batch_free(batch)


results = {}
for sequences in counts:
    ctx, speeds = context(sequences), []
    for _ in range(args.r + 1):
        lc.llama_memory_clear(lc.llama_get_memory(ctx), True)
        start = time.perf_counter()
        decode(ctx, sequences)
        speeds.append(sequences * args.n / (time.perf_counter() - start))
    lc.llama_free(ctx)
    results[f"tg{args.n} x{sequences}"] = statistics.median(speeds[1:])
print(json.dumps(results))
