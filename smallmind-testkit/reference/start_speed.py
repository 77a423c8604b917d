"""Measures how long llama.cpp takes to load a model and make one token: one line of JSON, in seconds.

    python smallmind-testkit/reference/start_speed.py MODEL.gguf

Needs `pip install llama-cpp-python==0.3.36`. Python's own start is not counted.
The file is in the page cache from the second run on.
"""
import json
import sys
import time

import llama_cpp

start = time.perf_counter()
model = llama_cpp.Llama(sys.argv[1], n_ctx=4096, n_threads=2, n_threads_batch=2, verbose=False)
model.create_completion("The capital of France is", max_tokens=1, temperature=0.0)
print(json.dumps({"seconds": time.perf_counter() - start}))
