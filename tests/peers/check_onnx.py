import onnxruntime


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(model, tokens, mask, positions):
    feeds = {"input_ids": tokens, "attention_mask": mask, "position_ids": positions}
    return model.run(["logits"], feeds)[0]


def count(rows, length):
    return np.tile(np.arange(length, dtype=np.int64), (rows, 1))


# The whole sequence, then two in one batch, the shorter one behind padding.
def check_plain(case):
    model, n = session(case.path + ".onnx"), len(case.tokens)
    ones = np.ones((1, n), dtype=np.int64)
    error = case.check(run(model, case.tokens[None], ones, count(1, n))[0], "whole")
    short = max(1, n - 2)
    pad = n - short
    tokens = np.stack([case.tokens, np.concatenate([np.zeros(pad, np.int64), case.tokens[:short]])])
    mask, positions = np.ones((2, n), dtype=np.int64), count(2, n)
    mask[1, :pad] = 0
    positions[1] = np.concatenate([np.zeros(pad, np.int64), np.arange(short)])
    logits = run(model, tokens, mask, positions)
    case.check(logits[0], "first of a batch")
    case.check(logits[1, pad:], "behind padding", slice(0, short))
    return error


# The prompt at once, then token by token with what the earlier runs gave.
def check_past(case):
    model = session(case.path + ".past.onnx")
    names = [item.name for item in model.get_inputs() if item.name.startswith("past_key_values.")]
    outputs = ["logits"] + [name.replace("past_key_values", "present") for name in names]
    empty = {item.name: np.zeros((1, item.shape[1], 0, item.shape[3]), np.float32) for item in model.get_inputs() if item.name in names}
    state = {"past": empty, "length": 0, "logits": []}

    def step(tokens):
        new = tokens[state["length"] :]
        feeds = {
            "input_ids": new[None],
            "attention_mask": np.ones((1, len(tokens)), np.int64),
            "position_ids": np.arange(state["length"], len(tokens))[None],
            **state["past"],
        }
        logits, *present = model.run(outputs, feeds)
        state.update(past=dict(zip(names, present)), length=len(tokens))
        state["logits"].append(logits[0])
        return logits[0, -1]

    case.check_greedy(step)
    if state["logits"]:
        logits = np.concatenate(state["logits"])
        case.check(logits, "with past", slice(0, len(logits)))


cases = read_cases()
errors = {}
for case in cases:
    errors[case.name] = check_plain(case)
    check_past(case)
print(
    f"ONNX Runtime {onnxruntime.__version__}: {len(cases)} models, logits within {max(errors.values()):.1e} of the "
    "largest, batches with padding, greedy tokens with past keys and values alike"
)
if "model" in errors:
    case = next(case for case in cases if case.name == "model")
    print(f"stories260K: {len(case.tokens)} tokens alike, logits within {errors['model'] * np.abs(case.logits).max():.1e}")
