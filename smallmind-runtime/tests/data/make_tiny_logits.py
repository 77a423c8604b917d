"""Writes tiny_logits.txt: the logits of llama.cpp for the tiny random models.

    cargo run -p smallmind-testkit --example write_tiny_models -- FOLDER
    python make_tiny_logits.py FOLDER

Needs `pip install llama-cpp-python==0.3.36 gguf numpy`. Each line has the
model's name, its tokens, the positions that were written, and their rows of
logits as little-endian float32 in hex, one after the other. Everything is
computed in float32: keys and values are cached so, flash attention is off, and
of quantized models gguf, which is written independently of ggml's C, makes
float32 ones first.
"""
import pathlib
import sys
import gguf
import llama_cpp as lc
import numpy as np

TOKENS = 60


def dequantize(source, target):
    """Writes a model with the same metadata and float32 tensors."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, "llama")
    for field in reader.fields.values():
        if field.name == "general.architecture" or field.name.startswith("GGUF."):
            continue
        kind = field.types[0]
        inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, inner)
    for tensor in reader.tensors:
        weights = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype("<f4")
        writer.add_tensor(tensor.name, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def logits(path, positions):
    model = lc.Llama(
        str(path), n_ctx=512, n_batch=512, n_threads=2, logits_all=True, verbose=False,
        type_k=0, type_v=0, flash_attn=False,
    )
    vocab = model.n_vocab()
    tokens = [(i * 37 + 11) % vocab for i in range(TOKENS)]
    model.eval(tokens)
    rows = model.scores[positions].astype("<f4")
    comma = lambda numbers: ",".join(map(str, numbers))
    return f"{path.stem} {comma(tokens)} {comma(positions)} {rows.tobytes().hex()}"


folder = pathlib.Path(sys.argv[1])
plain = folder / "float32"
plain.mkdir(exist_ok=True)
lines = []
for path in sorted(folder.glob("*.gguf")):
    if path.stem.startswith("llama-") and "q" in path.stem[:8]:
        dequantize(path, plain / path.name)
        lines.append(logits(plain / path.name, [30]))
    else:
        lines.append(logits(path, [0, 1, 7, 15, 16, 17, 30, 45, 59]))
pathlib.Path(__file__).with_name("tiny_logits.txt").write_text("\n".join(lines) + "\n")
