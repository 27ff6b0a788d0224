# What tests/peers/graphs sends: models in a stream of tar, tokens and logits beside them.
import os
import sys
import tarfile
import tempfile

import numpy as np


class Case:
    def __init__(self, folder, name):
        self.name = name
        self.path = os.path.join(folder, name)
        numbers = [int(word) for word in open(self.path + ".tokens").read().split()]
        self.prompt, self.tokens = numbers[0], np.array(numbers[1:], dtype=np.int64)
        self.logits = np.fromfile(self.path + ".logits", dtype=np.float32).reshape(len(self.tokens), -1)

    # The largest difference, in units of the largest logit where that is over 1.
    def check(self, logits, what, rows=None):
        ours = self.logits if rows is None else self.logits[rows]
        error = np.abs(logits - ours).max() / max(1.0, np.abs(ours).max())
        if not error < 1e-4 or logits.shape != ours.shape:
            sys.exit(f"{self.name}, {what}: logits differ by {error}")
        return error

    # step(n) gives the logits at the last of the tokens 0 to n - 1, greedy[i] the token after i.
    def check_greedy(self, step):
        tokens = list(self.tokens[: self.prompt])
        while len(tokens) < len(self.tokens):
            tokens.append(int(np.argmax(step(np.array(tokens, dtype=np.int64)))))
        if tokens != list(self.tokens):
            sys.exit(f"{self.name}: greedy tokens differ\n{tokens}\n{list(self.tokens)}")


def read_cases():
    folder = tempfile.mkdtemp()
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # from Python 3.12 on
        archive.extractall(folder)
    names = sorted(name[: -len(".tokens")] for name in os.listdir(folder) if name.endswith(".tokens"))
    return [Case(folder, name) for name in names]
