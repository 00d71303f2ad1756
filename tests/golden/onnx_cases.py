"""Makes the test vectors in onnx/: nodes that normalize, with inputs and expected outputs.

    pip install onnx==1.22.0 onnxruntime==1.32.0 numpy==2.4.6
    python tests/golden/onnx_cases.py                        # write onnx/onnxruntime
    pip download --no-deps onnx==1.22.0                      # and onnx==1.15.0
    python tests/golden/onnx_cases.py onnx-1.22.0-*.whl      # copy onnx/onnx-1.22.0 from the wheel

A case is a model of one node beside its tensors, in the layout of the onnx package's own tests.
ONNX Runtime's CPU provider computes the expected outputs, and numpy in float64 those of GroupNorm,
SkipGroupNorm, LRN of an even size and InstanceNormalization of one element: that provider has no
kernel for the first three, and rounds too much in the last. Running this twice gives the same bytes.
"""

import shutil
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

OUT = Path(__file__).resolve().parent / "onnx"
CONTRIB = "com.microsoft"
NORMS = {
    "BatchNormalization",
    "GroupNormalization",
    "InstanceNormalization",
    "LRN",
    "LayerNormalization",
    "LpNormalization",
    "MeanVarianceNormalization",
    "RMSNormalization",
}
F32, F16 = np.float32, np.float16


class Draw:
    """Random tensors of a case. Each case has its own seed, so a new one leaves the others as they are."""

    def __init__(self, name, dtype=F32):
        self.rng = np.random.default_rng(zlib.crc32(name.encode()))
        self.dtype = dtype

    def __call__(self, *shape, dtype=None):
        """Values of both signs whose mean is not 0."""
        return (0.5 + 1.5 * self.rng.standard_normal(shape)).astype(dtype or self.dtype)

    def positive(self, *shape):
        return self.rng.uniform(0.5, 2, shape).astype(self.dtype)


def case(name, op, inputs, outputs, domain="", opset=23, formula=None, **attributes):
    """Writes a case. An input of None and an output of "" are left out; `formula` takes the place of ONNX Runtime."""
    node = helper.make_node(op, [k if v is not None else "" for k, v in inputs.items()], outputs, domain=domain)
    node.attribute.extend(helper.make_attribute(k, v) for k, v in attributes.items())
    feeds = {k: v for k, v in inputs.items() if v is not None}
    written = [output for output in outputs if output]

    def info(name, like, shape):
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(like.dtype), shape)

    def model(output_types):
        graph = helper.make_graph(
            [node],
            name,
            [info(k, v, v.shape) for k, v in feeds.items()],
            output_types,
        )
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid(CONTRIB, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)

    first = next(iter(feeds.values()))
    if formula:
        results = [np.asarray(result).astype(first.dtype) for result in formula(**feeds)]
    else:
        guess = model([info(output, first, None) for output in written])
        guess = guess.SerializeToString()
        session = onnxruntime.InferenceSession(guess, providers=["CPUExecutionProvider"])
        results = session.run(None, feeds)
    data = OUT / "onnxruntime" / name / "test_data_set_0"
    data.mkdir(parents=True)
    typed = model([info(k, v, v.shape) for k, v in zip(written, results, strict=True)])
    (data.parent / "model.onnx").write_bytes(typed.SerializeToString(deterministic=True))
    for kind, tensors in ("input", feeds), ("output", dict(zip(written, results))):
        for i, (k, v) in enumerate(tensors.items()):
            tensor = numpy_helper.from_array(np.ascontiguousarray(v), k)
            (data / f"{kind}_{i}.pb").write_bytes(tensor.SerializeToString(deterministic=True))


def group_norm(X, gamma, beta, skip=0.0, bias=0.0, *, groups, silu, last, eps):
    """GroupNorm and SkipGroupNorm in float64: the output, and the sum that it normalizes."""
    X, skip, bias = (np.asarray(t, np.float64) for t in (X, skip, bias))
    if skip.ndim == 2:
        skip = skip[:, None, None, :]
    total = X + skip + bias
    x = np.moveaxis(total, -1, 1) if last else total
    rows = x.reshape(x.shape[0], groups, -1)
    rows = (rows - rows.mean(-1, keepdims=True)) / np.sqrt(rows.var(-1, keepdims=True) + eps)
    y = rows.reshape(x.shape) * gamma[:, None, None] + beta[:, None, None]
    y = y / (1 + np.exp(-y)) if silu else y
    return np.moveaxis(y, 1, -1) if last else y, total


