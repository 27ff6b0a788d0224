"""Writes FOLDER/NAME/tokenizer.json of every kind that import takes, with small vocabularies learned from
TEXT, and FOLDER/texts: lines of every script, control characters and long runs.

  make_tokenizers.py TEXT FOLDER
"""
import collections
import json
import math
import random
import re
import sys
import unicodedata
from pathlib import Path

CONTRACTIONS = "'s|'t|'re|'ve|'m|'ll|'d"
GPT2 = CONTRACTIONS + r"| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:%s)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+" % CONTRACTIONS)
QWEN2 = LLAMA3.replace("{1,3}", "")


def byte_alphabet():
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {**{b: chr(b) for b in printable}, **{b: chr(256 + i) for i, b in enumerate(others)}}


def learn(words, merges):
    """Sennrich's merges of the most frequent pairs; words: tuples of pieces with counts."""
    found = []
    words = dict(words)
    while len(found) < merges:
        pairs = collections.Counter()
        for word, count in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += count
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        found.append(best)
        joined = {}
        for word, count in words.items():
            pieces, i = [], 0
            while i < len(word):
                if word[i : i + 2] == best:
                    pieces.append(best[0] + best[1])
                    i += 2
                else:
                    pieces.append(word[i])
                    i += 1
            joined[tuple(pieces)] = count
        words = joined
    return found


def added(vocabulary, tokens):
    first = max(vocabulary.values()) + 1
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    return [{"id": first + i, "content": content, **plain, **flags} for i, (content, flags) in enumerate(tokens)]


# A token of spaces and one that takes spaces along are not together: engines differ on what each of them gets.
SPACES, STRIPS = ("   ", {"normalized": True}), ("[strip]", {"lstrip": True, "rstrip": True})


def specials(last):
    return [("<|endoftext|>", {"special": True}), ("<|im_start|>", {"special": True}), ("<tool>", {}), last]


def split(regex):
    step = {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}
    return {"type": "Sequence", "pretokenizers": [step, byte_level(False)]}


def byte_level(regex):
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": regex}


def byte_bpe(text, pre_tokenizer, last=SPACES, ignore_merges=False):
    alphabet = byte_alphabet()
    words = collections.Counter(" " + word for word in text.split())
    spelled = {tuple(alphabet[b] for b in word.encode()): count for word, count in words.items()}
    merges = learn(spelled, 400)
    vocabulary = {piece: i for i, piece in enumerate(alphabet.values())}
    for left, right in merges:
        vocabulary.setdefault(left + right, len(vocabulary))
    if ignore_merges:  # words that the merges do not lead to
        for word in ("unbelievable", "\u0120tokenizers", "\u0120xyzzy"):
            vocabulary.setdefault(word, len(vocabulary))
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "",
             "end_of_word_suffix": "", "fuse_unk": False, "byte_fallback": False, "vocab": vocabulary,
             "ignore_merges": ignore_merges, "merges": [f"{left} {right}" for left, right in merges]}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added(vocabulary, specials(last)),
            "normalizer": None, "pre_tokenizer": pre_tokenizer, "post_processor": byte_level(True),
            "decoder": byte_level(True), "model": model}


