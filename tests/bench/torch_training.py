"""Training steps in PyTorch, for tests/bench/compare_training; follows torch_model.py.

    VOCABULARY WIDTH LAYERS HEADS KV_HEADS HIDDEN SEQUENCES LENGTH THREADS eager|compile

float32, fused AdamW, gradients clipped, random tokens: forward, backward and update, as training_bench does
them.
"""


class Loss(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, tokens, targets):
        return F.cross_entropy(self.model(tokens).flatten(0, 1), targets.flatten())


def main():
    *shape, sequences, length, threads = map(int, sys.argv[1:10])
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    loss = Loss(Model(*shape, length))
    loss_of = torch.compile(loss) if sys.argv[10] == "compile" else loss
    optimizer = torch.optim.AdamW(loss.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1, fused=True)
    tokens = torch.randint(shape[0], (sequences, length))
    targets = torch.randint(shape[0], (sequences, length))

    def step():
        loss_of(tokens, targets).backward()
        nn.utils.clip_grad_norm_(loss.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    serve(step, sequences * length)


main()