def lrn(X, size, alpha, beta, bias):
    """LRN in float64: of an even window, one channel more lies behind the element than before it."""
    before, after = (size - 1) // 2, size // 2
    squares = np.pad(np.square(X, dtype=np.float64), ((0, 0), (before, after), (0, 0), (0, 0)))
    sums = sum(squares[:, i : i + X.shape[1]] for i in range(size))
    return X / (bias + alpha / size * sums) ** beta


def skip_norms(t, dtype):
    """The nodes that ONNX Runtime's optimizer makes of transformers."""
    width = 33
    for kind, op, beta in ("ln", "SkipLayerNormalization", True), ("rms", "SkipSimplifiedLayerNormalization", False):

        def skip(name, outputs, skip_shape=(2, 5, width), beta=beta, bias=False, epsilon=0.1, size=1):
            name = f"skip_{kind}{name}_{t}"
            draw = Draw(name, dtype)
            x, skip = (dtype(size) * draw(*shape) for shape in ((2, 5, width), skip_shape))
            inputs = dict(input=x, skip=skip, gamma=draw(width))
            if kind == "ln":
                inputs["beta"] = draw(width) if beta else None
            if bias:
                inputs["bias"] = draw(width)
            attributes = {} if epsilon is None else dict(epsilon=epsilon)
            case(name, op, inputs, outputs, CONTRIB, 17, **attributes)

        skip("", ["output"])
        skip("_sum", ["output", "", "", "sum"])
        skip("_bias", ["output", "", "", "sum"], bias=True)
        skip("_broadcast", ["output"], skip_shape=(5, width))
        if dtype == F32:
            # Squares of 1e-12, as is the default.
            skip("_default_epsilon", ["output"], epsilon=None, size=1e-6)
        if kind == "ln":
            skip("_no_beta", ["output"], beta=False)

    draw = Draw(f"simplified_{t}", dtype)
    case(f"simplified_{t}", "SimplifiedLayerNormalization", dict(X=draw(2, 5, width), scale=draw(width)), ["Y"],
         opset=17, axis=-1, epsilon=0.1, stash_type=1)  # fmt: skip


def standard(t, dtype):
    """What the standard allows, and the onnx package's tests do not have."""

    def layer_norm(name, shape, scale, bias, axis, op="LayerNormalization", **more):
        name = f"{name}_{t}"
        draw = Draw(name, dtype)
        inputs = dict(X=draw(*shape), Scale=draw(*scale))
        if bias is not None:
            inputs["B"] = draw(*bias)
        case(name, op, inputs, ["Y"], axis=axis, **more)

    layer_norm("ln", (2, 5, 33), (33,), (33,), -1)
    layer_norm("ln_no_bias", (2, 5, 33), (33,), None, 2)
    layer_norm("ln_scale_of_last_axis", (2, 4, 9), (1, 9), (9,), 1)
    layer_norm("ln_scale_of_one", (2, 4, 9), (1,), (4, 1), 1)
    layer_norm("ln_scale_of_samples", (2, 4, 9), (2, 1, 9), (2, 1, 9), 2)
    layer_norm("ln_scale_of_heads", (2, 4, 9), (1, 4, 9), (4, 9), 2)
    layer_norm("ln_scale_of_all", (2, 4, 9), (2, 4, 9), (9,), 2)
    layer_norm("rms_scale_of_last_axis", (2, 4, 9), (1, 9), None, 1, "RMSNormalization")

    draw = Draw(f"gn_{t}", dtype)
    case(f"gn_{t}", "GroupNormalization", dict(X=draw(2, 8, 5, 3), scale=draw(8), bias=draw(8)), ["Y"],
         opset=21, num_groups=4)  # fmt: skip
    draw = Draw(f"bn_{t}", dtype)
    inputs = dict(X=draw(3, 4, 5), scale=draw(4), B=draw(4), mean=draw(4), var=draw.positive(4))
    case(f"bn_{t}", "BatchNormalization", inputs, ["Y"], opset=15)