def sentencepiece_bpe(text, steps):
    block = "\u2581"
    words = collections.Counter(block + word for word in text.split())
    merges = learn({tuple(word): count for word, count in words.items()}, 400)
    vocabulary = {piece: i for i, piece in enumerate(["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256))])}
    for piece in sorted({c for word in words for c in word}) + [left + right for left, right in merges]:
        vocabulary.setdefault(piece, len(vocabulary))
    specials = [{"id": i, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
                 "normalized": False, "special": True} for i, content in enumerate(["<unk>", "<s>", "</s>"])]
    model = {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
             "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "vocab": vocabulary,
             "merges": [[left, right] for left, right in merges]}
    decoder = [{"type": "Replace", "pattern": {"String": block}, "content": " "}, {"type": "ByteFallback"},
               {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": specials, "post_processor": None,
            "decoder": {"type": "Sequence", "decoders": decoder}, "model": model, **steps}


def unigram(text, byte_fallback, steps):
    """Pieces of words with the logarithms of their shares of all pieces, as float64."""
    block = "\u2581"
    words = collections.Counter(block + word for word in text.split())
    counts = collections.Counter()
    for word, count in words.items():
        for i in range(len(word)):
            for end in range(i + 1, min(len(word), i + 8) + 1):
                counts[word[i:end]] += count
    kept = [piece for piece, count in counts.most_common(1500) if len(piece) == 1 or count > 3]
    total = sum(counts[piece] for piece in kept)
    vocabulary = [["<unk>", 0.0], ["<s>", 0.0], ["</s>", 0.0]]
    if byte_fallback:
        vocabulary += [[f"<0x{b:02X}>", 0.0] for b in range(256)]
    vocabulary += [[piece, math.log(counts[piece] / total)] for piece in kept]
    specials = [{"id": i, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
                 "normalized": False, "special": True} for i, content in enumerate(["<unk>", "<s>", "</s>"])]
    decoder = {"type": "Metaspace", "replacement": block, "prepend_scheme": "always", "split": True}
    model = {"type": "Unigram", "unk_id": 0, "vocab": vocabulary, "byte_fallback": byte_fallback}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": specials, "post_processor": None,
            "decoder": decoder, "model": model, **steps}


def bert(text, lowercase):
    """The characters, and the commonest beginnings and ends of words."""
    cut = re.findall(r"\w+|[^\w\s]", text.lower() if lowercase else text)
    pieces = collections.Counter()
    for word in cut:
        for i in range(1, len(word) + 1):
            pieces[word[:i]] += 1
            pieces["##" + word[len(word) - i :]] += word[len(word) - i :] != word
            pieces["##" + word[i - 1]] += 1
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    kept = names + sorted(piece for piece, count in pieces.most_common(900))
    normalizer = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
                  "lowercase": lowercase}
    model = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
             "max_input_chars_per_word": 100, "vocab": {piece: i for i, piece in enumerate(kept)}}
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [{"id": i, "content": name, **plain} for i, name in enumerate(names)],
            "normalizer": normalizer, "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": None,
            "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True}, "model": model}


def texts(text):
    rng = random.Random(1)
    assigned = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]
    # JavaScript's \s has U+FEFF and not U+0085; a line ends at these, and a NUL ends a JSON string in old parsers.
    assigned = [c for c in assigned if c not in "\ufeff\u0085\n\r\0"]
    blocks = [assigned[i : i + 96] for i in range(0, len(assigned), 96)]
    common = list("ab cdet s12.,'!?<>|_-\t\u00e9\u3000\u4e2d\u0301") + ["'s", "'LL", "  ", "   ", "<|endoftext|>", "<tool>",
                                                             "[strip]", " the", "123", "\U0001f600"]
    lines = [line for line in text.splitlines() if line.strip()][:200]
    for _ in range(1500):
        pool = rng.choice([common, common, rng.choice(blocks), rng.choice(blocks) + common])
        line = "".join(rng.choice(pool) * rng.choice([1, 1, 1, 2, 5]) for _ in range(rng.randint(1, 40)))
        lines.append("".join(line.splitlines()))
    lines += [c * 700 for c in "a 1.'\u4e2d\u3000"]
    return [line for line in lines if line]


def main():
    text, folder = Path(sys.argv[1]).read_text(), Path(sys.argv[2])
    digits = {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level(True)]}
    block = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}
    prepend = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"}, block]}
    two_spaces = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": block["content"]}
    metaspace = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first"}
    tokenizers = {
        "gpt2": byte_bpe(text, byte_level(True)),
        "llama3": byte_bpe(text, split(LLAMA3), ignore_merges=True),
        "qwen2": byte_bpe(text, split(QWEN2), STRIPS),
        "gpt2_split": byte_bpe(text, split(GPT2), STRIPS),
        "digits": byte_bpe(text, digits),
        "nfc": {**byte_bpe(text, split(QWEN2)), "normalizer": {"type": "NFC"}},
        "nfkc_lower": {**byte_bpe(text, split(QWEN2)),
                       "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}]}},
        "nfd": {**byte_bpe(text, split(LLAMA3)), "normalizer": {"type": "NFD"}},
        "unigram": unigram(text, False, {"normalizer": None, "pre_tokenizer": {**metaspace, "split": False}}),
        "unigram_words": unigram(text, False, {"normalizer": two_spaces, "pre_tokenizer": {
            **metaspace, "prepend_scheme": "always", "split": True}}),
        "unigram_bytes": unigram(text, True, {"normalizer": {"type": "NFKC"}, "pre_tokenizer": {
            **metaspace, "prepend_scheme": "always", "split": True}}),
        "bert": bert(text, True),
        "bert_cased": bert(text, False),
        "prepend": sentencepiece_bpe(text, {"normalizer": prepend, "pre_tokenizer": None}),
        "no_prefix": sentencepiece_bpe(text, {"normalizer": block, "pre_tokenizer": None}),
        "metaspace": sentencepiece_bpe(text, {"normalizer": None, "pre_tokenizer": {**metaspace, "split": False}}),
    }
    for name, tokenizer in tokenizers.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "tokenizer.json").write_text(json.dumps(tokenizer))
        (folder / name / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    # Where the JavaScript form is not what Hugging Face's own library does: it looks for ideographs in halves of
    # UTF-16, and lowers a sigma by its place in the word.
    for name, pattern in {"bert": "[\u03a3\\u{20000}-\\u{3ffff}]", "bert_cased": "[\\u{20000}-\\u{3ffff}]",
                          "nfkc_lower": "[\u03a3\U0001d6b0-\U0001d7cb]"}.items():
        (folder / name / "left_out").write_text(pattern)
    (folder / "texts").write_text("\n".join(texts(text)) + "\n")


main()
