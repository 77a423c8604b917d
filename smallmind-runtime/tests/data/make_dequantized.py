"""Writes dequantized.txt: blocks of every quantized type and what they stand for.

Needs the packages gguf and numpy (`pip install gguf numpy`). Each line has the
type's name, three blocks of random bytes with sane scales in hex, and the
weights that gguf.quants, which is written independently of ggml's C, reads
from them, as little-endian float32 in hex.
"""
import pathlib
import numpy as np
from gguf import GGMLQuantizationType as T, GGML_QUANT_SIZES
from gguf.quants import dequantize

# Where a block holds float16 scales.
HALVES = {
    T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0],
    T.Q2_K: [80, 82], T.Q3_K: [108], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208],
    T.IQ4_NL: [0], T.IQ4_XS: [0],
}

rng = np.random.default_rng(20)
lines = []
for kind, places in HALVES.items():
    _, size = GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (3, size), dtype=np.uint8)
    for place in places:
        scale = rng.uniform(-0.5, 0.5, 3).astype("<f2").view(np.uint8).reshape(3, 2)
        blocks[:, place:place + 2] = scale
    weights = dequantize(blocks, kind).astype("<f4")
    lines.append(f"{kind.name} {blocks.tobytes().hex()} {weights.tobytes().hex()}")
pathlib.Path(__file__).with_name("dequantized.txt").write_text("\n".join(lines) + "\n")
