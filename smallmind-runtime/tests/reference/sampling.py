"""Writes sampling.json: what llama.cpp's samplers keep of some rows of logits.

Needs llama-cpp-python and numpy, and a model whose vocabulary holds a token
"\\n" below 256 (SmolLM2's is 198), for the breakers of DRY:

    python sampling.py SmolLM2-135M-Instruct.Q4_1.gguf > sampling.json
"""

import ctypes
import json
import sys

import llama_cpp.llama_cpp as llama
import numpy as np

MODEL = sys.argv[1]
ROWS = {"peaked": (1, 256, 3.0), "flat": (4, 256, 0.4), "small": (3, 12, 1.5)}


def row(seed, count, spread):
    values = np.random.default_rng(seed).normal(0, spread, count)
    values = np.round(values * 2**17) / 2**17
    # Among equals the reference takes any.
    assert len(set(values)) == count
    return [float(v) for v in values]


def breakers(texts):
    return (ctypes.c_char_p * len(texts))(*[t.encode() for t in texts])


def samplers(vocab, o):
    """The reference's chain for a set of options, in its order."""
    chain = []
    if "logit_bias" in o:
        pairs = (llama.llama_logit_bias * len(o["logit_bias"]))()
        for pair, (token, bias) in zip(pairs, o["logit_bias"]):
            pair.token, pair.bias = token, bias
        chain.append(llama.llama_sampler_init_logit_bias(256, len(pairs), pairs))
    if "penalties" in o:
        chain.append(init_penalties(*o["penalties"]))
    if "dry" in o:
        multiplier, base, allowed, last_n, newline = o["dry"]
        texts = ["\n"] if newline else []
        chain.append(llama.llama_sampler_init_dry(
            vocab, multiplier, base, allowed, last_n, breakers(texts), len(texts)))
    if "mirostat" in o:
        chain.append(llama.llama_sampler_init_temp(o.get("temperature", 1.0)))
        chain.append(llama.llama_sampler_init_mirostat_v2(1, *o["mirostat"]))
        return chain
    for name, init in [
        ("top_n_sigma", llama.llama_sampler_init_top_n_sigma),
        ("top_k", llama.llama_sampler_init_top_k),
        ("typical_p", lambda p: llama.llama_sampler_init_typical(p, 0)),
        ("top_p", lambda p: llama.llama_sampler_init_top_p(p, 0)),
        ("min_p", lambda p: llama.llama_sampler_init_min_p(p, 0)),
        ("xtc", lambda p: llama.llama_sampler_init_xtc(p[0], p[1], 0, 1)),
    ]:
        if name in o:
            chain.append(init(o[name]))
    chain.append(llama.llama_sampler_init_temp(o.get("temperature", 1.0)))
    chain.append(llama.llama_sampler_init_dist(1))
    return chain


def init_penalties(last_n, repeat, frequency, presence):
    function = llama.llama_sampler_init_penalties
    # Some versions ask for the size of the vocabulary first.
    sizes = [256] if len(function.argtypes or []) == 5 else []
    return function(*sizes, last_n, repeat, frequency, presence)


def kept(vocab, logits, history, options):
    """Ids and probabilities that are left, or those of mirostat's draw."""
    data = (llama.llama_token_data * len(logits))()
    for i, logit in enumerate(logits):
        data[i].id, data[i].logit, data[i].p = i, logit, 0.0
    array = llama.llama_token_data_array(data, len(logits), -1, False)
    for sampler in samplers(vocab, options):
        for token in history:
            llama.llama_sampler_accept(sampler, token)
        llama.llama_sampler_apply(sampler, ctypes.byref(array))
        llama.llama_sampler_free(sampler)
    left = [(array.data[i].id, array.data[i].logit) for i in range(array.size)]
    left = [(i, l) for i, l in left if l > float("-inf")]
    top = max(l for _, l in left)
    weights = [(i, np.exp(l - top)) for i, l in left]
    total = sum(w for _, w in weights)
    return sorted([i, float(f"{w / total:.6g}")] for i, w in weights)


HISTORY = [5, 9, 5, 7, 198, 3, 4, 5, 6, 3, 4, 5, 1, 2, 3, 4, 5]
CASES = [
    {"top_k": 10}, {"top_p": 0.7}, {"min_p": 0.1}, {"typical_p": 0.6}, {"typical_p": 0.2},
    {"top_n_sigma": 1.0}, {"top_n_sigma": 2.0}, {"xtc": [1.0, 0.1]}, {"xtc": [1.0, 0.02]},
    {"temperature": 0.5, "top_k": 5}, {"temperature": 2.0, "top_p": 0.5},
    {"top_k": 40, "top_p": 0.95, "min_p": 0.05, "temperature": 0.8},
    # Never top-n-sigma with typical: the reference then takes the logarithm of 0.
    {"top_n_sigma": 1.5, "top_k": 20, "top_p": 0.9, "min_p": 0.02, "xtc": [1.0, 0.15]},
    {"top_k": 20, "typical_p": 0.8, "top_p": 0.9, "min_p": 0.02,
     "xtc": [1.0, 0.15], "temperature": 0.7},
    {"penalties": [64, 1.3, 0.0, 0.0], "top_k": 12}, {"penalties": [64, 1.0, 0.4, 0.0], "top_k": 12},
    {"penalties": [4, 1.1, 0.2, 0.9], "top_k": 12},
    {"dry": [0.8, 1.75, 2, 64, False]}, {"dry": [1.5, 1.2, 1, 9, False]},
    {"dry": [0.8, 1.75, 2, 64, True]}, {"dry": [2.0, 1.5, 1, 64, True]},
    {"logit_bias": [[3, 4.0], [7, -2.5], [2, float("-inf")]], "top_p": 0.8},
    {"penalties": [64, 1.2, 0.1, 0.1], "dry": [0.8, 1.75, 2, 64, True],
     "top_k": 30, "typical_p": 0.9, "top_p": 0.9, "min_p": 0.05, "temperature": 1.3},
    {"mirostat": [2.0, 0.1]}, {"mirostat": [3.0, 0.2], "temperature": 0.8},
    {"mirostat": [0.1, 0.1]},
]


def main():
    llama.llama_backend_init()
    params = llama.llama_model_default_params()
    params.vocab_only = True
    vocab = llama.llama_model_get_vocab(llama.llama_model_load_from_file(MODEL.encode(), params))
    out = {"rows": {name: row(*r) for name, r in ROWS.items()}, "history": HISTORY, "cases": []}
    for name, logits in out["rows"].items():
        for options in CASES:
            result = kept(vocab, logits, HISTORY, options)
            named = {k: [[i, None if b == float("-inf") else b] for i, b in v]
                     if k == "logit_bias" else v for k, v in options.items()}
            out["cases"].append({"row": name, "options": named, "kept": result})
    print(json.dumps(out, separators=(",", ":")).replace('{"row"', '\n{"row"'))


main()
