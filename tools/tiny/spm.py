"""The tiny decoder's own tokenizer: learn it, encode and decode with it.

It is a llama.cpp "llama" (SPM) vocabulary: control tokens, 256 byte tokens, then pieces whose
score is minus the order in which they were learnt.  llama.cpp merges the best-scored neighbouring
pair again and again; `Spm.encode` does the same, chunk by chunk, which is exact because no piece
crosses the chunk borders of `CHUNK`.

Reading order: CHUNK (what a piece may span), learn (how pieces are found), Spm (encode, decode).
"""
import json
import re
import string
from collections import Counter

SPACE = "\u2581"
UNK, BOS, EOS = 0, 1, 2
FIRST_BYTE = 3
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6  # token types as GGUF numbers them

# A piece is a word with its leading space, a box coordinate, or one mark; never more.
CHUNK = re.compile(rf"{SPACE}?[A-Za-z]+|{SPACE}?0\.\d?\d?|.", re.S)


def escape(text):
    return text.replace(" ", SPACE)


def _number_pieces():
    """'0.', '0.0'..'0.9', '0.00'..'0.99', and each of the last with a leading space."""
    pieces = ["0."] + [f"0.{i}" for i in range(10)] + [f"0.{i:02d}" for i in range(100)]
    return pieces + [SPACE + f"0.{i:02d}" for i in range(100)]


def _merge(symbols, left, right):
    out, i = [], 0
    while i < len(symbols):
        if i + 1 < len(symbols) and symbols[i] == left and symbols[i + 1] == right:
            out.append(left + right)
            i += 2
        else:
            out.append(symbols[i])
            i += 1
    return out


def learn(counts, size):
    """Byte-pair merges over weighted chunks until the vocabulary has `size` tokens."""
    singles = [c for c in string.printable if 32 < ord(c) < 127]
    pieces = [SPACE] + singles + _number_pieces()
    words = [[list(w), n] for w, n in counts.items() if re.fullmatch(rf"{SPACE}?[A-Za-z]+", w)]
    known = set(pieces)
    pairs, where = Counter(), {}
    for k, (symbols, n) in enumerate(words):
        for pair in zip(symbols, symbols[1:]):
            pairs[pair] += n
            where.setdefault(pair, set()).add(k)
    while len(pieces) + FIRST_BYTE + 256 < size and pairs:
        (left, right), n = max(pairs.items(), key=lambda kv: (kv[1], kv[0]))
        if n <= 0:
            break
        for k in list(where[(left, right)]):
            symbols, weight = words[k]
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] -= weight
            words[k][0] = symbols = _merge(symbols, left, right)
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] += weight
                where.setdefault(pair, set()).add(k)
        pairs.pop((left, right), None)
        if left + right not in known:
            known.add(left + right)
            pieces.append(left + right)
    return pieces


class Spm:
    """Encode and decode exactly as llama.cpp does with add_space_prefix off."""

    def __init__(self, pieces):
        self.pieces = list(pieces)
        self.tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)] + self.pieces
        self.types = [UNKNOWN, CONTROL, CONTROL] + [BYTE] * 256 + [NORMAL] * len(self.pieces)
        self.scores = [0.0] * (FIRST_BYTE + 256) + [-float(i + 1) for i in range(len(self.pieces))]
        self.ids = {p: FIRST_BYTE + 256 + i for i, p in enumerate(self.pieces)}
        self.cache = {}

    def __len__(self):
        return len(self.tokens)

    def save(self, path):
        with open(path, "w") as f:
            json.dump(self.pieces, f, ensure_ascii=False)

    @classmethod
    def load(cls, path):
        with open(path) as f:
            return cls(json.load(f))

    def _encode_chunk(self, chunk):
        symbols = list(chunk)
        while len(symbols) > 1:
            best = None
            for i in range(len(symbols) - 1):
                token = self.ids.get(symbols[i] + symbols[i + 1])
                if token is not None and (best is None or self.scores[token] > self.scores[best[0]]):
                    best = (token, i)
            if best is None:
                break
            i = best[1]
            symbols[i:i + 2] = [symbols[i] + symbols[i + 1]]
        out = []
        for s in symbols:
            token = self.ids.get(s)
            out += [token] if token is not None else [FIRST_BYTE + b for b in s.encode()]
        return out

    def encode(self, text):
        out = []
        for chunk in CHUNK.findall(escape(text)):
            ids = self.cache.get(chunk)
            if ids is None:
                ids = self._encode_chunk(chunk)
                if len(self.cache) < 200000:
                    self.cache[chunk] = ids
            out += ids
        return out

    def decode(self, ids):
        data = b""
        for i in ids:
            if i < FIRST_BYTE:
                continue
            if i < FIRST_BYTE + 256:
                data += bytes([i - FIRST_BYTE])
            else:
                data += self.tokens[i].replace(SPACE, " ").encode()
        return data.decode("utf-8", "replace")
