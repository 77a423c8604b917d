"""Writes smallmind-runtime/tests/data/tiny_logits.txt: the logits of llama.cpp for the tiny random models.

    cargo run -p smallmind-testkit --example write_tiny_models -- FOLDER
    python smallmind-testkit/reference/tiny_models.py FOLDER

Needs `pip install llama-cpp-python==0.3.36 gguf numpy`. Each line has the
model's name, its tokens, the positions that were written, and their rows of
logits as little-endian float32 in hex, one after the other. Everything is
computed in float32, of quantized models with float32 copies of their weights.
"""
import pathlib
import sys
import float32

TOKENS = 60


def logits(path, positions):
    model = float32.load(path)
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
        float32.dequantize(path, plain / path.name)
        lines.append(logits(plain / path.name, [30]))
    else:
        lines.append(logits(path, [0, 1, 7, 15, 16, 17, 30, 45, 59]))
root = pathlib.Path(__file__).parents[2]
(root / "smallmind-runtime/tests/data/tiny_logits.txt").write_text("\n".join(lines) + "\n")
