"""Writes the types that llama.cpp's quantizer gives the tensors of models, as
smallmind-runtime/tests/data/recipes.txt has them:

    python reference/recipes.py > ../smallmind-runtime/tests/data/recipes.txt

Needs llama-cpp-python 0.3.36 and gguf. The models have tensors of two rows of
zeros: only names, rows and metadata choose the type.
"""

import ctypes
import itertools
import os
import sys
import tempfile

import gguf
import llama_cpp
import numpy

LAYERS = 16
COLS = 256
SPLIT = ["attn_q", "attn_k", "attn_v", "attn_output"]
FUSED = ["attn_qkv", "attn_output"]
GATED = ["ffn_gate", "ffn_up", "ffn_down"]
EXPERTS = ["ffn_gate_inp", "ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"]
SHARED = ["ffn_gate_shexp", "ffn_up_shexp", "ffn_down_shexp"]
# Name: architecture, heads, heads of keys and values, experts, an output of its
# own, parts of a layer.
MODELS = {
    "heads": ("llama", 4, 4, 0, 1, SPLIT + GATED),
    "shared-heads": ("llama", 4, 1, 0, 0, SPLIT + GATED),
    "eight-experts": ("llama", 4, 1, 8, 1, SPLIT + EXPERTS),
    "four-experts": ("qwen2moe", 4, 4, 4, 1, SPLIT + EXPERTS + SHARED),
    "fused": ("phi3", 4, 4, 0, 1, FUSED + ["ffn_up", "ffn_down"]),
    "falcon": ("falcon", 4, 1, 0, 1, FUSED + ["ffn_up", "ffn_down"]),
}
RECIPES = {
    "Q8_0": 7, "Q6_K": 18, "Q5_K_M": 17, "Q5_K_S": 16, "Q5_1": 9, "Q5_0": 8, "Q4_K_M": 15,
    "Q4_K_S": 14, "Q4_1": 3, "Q4_0": 2, "IQ4_NL": 25, "IQ4_XS": 30, "Q3_K_L": 13, "Q3_K_M": 12,
    "Q3_K_S": 11, "Q2_K": 10,
}  # fmt: skip


def write(path, architecture, heads, heads_kv, experts, output, parts):
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(128)
    writer.add_embedding_length(COLS)
    writer.add_feed_forward_length(COLS)
    writer.add_block_count(LAYERS)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads_kv)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_layer_norm_eps(1e-5)
    writer.add_rope_dimension_count(COLS // heads)
    if experts:
        writer.add_expert_count(experts)
        writer.add_expert_used_count(2)
        writer.add_expert_feed_forward_length(COLS)
        writer.add_expert_shared_feed_forward_length(COLS)
    names = ["token_embd"] + ["output"] * output
    names += [f"blk.{i}.{part}" for i, part in itertools.product(range(LAYERS), parts)]
    for name in names:
        shape = [experts, 2, COLS] if name.endswith("_exps") else [2, COLS]
        writer.add_tensor(f"{name}.weight", numpy.zeros(shape, numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def types(path):
    """The types of each part, layer by layer, as runs."""
    found = {}
    for tensor in gguf.GGUFReader(path).tensors:
        part = tensor.name.removesuffix(".weight").split(".")[-1]
        found.setdefault(part, []).append(tensor.tensor_type.name)
    for part, each in found.items():
        runs = [f"{name}*{len(list(run))}" for name, run in itertools.groupby(each)]
        yield part, " ".join(runs)


def main():
    print(f"# Made by smallmind-testkit/reference/recipes.py with llama-cpp-python "
          f"{llama_cpp.__version__}.")  # fmt: skip
    print("# model NAME ARCHITECTURE LAYERS HEADS KV_HEADS EXPERTS; recipe NAME; PART TYPE*LAYERS …")
    silent = llama_cpp.llama_log_callback(lambda *_: None)
    llama_cpp.llama_log_set(silent, ctypes.c_void_p(0))
    with tempfile.TemporaryDirectory() as folder:
        source, to = os.path.join(folder, "source.gguf"), os.path.join(folder, "to.gguf")
        for name, model in MODELS.items():
            write(source, *model)
            print("model", name, model[0], LAYERS, *model[1:4])
            for recipe, file_type in RECIPES.items():
                params = llama_cpp.llama_model_quantize_default_params()
                params.ftype = file_type
                status = llama_cpp.llama_model_quantize(source.encode(), to.encode(), params)
                if status != 0:
                    sys.exit(f"{name}: {recipe}: status {status}")
                print("recipe", recipe)
                for part, runs in types(to):
                    print(part, runs)


main()
