"""Ids of many texts, from llama.cpp: VOCABULARY CASES IDS.

CASES holds, for each text, one byte of flags (1: parse special tokens, 2: add
them), its length in four bytes, and the text; IDS gets a count and ids in four
bytes each.
"""
import ctypes, struct, sys
import llama_cpp

vocabulary, cases, ids = sys.argv[1:]
quiet = llama_cpp.llama_log_callback(lambda *_: None)
llama_cpp.llama_log_set(quiet, ctypes.c_void_p(0))
model = llama_cpp.Llama(vocabulary, n_ctx=32, vocab_only=True, verbose=False)
vocab = llama_cpp.llama_model_get_vocab(model.model)
data = open(cases, "rb").read()
out = open(ids, "wb")
at = 0
while at < len(data):
    flags, size = struct.unpack_from("<BI", data, at)
    text = data[at + 5 : at + 5 + size]
    at += 5 + size
    room = size * 4 + 16
    tokens = (llama_cpp.llama_token * room)()
    count = llama_cpp.llama_tokenize(vocab, text, size, tokens, room, bool(flags & 2), bool(flags & 1))
    assert 0 <= count <= room
    out.write(struct.pack("<I", count) + bytes(tokens)[: count * 4])
