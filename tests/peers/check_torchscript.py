import torch

torch.set_num_threads(1)
# Each length is new, and would be compiled for itself.
torch._C._jit_set_profiling_executor(False)
cases = read_cases()
errors = {}
for case in cases:
    model = torch.jit.load(case.path + ".torchscript").eval()

    def logits(tokens):
        with torch.no_grad():
            return model(torch.from_numpy(tokens)[None])[0].numpy()

    errors[case.name] = case.check(logits(case.tokens), "whole")
    with torch.no_grad():
        batch = torch.from_numpy(np.stack([case.tokens, case.tokens[::-1].copy()]))
        case.check(model(batch)[0].numpy(), "in a batch")
    case.check_greedy(lambda tokens: logits(tokens)[-1])
print(
    f"PyTorch {torch.__version__}: {len(cases)} models, logits within {max(errors.values()):.1e} of the largest, "
    "greedy tokens alike"
)
if "model" in errors:
    case = next(case for case in cases if case.name == "model")
    print(f"stories260K: {len(case.tokens)} tokens alike, logits within {errors['model'] * np.abs(case.logits).max():.1e}")
