"""Vectors of encoders by llama.cpp, and by the definition of BERT in float64.

Needs `pip install llama-cpp-python==0.3.36 gguf numpy`.
"""
import ctypes
import math
import gguf
import llama_cpp as lc
import numpy as np

erf = np.vectorize(math.erf)


class Reference:
    """llama.cpp, which computes GELU by tanh and a table in half precision."""

    def __init__(self, path, threads=2, tokens=512, sequences=1):
        lc.llama_backend_init()
        lc.llama_log_set(_silent, None)
        self.model = lc.llama_model_load_from_file(str(path).encode(), lc.llama_model_default_params())
        params = lc.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = tokens
        params.n_seq_max = sequences
        params.embeddings = True
        params.n_threads = params.n_threads_batch = threads
        params.pooling_type = 0
        params.flash_attn_type = lc.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self.context = lc.llama_init_from_model(self.model, params)
        self.length = lc.llama_model_n_embd(self.model)

    def tokens(self, text, most=512):
        vocab, data = lc.llama_model_get_vocab(self.model), text.encode()
        ids = (lc.llama_token * (len(data) + 8))()
        count = lc.llama_tokenize(vocab, data, len(data), ids, len(ids), True, False)
        return list(ids[:count])[:most]

    def vectors(self, tokens):
        """A row for each token."""
        batch = lc.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for i, token in enumerate(tokens):
            batch.token[i], batch.pos[i], batch.n_seq_id[i] = token, i, 1
            batch.seq_id[i][0], batch.logits[i] = 0, 1
        assert lc.llama_encode(self.context, batch) == 0
        rows = [lc.llama_get_embeddings_ith(self.context, i)[: self.length] for i in range(len(tokens))]
        lc.llama_batch_free(batch)
        return np.array(rows)


@lc.llama_log_callback
def _silent(level, text, data):
    pass


class Definition:
    """The forward pass of BERT and of nomic-bert, written down once more."""

    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        arch = reader.fields["general.architecture"].contents()
        number = lambda key: reader.fields[f"{arch}.{key}"].contents()
        self.heads, self.layers = number("attention.head_count"), number("block_count")
        self.epsilon = number("attention.layer_norm_epsilon")
        self.base = number("rope.freq_base") if arch == "nomic-bert" else None
        self.tensors = {t.name: gguf.quants.dequantize(t.data, t.tensor_type).astype("f8") for t in reader.tensors}

    def linear(self, x, name):
        return x @ self.tensors[f"{name}.weight"].T + self.tensors.get(f"{name}.bias", 0)

    def norm(self, x, name):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + self.epsilon)
        return x * self.tensors[f"{name}.weight"] + self.tensors[f"{name}.bias"]

    def turn(self, x):
        if self.base is None:
            return x
        half = x.shape[-1] // 2
        angles = np.arange(x.shape[1])[:, None] * self.base ** (-np.arange(half) / half)
        low, high = x[..., :half], x[..., half:]
        cos, sin = np.cos(angles), np.sin(angles)
        return np.concatenate([low * cos - high * sin, low * sin + high * cos], -1)

    def attention(self, x, name):
        if f"{name}.attn_qkv.weight" in self.tensors:
            parts = np.split(self.linear(x, f"{name}.attn_qkv"), 3, -1)
        else:
            parts = [self.linear(x, f"{name}.attn_{p}") for p in "qkv"]
        q, k, v = (p.reshape(len(x), self.heads, -1).swapaxes(0, 1) for p in parts)
        scores = self.turn(q) @ self.turn(k).swapaxes(1, 2) / math.sqrt(q.shape[-1])
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        return self.linear((weights @ v).swapaxes(0, 1).reshape(x.shape), f"{name}.attn_output")

    def inner(self, x, name):
        up = self.linear(x, f"{name}.ffn_up")
        if f"{name}.ffn_gate.weight" in self.tensors:
            gate = self.linear(x, f"{name}.ffn_gate")
            return up * gate / (1 + np.exp(-gate))
        return up * (1 + erf(up / math.sqrt(2))) / 2

    def vectors(self, tokens):
        x = self.tensors["token_embd.weight"][tokens]
        if "token_types.weight" in self.tensors:
            x = x + self.tensors["token_types.weight"][0]
        if self.base is None:
            x = x + self.tensors["position_embd.weight"][: len(tokens)]
        x = self.norm(x, "token_embd_norm")
        for layer in range(self.layers):
            name = f"blk.{layer}"
            x = self.norm(x + self.attention(x, name), f"{name}.attn_output_norm")
            x = self.norm(x + self.linear(self.inner(x, name), f"{name}.ffn_down"), f"{name}.layer_output_norm")
        return x
