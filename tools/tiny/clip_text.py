"""The CLIP byte-pair tokenizer and the training of its merges on the words of the toy world.

``python clip_text.py`` writes models/tiny/bpe.txt in the format of CLIP's own bpe_simple_vocab: a
comment line, then one merge per line. Token ids: 256 byte symbols, the same 256 with </w>, one per
merge, then <|startoftext|> and <|endoftext|>.
"""
import collections
import os
import re

import lexicon

HERE = os.path.dirname(os.path.abspath(__file__))
BPE_PATH = os.path.join(HERE, "..", "..", "models", "tiny", "bpe.txt")
CONTEXT = 32
MERGES = 900


def bytes_to_unicode():
    """CLIP's printable stand-ins for the 256 byte values, in CLIP's order."""
    keep = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    table, extra = {b: chr(b) for b in keep}, 0
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + extra)
            extra += 1
    return table


_WORD = re.compile(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|[^\s\w]+|_+")


class ClipTokenizer:
    """Text to token ids, the way CLIP does it."""

    def __init__(self, path=BPE_PATH):
        with open(path, encoding="utf-8") as f:
            merges = [tuple(line.split()) for line in f.read().split("\n")[1:] if line]
        self.bytes = bytes_to_unicode()
        vocab = list(self.bytes.values())
        vocab += [v + "</w>" for v in vocab] + ["".join(m) for m in merges]
        vocab += ["<|startoftext|>", "<|endoftext|>"]
        self.ids = {v: i for i, v in enumerate(vocab)}
        self.rank = {m: i for i, m in enumerate(merges)}
        self.vocab_size, self.sot, self.eot = len(vocab), len(vocab) - 2, len(vocab) - 1
        self.cache = {}

    def _word(self, word):
        parts = [self.bytes[b] for b in word.encode()]
        parts[-1] += "</w>"
        while len(parts) > 1:
            pairs = [(self.rank.get((a, b), 1 << 30), i) for i, (a, b) in enumerate(zip(parts, parts[1:]))]
            best, _ = min(pairs)
            if best == 1 << 30:
                break
            parts = _merge(parts, best, self.rank)
        return [self.ids[p] for p in parts]

    def encode(self, text):
        out = []
        for word in _WORD.findall(" ".join(text.split()).lower()):
            if word not in self.cache:
                self.cache[word] = self._word(word)
            out += self.cache[word]
        return out

    def batch(self, texts, length=None):
        """Ids [N, T] padded with 0 and the index of each end token."""
        rows = [[self.sot] + self.encode(t)[: CONTEXT - 2] + [self.eot] for t in texts]
        length = length or max(len(r) for r in rows)
        return [r + [0] * (length - len(r)) for r in rows], [len(r) - 1 for r in rows]


def _merge(parts, rank, ranks):
    """Join every occurrence of the pair with this rank."""
    out, i = [], 0
    while i < len(parts):
        if i + 1 < len(parts) and ranks.get((parts[i], parts[i + 1])) == rank:
            out.append(parts[i] + parts[i + 1])
            i += 2
        else:
            out.append(parts[i])
            i += 1
    return out


def _corpus():
    """Word counts of what the text tower reads; common words count for more."""
    words = collections.Counter()
    for kind in lexicon.KINDS:
        for w in kind.name.split():
            words[w] += 20
    for w in list(lexicon.COLORS) + list(lexicon.PATTERNS) + list(lexicon.ACCESSORIES):
        words[w] += 400
    for w in list(lexicon.GROUPS) + ["a", "an", "some", "of", "photo", "picture", "with", "and",
                                     "object", "the", "in", "at", "on"]:
        words[w] += 300
    for place in lexicon.PLACES:
        for w in place.split():
            words[w] += 100
    return words


def train_merges(count=MERGES):
    """Greedy byte-pair merges over the corpus."""
    table = bytes_to_unicode()
    words = {}
    for w, n in _corpus().items():
        parts = [table[b] for b in w.encode()]
        parts[-1] += "</w>"
        words[tuple(parts)] = n
    merges = []
    while len(merges) < count:
        pairs = collections.Counter()
        for parts, n in words.items():
            for pair in zip(parts, parts[1:]):
                pairs[pair] += n
        if not pairs:
            break
        best = max(pairs, key=lambda p: (pairs[p], p))
        merges.append(best)
        ranks = {best: 0}
        words = {tuple(_merge(list(p), 0, ranks)): n for p, n in words.items()}
    return merges


def main():
    merges = train_merges()
    with open(BPE_PATH, "w", encoding="utf-8") as f:
        f.write("#version: 0.2 - toy world words\n" + "\n".join(" ".join(m) for m in merges) + "\n")
    print(len(merges), "merges")


if __name__ == "__main__":
    main()
