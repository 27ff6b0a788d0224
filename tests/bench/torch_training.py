"""Training steps of a small Llama-like model in PyTorch, for tests/bench/compare_training.

    python3 torch_training.py VOCABULARY WIDTH LAYERS HEADS KV_HEADS HIDDEN SEQUENCES LENGTH THREADS eager|compile

float32, fused AdamW, gradients clipped, random tokens: forward, backward and update, as training_bench does
them. Prints "ready", then for each line "go N" on its input the median tokens a second over N seconds.
"""
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


class Layer(nn.Module):
    def __init__(self, width, heads, kv_heads, hidden):
        super().__init__()
        self.heads, self.kv_heads, self.size = heads, kv_heads, width // heads
        self.attention_norm = nn.RMSNorm(width, eps=1e-5)
        self.query_key_value = nn.Linear(width, (heads + 2 * kv_heads) * self.size, bias=False)
        self.attention_output = nn.Linear(heads * self.size, width, bias=False)
        self.feed_forward_norm = nn.RMSNorm(width, eps=1e-5)
        self.gate_up = nn.Linear(width, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def rotate(self, x, cosine, sine):
        first, second = x.chunk(2, -1)
        return torch.cat((first * cosine - second * sine, first * sine + second * cosine), -1)

    def forward(self, x, cosine, sine):
        batch, length, _ = x.shape
        qkv = self.query_key_value(self.attention_norm(x)).view(batch, length, -1, self.size).transpose(1, 2)
        turned, values = qkv[:, : self.heads + self.kv_heads], qkv[:, self.heads + self.kv_heads :]
        turned = self.rotate(turned, cosine, sine)
        queries, keys = turned[:, : self.heads], turned[:, self.heads :]
        if self.kv_heads != self.heads:
            keys = keys.repeat_interleave(self.heads // self.kv_heads, 1)
            values = values.repeat_interleave(self.heads // self.kv_heads, 1)
        attended = F.scaled_dot_product_attention(queries, keys, values, is_causal=True)
        x = x + self.attention_output(attended.transpose(1, 2).reshape(batch, length, -1))
        gate, up = self.gate_up(self.feed_forward_norm(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)


class Model(nn.Module):
    def __init__(self, vocabulary, width, layers, heads, kv_heads, hidden, length):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.layers = nn.ModuleList(Layer(width, heads, kv_heads, hidden) for _ in range(layers))
        self.norm = nn.RMSNorm(width, eps=1e-5)
        size = width // heads
        frequencies = 10000.0 ** (-torch.arange(size // 2) / (size / 2))
        angles = torch.arange(length)[:, None] * frequencies
        self.register_buffer("cosine", angles.cos())
        self.register_buffer("sine", angles.sin())

    def forward(self, tokens, targets):
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x, self.cosine, self.sine)
        logits = F.linear(self.norm(x), self.embedding.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def main():
    *shape, sequences, length, threads = map(int, sys.argv[1:10])
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    model = Model(*shape, length)
    loss_of = torch.compile(model) if sys.argv[10] == "compile" else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1, fused=True)
    tokens = torch.randint(shape[0], (sequences, length))
    targets = torch.randint(shape[0], (sequences, length))

    def step():
        loss_of(tokens, targets).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    for _ in range(3):
        step()
    print("ready", flush=True)
    for line in sys.stdin:
        seconds, times = float(line.split()[1]), []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(times) < 3:
            begin = time.perf_counter()
            step()
            times.append(time.perf_counter() - begin)
        print(sequences * length / statistics.median(times), flush=True)


main()