def group_norms():
    def one(name, shape, dtype, silu, last, skip=None, bias=False):
        draw = Draw(name, dtype)
        channels = shape[-1] if last else shape[1]
        inputs = dict(X=draw(*shape), gamma=draw(channels, dtype=F32), beta=draw(channels, dtype=F32))
        if skip:
            inputs["skip"] = draw(*skip)
        if bias:
            inputs["bias"] = draw(channels)

        def formula(**feeds):
            y, total = group_norm(**feeds, groups=4, silu=silu, last=last, eps=0.1)
            return [y, total] if skip else [y]

        case(name, "SkipGroupNorm" if skip else "GroupNorm", inputs, ["Y", "S"] if skip else ["Y"], CONTRIB, 17,
             formula, groups=4, activation=int(silu), channels_last=int(last), epsilon=0.1)  # fmt: skip

    one("group_norm_silu_f32", (2, 5, 3, 8), F32, silu=True, last=True)
    one("group_norm_silu_f16", (2, 5, 3, 8), F16, silu=True, last=True)
    one("group_norm_channels_first_f32", (2, 8, 5, 3), F32, silu=False, last=False)
    one("skip_group_norm_f32", (2, 5, 3, 8), F32, silu=True, last=True, skip=(2, 5, 3, 8))
    one("skip_group_norm_bias_f32", (2, 5, 3, 8), F32, silu=False, last=True, skip=(2, 8), bias=True)


def edges():
    """Shapes and values at the edge of what the ops take."""
    draw = Draw("lp_small")
    rows = np.concatenate([np.zeros((1, 4), F32), draw(1, 4), np.full((1, 4), -1e-20, F32)])
    case("lp_small", "LpNormalization", dict(X=rows), ["Y"], opset=22, axis=1, p=2)
    case("lrn_even", "LRN", dict(X=Draw("lrn_even")(2, 7, 4, 5)), ["Y"], "", 13,
         lambda X: [lrn(X, 4, 0.3, 0.75, 1.5)], size=4, alpha=0.3, beta=0.75, bias=1.5)  # fmt: skip
    draw = Draw("in_one_element")
    # The bias: ONNX Runtime folds scale and shift, whose roundings are 1e-4 here.
    case("in_one_element", "InstanceNormalization", dict(X=draw(2, 3, 1), s=draw(3), b=draw(3)), ["Y"], "", 6,
         lambda X, s, b: [0 * X + b[:, None]])  # fmt: skip
    draw = Draw("bn_rank_2")
    inputs = dict(X=draw(5, 4), scale=draw(4), B=draw(4), mean=draw(4), var=draw.positive(4))
    case("bn_rank_2", "BatchNormalization", inputs, ["Y"], opset=15)
    draw = Draw("bn_train")
    inputs = dict(X=draw(3, 4, 5), scale=draw(4), B=draw(4), mean=draw(4), var=draw.positive(4))
    case("bn_train", "BatchNormalization", inputs, ["Y", "m", "v"], opset=15, training_mode=1,
         momentum=0.3, epsilon=0.1)  # fmt: skip
    draw = Draw("bn_train_one_value")
    inputs = dict(X=draw(1, 4), scale=draw(4), B=draw(4), mean=draw(4), var=draw.positive(4))
    case("bn_train_one_value", "BatchNormalization", inputs, ["Y", "m", "v"], opset=15, training_mode=1)
    for name, axes in ("channels", [0, 2, 3]), ("spatial", [2, 3]), ("negative", [-1]), ("apart", [0, 2]):
        name = f"mvn_{name}"
        case(name, "MeanVarianceNormalization", dict(X=Draw(name)(2, 3, 4, 5)), ["Y"], opset=13, axes=axes)
    draw = Draw("ln_f64", np.float64)
    case("ln_f64", "LayerNormalization", dict(X=draw(2, 9), Scale=draw(9), B=draw(9)), ["Y"], opset=17)


def copy_node_tests(wheel):
    """The tests of one node that normalizes. Of 1.15.0 only those that 1.22.0 does not have: GroupNormalization 18."""
    version = Path(wheel).name.split("-")[1]
    wanted = {"GroupNormalization"} if version == "1.15.0" else NORMS
    target = OUT / f"onnx-{version}"
    shutil.rmtree(target, ignore_errors=True)
    with zipfile.ZipFile(wheel) as files:
        for model in sorted(name for name in files.namelist() if name.endswith("/model.onnx")):
            nodes = onnx.load_from_string(files.read(model)).graph.node
            if len(nodes) != 1 or nodes[0].op_type not in wanted:
                continue
            folder = model.removesuffix("model.onnx")
            for name in files.namelist():
                if name.startswith(folder) and not name.endswith("/"):
                    path = target / Path(folder).name / name.removeprefix(folder)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(files.read(name))


def main():
    if wheels := sys.argv[1:]:
        for wheel in wheels:
            copy_node_tests(wheel)
        return
    shutil.rmtree(OUT / "onnxruntime", ignore_errors=True)
    for t, dtype in ("f32", F32), ("f16", F16):
        skip_norms(t, dtype)
        standard(t, dtype)
    group_norms()
    edges()


if __name__ == "__main__":
    main()
