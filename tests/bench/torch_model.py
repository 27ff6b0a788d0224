"""A small Llama-like model in PyTorch, the first part of the programs torch_training.py and torch_forward.py."""
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

    def forward(self, tokens):
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x, self.cosine, self.sine)
        return F.linear(self.norm(x), self.embedding.weight)


def serve(step, tokens):
    """Prints "ready", then for each line "go N" on the input the median tokens a second over N seconds."""
    for _ in range(5):
        step()
    print("ready", flush=True)
    for line in sys.stdin:
        seconds, times = float(line.split()[1]), []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(times) < 3:
            begin = time.perf_counter()
            step()
            times.append(time.perf_counter() - begin)
        print(tokens / statistics.median(times), flush=True)
