"""Writes smallmind-runtime/tests/data/tiny_vectors.txt: what the tiny random encoders make of some tokens.

    cargo run -p smallmind-testkit --example write_tiny_models -- FOLDER
    python smallmind-testkit/reference/tiny_encoders.py FOLDER

Needs `pip install llama-cpp-python==0.3.36 gguf numpy`. Each line has the
encoder's name, its tokens, the positions that were written, and their rows by
llama.cpp and by the definition, as little-endian float32 in hex.
"""
import pathlib
import sys
import numpy as np
import encoders

TOKENS, POSITIONS = 75, [0, 1, 31, 32, 60, 74]

lines = []
for path in sorted(pathlib.Path(sys.argv[1], "encoders").glob("*.gguf")):
    definition = encoders.Definition(path)
    vocab = len(definition.tensors["token_embd.weight"])
    tokens = [(i * 37 + 11) % vocab for i in range(TOKENS)]
    both = [made.vectors(tokens) for made in (encoders.Reference(path), definition)]
    print(path.stem, "worst difference", np.abs(both[0] - both[1]).max())
    comma = lambda numbers: ",".join(map(str, numbers))
    rows = " ".join(rows[POSITIONS].astype("<f4").tobytes().hex() for rows in both)
    lines.append(f"{path.stem} {comma(tokens)} {comma(POSITIONS)} {rows}")
root = pathlib.Path(__file__).parents[2]
(root / "smallmind-runtime/tests/data/tiny_vectors.txt").write_text("\n".join(lines) + "\n")
