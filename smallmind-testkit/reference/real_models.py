"""Writes what llama.cpp makes of a real model: smallmind-engine/tests/data/NAME.json.

    python smallmind-testkit/reference/real_models.py smollm2-135m MODEL.gguf
    python smallmind-testkit/reference/real_models.py gemma3-270m MODEL.gguf

Needs `pip install llama-cpp-python==0.3.36 gguf numpy`. Control tokens are
parsed, and BOS added where the model wants it. The file has

    tokens  texts and their ids
    greedy  prompts, their most probable continuations of up to 64 tokens (fewer
            where the model ended), and by how much each token's logit lay above
            the second
    logits  for three texts, by position: the ten highest logits
    quantized  of llama.cpp with the file as it is: the same as greedy, how far the
            ten logits are off on average, how often the best is the same, and
            the mean Kullback-Leibler divergence from float32, in nats a token

Greedy and logits are computed with a float32 copy of the weights. With the
quantized weights llama.cpp rounds activations to 8 bits, and such rounding
amplifies any other: the same file, computed token by token instead of at once,
gives logits that differ by as much as `quantized` says.
"""
import json
import pathlib
import sys
import tempfile
import float32
import llama_cpp as lc
import numpy as np

CHAT = {
    "smollm2-135m": "<|im_start|>user\nWhy is the sky blue?<|im_end|>\n<|im_start|>assistant\n",
    "gemma3-270m": "<start_of_turn>user\nWhy is the sky blue?<end_of_turn>\n<start_of_turn>model\n",
}
PROMPTS = [
    "The capital of France is",
    "def fibonacci(n):\n    ",
    "Die Hauptstadt von Deutschland ist",
    "今天天气很好，我们一起去",
    "I love pizza 🍕 and parties 🎉 because",
    "3.14159 26535 89793 23846",
    "a        b\n\n\n\t\tc          ",
    "SELECT name, COUNT(*) FROM users WHERE",
    "Il était une fois, dans une forêt lointaine,",
    '{"name": "Alice", "age": 30, "tags": [',
    "Привет! Как дела?",
]
TEXTS = [
    "The river had frozen early that year, and by the first week of December the boys were skating "
    "where the ferry used to run. Nobody in the village could remember such a winter. The miller, "
    "who was the oldest man among them, said that his grandfather had once driven a cart and two "
    "horses from one bank to the other, but the miller said many things, and most of them after "
    "supper. On the far side stood the old customs house with its broken shutters. It had been empty "
    "since the war, though some evenings a light could be seen in the upper window, moving slowly "
    "from left to right. Anna did not believe in ghosts. She believed in smugglers, in lanterns, and "
    "in the habit people have of not looking closely at what frightens them. So on the twelfth of "
    "December, a little after five, she tied on her skates, put a candle and a heel of bread in her "
    "pocket, and set out across the ice alone.",
    "use std::collections::HashMap;\n\n/// Counts how often each word occurs in a text.\npub fn "
    "word_counts(text: &str) -> HashMap<String, usize> {\n    let mut counts = HashMap::new();\n    "
    "for word in text.split_whitespace() {\n        let word = word.trim_matches(|c: char| "
    "!c.is_alphanumeric()).to_lowercase();\n        if !word.is_empty() {\n            "
    "*counts.entry(word).or_insert(0) += 1;\n        }\n    }\n    counts\n}\n\n#[cfg(test)]\nmod "
    "tests {\n    use super::*;\n\n    #[test]\n    fn counts_words() {\n        let counts = "
    'word_counts("The cat and the hat.");\n        assert_eq!(counts["the"], 2);\n        '
    'assert_eq!(counts["cat"], 1);\n        assert_eq!(counts.len(), 4);\n    }\n}\n',
    "Deutsch: Am Morgen ging der Lehrer langsam über die Brücke und dachte an nichts Besonderes. "
    "Français : Le marché ouvre à huit heures, sauf le dimanche. 中文：学而时习之，不亦说乎？有朋自远方来，"
    "不亦乐乎？ 日本語：吾輩は猫である。名前はまだ無い。 Русский: Мороз и солнце; день чудесный! Español: En un "
    "lugar de la Mancha, de cuyo nombre no quiero acordarme. Numbers: 1, 10, 100, 1000, 3.14, 2^10 = "
    "1024. Emoji: 🦀🚀 👍🏽 👩‍🚀. Ελληνικά: Εν αρχή ην ο λόγος.",
]
TOKENS = 64


