"""Seconds that llama.cpp takes to load a vocabulary and to encode a text: MODEL TEXT [ROUNDS].

Prints one JSON object; each number is the median of the rounds. One thread.
"""
import ctypes, json, statistics, sys, time
import llama_cpp

model_path, text_path = sys.argv[1:3]
rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
quiet = llama_cpp.llama_log_callback(lambda *_: None)
llama_cpp.llama_log_set(quiet, ctypes.c_void_p(0))
text = open(text_path, "rb").read()
room = len(text) + 16
tokens = (llama_cpp.llama_token * room)()
params = llama_cpp.llama_model_default_params()
params.vocab_only = True
build, encode = [], []
for _ in range(rounds):
    start = time.perf_counter()
    model = llama_cpp.llama_model_load_from_file(model_path.encode(), params)
    loaded = time.perf_counter()
    vocab = llama_cpp.llama_model_get_vocab(model)
    count = llama_cpp.llama_tokenize(vocab, text, len(text), tokens, room, False, False)
    build.append(loaded - start)
    encode.append(time.perf_counter() - loaded)
    llama_cpp.llama_model_free(model)
    assert count > 0
print(json.dumps({"build": statistics.median(build), "encode": statistics.median(encode), "tokens": count,
                  "megabytes_per_second": len(text) / 1e6 / statistics.median(encode)}))
