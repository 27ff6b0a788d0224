"""Whole forward passes with all logits in PyTorch, for tests/bench/compare_forward; follows torch_model.py.

    VOCABULARY WIDTH LAYERS HEADS KV_HEADS HIDDEN SEQUENCES LENGTH THREADS eager|frozen|compile

float32, random tokens; frozen: traced, frozen and optimised for inference.
"""


def main():
    *shape, sequences, length, threads = map(int, sys.argv[1:10])
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    model = Model(*shape, length).eval()
    tokens = torch.randint(shape[0], (sequences, length))
    with torch.inference_mode():
        if sys.argv[10] == "frozen":
            model = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, tokens)))
        elif sys.argv[10] == "compile":
            model = torch.compile(model)
        serve(lambda: model(tokens), sequences * length)


main()
