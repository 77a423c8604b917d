"""Writes quantization_errors.txt: how well ggml's own quantizers stand for weights.

Needs the packages llama-cpp-python and numpy (`pip install llama-cpp-python numpy`). Each
line has a type's name, the name of a distribution (see `weights`, which
src/quantization/tests.rs repeats) and the root of the mean squared error over that of the
weights.
"""
import ctypes
import pathlib
import llama_cpp
import numpy as np

TYPES = {
    "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q5_0": 6, "Q5_1": 7, "Q8_0": 8, "Q2_K": 10, "Q3_K": 11,
    "Q4_K": 12, "Q5_K": 13, "Q6_K": 14, "IQ4_NL": 20, "IQ4_XS": 23, "BF16": 30,
}
COUNT = 64 * 256

library = ctypes.CDLL(next((pathlib.Path(llama_cpp.__file__).parent / "lib").glob("libggml-base.so")))
floats = ctypes.POINTER(ctypes.c_float)


class Traits(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p), ("block", ctypes.c_int64), ("interleave", ctypes.c_int64),
        ("size", ctypes.c_size_t), ("quantized", ctypes.c_bool),
        ("to_float", ctypes.CFUNCTYPE(None, ctypes.c_void_p, floats, ctypes.c_int64)),
    ]


library.ggml_get_type_traits.restype = ctypes.POINTER(Traits)
library.ggml_quantize_chunk.restype = ctypes.c_size_t
library.ggml_quantize_chunk.argtypes = [
    ctypes.c_int, floats, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, floats,
]


def uniform(count, seed):
    """SplitMix64, between -1 and 1."""
    state = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
    z = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / (1 << 23) - 1.0


def weights(distribution):
    """Nearly normal, or with outliers; every fourth 256 four times as large."""
    u = uniform(4 * COUNT, 7).reshape(COUNT, 4)
    if distribution == "normal":
        x = u[:, 0] + u[:, 1] + u[:, 2] + u[:, 3]
    else:
        x = u[:, 0] * u[:, 1] * u[:, 2]
    return (x * (1 + np.arange(COUNT) // 256 % 4)).astype(np.float32)


lines = []
for name, number in TYPES.items():
    traits = library.ggml_get_type_traits(number).contents
    for distribution in ("normal", "outliers"):
        x = weights(distribution)
        blocks = ctypes.create_string_buffer(COUNT // traits.block * traits.size)
        library.ggml_quantize_chunk(
            number, x.ctypes.data_as(floats), blocks, 0, COUNT // 1024, 1024, None)
        back = np.empty_like(x)
        traits.to_float(blocks, back.ctypes.data_as(floats), COUNT)
        error = np.sqrt(np.mean((x - back).astype(np.float64) ** 2) / np.mean(x.astype(np.float64) ** 2))
        lines.append(f"{name} {distribution} {error:.10f}")
pathlib.Path(__file__).with_name("quantization_errors.txt").write_text("\n".join(lines) + "\n")
