"""Float32 copies of quantized models, and llama.cpp with no rounding of its own.

gguf dequantizes; it is written independently of ggml's C.
"""
import gguf
import llama_cpp as lc


def dequantize(source, target):
    """Writes a model with the same metadata and float32 tensors."""
    reader = gguf.GGUFReader(source)
    architecture = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(target, architecture)
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


def load(path):
    """A model whose keys and values are cached as float32, for 512 tokens."""
    return lc.Llama(
        str(path), n_ctx=512, n_batch=512, n_threads=2, logits_all=True, verbose=False,
        type_k=0, type_v=0, flash_attn=False,
    )
