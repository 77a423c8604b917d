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
    T.IQ2_XXS: [0], T.IQ2_XS: [0], T.IQ2_S: [0], T.IQ3_XXS: [0], T.IQ3_S: [0], T.IQ1_S: [0],
    T.IQ1_M: [], T.TQ1_0: [52], T.TQ2_0: [64], T.MXFP4: [], T.NVFP4: [],
}
# Scales that are not float16: the exponent of MXFP4, one for each block, and
# the smaller floats of NVFP4, of which 0x7f means zero.
BYTES = {
    T.MXFP4: [[0x75], [0x80], [0x7c]],
    T.NVFP4: [[0x38, 0x05, 0x7e, 0x00], [0x7f, 0x08, 0x2b, 0x31], [0x3f, 0x40, 0x17, 0x29]],
}

rng = np.random.default_rng(20)
lines = []
for kind, places in HALVES.items():
    _, size = GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (3, size), dtype=np.uint8)
    for place in places:
        scale = rng.uniform(-0.5, 0.5, 3).astype("<f2").view(np.uint8).reshape(3, 2)
        blocks[:, place:place + 2] = scale
    if kind == T.IQ1_M:
        # Four bits of a float16 scale in the top of each of four words.
        bits = rng.uniform(-0.5, 0.5, 3).astype("<f2").view("<u2")
        for i in range(4):
            blocks[:, 49 + 2 * i] = blocks[:, 49 + 2 * i] & 15 | (bits >> 4 * i & 15) << 4
    if kind in BYTES:
        scales = np.array(BYTES[kind], dtype=np.uint8)
        blocks[:, :scales.shape[1]] = scales
    weights = dequantize(blocks, kind).astype("<f4")
    lines.append(f"{kind.name} {blocks.tobytes().hex()} {weights.tobytes().hex()}")
# The package does not read these two. A block is a float16 scale, then codes
# from the lowest bits on, which stand for -1 and 1, or for -1 to 2.
for name, count, bits in [("Q1_0", 128, 1), ("Q2_0", 64, 2)]:
    scales = rng.uniform(-0.5, 0.5, (3, 1)).astype("<f2")
    codes = rng.integers(0, 1 << bits, (3, count), dtype=np.uint8)
    weights = ((codes * 2.0 - 1 if bits == 1 else codes - 1.0) * scales).astype("<f4")
    planes = codes[..., None] >> np.arange(bits, dtype=np.uint8) & 1
    packed = np.packbits(planes.reshape(3, -1), axis=1, bitorder="little")
    blocks = np.concatenate([scales.view(np.uint8), packed], axis=1)
    lines.append(f"{name} {blocks.tobytes().hex()} {weights.tobytes().hex()}")
pathlib.Path(__file__).with_name("dequantized.txt").write_text("\n".join(lines) + "\n")