def row(model):
    return np.ctypeslib.as_array(lc.llama_get_logits_ith(model.ctx, -1), (model.n_vocab(),))


def greedy(model, prompt):
    ids, gaps = [], []
    model.reset()
    prompt_ids = model.tokenize(prompt.encode(), add_bos=True, special=True)
    model.eval(prompt_ids)
    vocab = lc.llama_model_get_vocab(model.model)
    ended = False
    while len(ids) < TOKENS and not ended:
        first, second = np.argsort(-row(model), kind="stable")[:2]
        gaps.append(round(float(row(model)[first] - row(model)[second]), 4))
        ended = bool(lc.llama_vocab_is_eog(vocab, int(first)))
        if not ended:
            ids.append(int(first))
            model.eval([int(first)])
    return {"prompt": prompt, "prompt_ids": prompt_ids, "ids": ids, "gaps": gaps}


def rows(model, ids):
    model.reset()
    model.eval(ids)
    return model.scores[: len(ids)].copy()


def logits(model, text):
    ids = model.tokenize(text.encode(), add_bos=True, special=True)[:200]
    scores = rows(model, ids)
    tops = [np.argsort(-r, kind="stable")[:10] for r in scores]
    return {
        "ids": ids,
        "top": [[int(i) for i in top] for top in tops],
        "logits": [[round(float(r[i]), 4) for i in top] for r, top in zip(scores, tops)],
    }


def log_softmax(scores):
    scores = scores.astype(np.float64)
    scores -= scores.max(-1, keepdims=True)
    return scores - np.log(np.exp(scores).sum(-1, keepdims=True))


def divergence(exact, other):
    p, q = log_softmax(exact), log_softmax(other)
    return (np.exp(p) * (p - q)).sum(-1)


def quantized(model, exact, texts):
    off, agreed, divergences = [], [], []
    for text in texts:
        scores, top = rows(model, text["ids"]), np.array(text["top"])
        off.append(np.abs(np.take_along_axis(scores, top, -1) - text["logits"]))
        agreed.append(scores.argmax(-1) == top[:, 0])
        divergences.append(divergence(rows(exact, text["ids"]), scores))
    return {
        "greedy": [greedy(model, prompt) for prompt in prompts],
        "difference": round(float(np.concatenate(off).mean()), 4),
        "agreement": round(float(np.concatenate(agreed).mean()), 4),
        "divergence": round(float(np.concatenate(divergences).mean()), 5),
    }


name, path = sys.argv[1:]
prompts = PROMPTS + [CHAT[name]]
texts = prompts + TEXTS + ["", " ", "\r\n \t x", "<|im_end|><end_of_turn><bos>", "don't I'LL"]
with tempfile.TemporaryDirectory() as folder:
    float32.dequantize(path, f"{folder}/float32.gguf")
    exact = float32.load(f"{folder}/float32.gguf")
model = lc.Llama(path, n_ctx=512, n_batch=512, n_threads=2, logits_all=True, verbose=False)
out = {
    "tokens": [[t, model.tokenize(t.encode(), add_bos=True, special=True)] for t in texts],
    "greedy": [greedy(exact, prompt) for prompt in prompts],
    "logits": [logits(exact, text) for text in TEXTS],
}
out["quantized"] = quantized(model, exact, out["logits"])
root = pathlib.Path(__file__).parents[2]
target = root / f"smallmind-engine/tests/data/{name}.json"
target.write_text(json.dumps(out, ensure_ascii=False, separators=(",", ":")) + "\n")
