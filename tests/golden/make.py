"""Makes the test vectors in pytorch/ with PyTorch on the CPU.

    python tests/golden/make.py           # write all files
    python tests/golden/make.py --check   # recompute all files with plain numpy formulas

Inputs and parameters are float32. PyTorch computes the expected results in float64 from exactly
these float32 values, and they are stored as float64. Each file is one case; README.md says what
the files hold.
"""

import json
import math
import sys
import zlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

HERE = Path(__file__).resolve().parent
OUT = HERE / "pytorch"
RUNNING = ("running_mean", "running_var")
DTYPES = {"float64": "F64", "int64": "I64", "float32": "F32"}


def save(name, tensors, **metadata):
    """Writes a safetensors file whose bytes do not change from run to run.

    The official writer puts the metadata in random order. Wide types go first, as there, so that
    every tensor is aligned.
    """
    arrays = {k: np.asarray(v) for k, v in tensors.items() if v is not None}
    names = sorted(arrays, key=lambda k: (-arrays[k].itemsize, k))
    header, at = {"__metadata__": {k: str(v) for k, v in metadata.items()}}, 0
    for k in names:
        a = arrays[k]
        header[k] = {
            "dtype": DTYPES[a.dtype.name],
            "shape": list(a.shape),
            "data_offsets": [at, at + a.nbytes],
        }
        at += a.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    data = b"".join(arrays[k].astype(arrays[k].dtype.newbyteorder("<")).tobytes() for k in names)
    (OUT / f"{name}.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)


def generator(name):
    """Each case has its own seed, so a new case leaves the others as they are."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def affine_params(rng, shape, affine):
    """`affine` is "both", "weight", "bias" or "none"."""
    weight = (1 + 0.5 * rng.standard_normal(shape)).astype(np.float32)
    bias = rng.standard_normal(shape).astype(np.float32)
    return (
        weight if affine in ("both", "weight") else None,
        bias if affine in ("both", "bias") else None,
    )


def f64(a):
    return None if a is None else torch.from_numpy(a).double()


# Layer norm


def layer_norm(name, shape, axes=1, eps=1e-5, affine="both", change=lambda x: x):
    """Normalizes the last `axes` axes. `change` turns N(0, 1) values into the input."""
    name = f"ln-{name}"
    rng = generator(name)
    x = np.asarray(change(rng.standard_normal(shape))).astype(np.float32)
    lead, norm = shape[:-axes], shape[-axes:]
    weight, bias = affine_params(rng, norm, affine)
    y, mean, rstd = torch.native_layer_norm(f64(x), norm, f64(weight), f64(bias), eps)
    save(
        name,
        dict(
            input=x,
            weight=weight,
            bias=bias,
            expected_output=y,
            expected_mean=mean.reshape(lead),
            expected_rstd=rstd.reshape(lead),
        ),
        op="layer-norm",
        eps=eps,
        normalized_shape=",".join(map(str, norm)),
    )


def layer_norm_shapes():
    for n in (1, 2, 3, 31):
        layer_norm(f"len-{n}", (3, n))
    layer_norm("len-768", (2, 768))
    layer_norm("many-rows", (260, 3))
    layer_norm("3d", (2, 7, 33))
    layer_norm("two-axes", (3, 4, 5), axes=2)
    layer_norm("all-axes", (3, 4, 5), axes=3)
    layer_norm("all-axes-1d", (31,))


def layer_norm_affine():
    for affine in ("none", "weight", "bias"):
        layer_norm(f"affine-{affine}", (3, 31), affine=affine)


def layer_norm_eps():
    layer_norm("eps-0", (3, 31), eps=0.0)
    # The variance is near eps, so both count.
    layer_norm("eps-1e-12", (3, 31), eps=1e-12, change=lambda x: 1e-6 * x)
    layer_norm("eps-0.5", (3, 31), eps=0.5)


def layer_norm_hard():
    def constant_rows(value):
        def change(x):
            x[1] = value
            return x

        return change

    def outlier(x):
        x[0, 7] = 1e6
        return x

    layer_norm("offset-1e6", (3, 257), change=lambda x: 1e6 + x)
    layer_norm("constant-row", (3, 31), change=constant_rows(0.1))
    layer_norm("constant-row-1e6", (3, 31), change=constant_rows(1e6 + 0.1))
    layer_norm("outlier-1e6", (3, 100), change=outlier)


# RMS norm


def rms_norm(name, shape, axes=1, eps=1e-5, affine="weight", change=lambda x: x):
    """Normalizes the last `axes` axes. PyTorch has no bias here and does not tell rstd."""
    name = f"rms-{name}"
    rng = generator(name)
    x = np.asarray(change(rng.standard_normal(shape))).astype(np.float32)
    norm = shape[-axes:]
    weight, _ = affine_params(rng, norm, affine)
    y = torch.nn.functional.rms_norm(f64(x), norm, f64(weight), eps)
    save(
        name,
        dict(input=x, weight=weight, expected_output=y),
        op="rms-norm",
        eps=eps,
        normalized_shape=",".join(map(str, norm)),
    )


def rms_norms():
    for n in (1, 3, 31, 256):
        rms_norm(f"len-{n}", (3, n))
    rms_norm("two-axes", (3, 4, 5), axes=2)
    rms_norm("affine-none", (3, 31), affine="none")
    rms_norm("eps-1e-12", (3, 31), eps=1e-12, change=lambda x: 1e-6 * x)
    rms_norm("offset-1e6", (3, 257), change=lambda x: 1e6 + x)


# Group and instance norm


def group_norm(name, shape, groups, eps=1e-5, affine="both", change=lambda x: x):
    name = f"gn-{name}"
    rng = generator(name)
    x = np.asarray(change(rng.standard_normal(shape))).astype(np.float32)
    n, c = shape[:2]
    weight, bias = affine_params(rng, c, affine)
    size = x.size // (n * c)
    y, mean, rstd = torch.native_group_norm(f64(x), f64(weight), f64(bias), n, c, size, groups, eps)
    save(
        name,
        dict(
            input=x,
            weight=weight,
            bias=bias,
            expected_output=y,
            expected_mean=mean,
            expected_rstd=rstd,
        ),
        op="group-norm",
        eps=eps,
        groups=groups,
    )


def group_norms():
    group_norm("nc", (3, 6), 2)
    group_norm("ncl", (3, 6, 7), 3)
    group_norm("nchw", (2, 8, 4, 6), 2)
    group_norm("nchw-odd", (2, 6, 3, 5), 2)
    group_norm("ncdhw", (2, 4, 2, 3, 5), 2)
    group_norm("one-group", (2, 6, 3, 5), 1)
    group_norm("groups-are-channels", (2, 6, 3, 5), 6)
    for affine in ("none", "weight", "bias"):
        group_norm(f"affine-{affine}", (2, 6, 7), 3, affine=affine)
    group_norm("offset-1e6", (2, 4, 9, 11), 2, change=lambda x: 1e6 + x)


def instance_norm(name, shape, eps=1e-5, affine="none", change=lambda x: x):
    """PyTorch does not tell mean and rstd here."""
    name = f"in-{name}"
    rng = generator(name)
    x = np.asarray(change(rng.standard_normal(shape))).astype(np.float32)
    weight, bias = affine_params(rng, shape[1], affine)
    y = torch.nn.functional.instance_norm(f64(x), weight=f64(weight), bias=f64(bias), eps=eps)
    save(
        name,
        dict(input=x, weight=weight, bias=bias, expected_output=y),
        op="instance-norm",
        eps=eps,
    )


def instance_norms():
    for layout in ("ncl", "nchw", "ncdhw"):
        instance_norm(layout, SHAPES[layout])
        instance_norm(f"{layout}-affine", SHAPES[layout], affine="both")
    instance_norm("offset-1e6", (2, 3, 9, 11), change=lambda x: 1e6 + x)


# Batch norm

SHAPES = {"nc": (8, 5), "ncl": (3, 5, 7), "nchw": (3, 5, 7, 3), "ncdhw": (2, 3, 2, 3, 5)}
MODULES = {
    2: torch.nn.BatchNorm1d,
    3: torch.nn.BatchNorm1d,
    4: torch.nn.BatchNorm2d,
    5: torch.nn.BatchNorm3d,
}


def batch_norm(
    name,
    shape,
    training=True,
    momentum=0.1,
    eps=1e-5,
    affine="both",
    running_stats="pytorch",
    track=True,
    batches=0,
    change=lambda x: x,
    old_mean=0.0,
):
    """One batch norm over axis 1; `track=False` is training without running statistics."""
    name = f"bn-{name}"
    rng = generator(name)
    c = shape[1]
    x = np.asarray(change(rng.standard_normal(shape))).astype(np.float32)
    weight, bias = affine_params(rng, c, affine)
    old = {}
    if track:
        old["running_mean"] = (old_mean + rng.standard_normal(c)).astype(np.float32)
        old["running_var"] = rng.uniform(0.5, 2, c).astype(np.float32)
        if running_stats == "pytorch":
            old["num_batches_tracked"] = np.array(batches, np.int64)

    expected = {}
    if training:
        y, mean, rstd = torch.native_batch_norm(
            f64(x), f64(weight), f64(bias), None, None, True, 0.0, eps
        )
        expected = {"output": y, "mean": mean, "rstd": rstd}
    if running_stats == "pytorch":
        y, new = pytorch_module(x, weight, bias, old, training, momentum, eps)
        expected["output"] = y
        if training:
            expected |= new
    elif training:
        expected |= onnx_running(x, old, momentum)
    save(
        name,
        dict(input=x, weight=weight, bias=bias, **old)
        | {f"expected_{k}": v for k, v in expected.items()},
        op="batch-norm",
        eps=eps,
        training=str(training).lower(),
        momentum="none" if momentum is None else momentum,
        running_stats=running_stats,
    )


def pytorch_module(x, weight, bias, old, training, momentum, eps):
    """Output and new running statistics of one call of torch.nn.BatchNorm1d, 2d or 3d."""
    module = MODULES[x.ndim](
        x.shape[1], eps, momentum, affine=False, track_running_stats=bool(old)
    ).double()
    module.load_state_dict({k: torch.from_numpy(v) for k, v in old.items()})
    for k, v in ("weight", weight), ("bias", bias):
        if v is not None:
            setattr(module, k, torch.nn.Parameter(f64(v), requires_grad=False))
    y = module.train(training)(f64(x))
    return y, {k: getattr(module, k) for k in old}


def onnx_running(x, old, momentum):
    """The update of ONNX BatchNormalization-15 and of Keras 3, which PyTorch does not have.

    The momentum weighs the old value, and the variance is divided by N, not by N - 1.
    """
    axes = (0, *range(2, x.ndim))
    x = x.astype(np.float64)
    mean, var = (old[k].astype(np.float64) for k in RUNNING)
    return {
        "running_mean": mean * momentum + x.mean(axes) * (1 - momentum),
        "running_var": var * momentum + x.var(axes) * (1 - momentum),
    }


def batch_norm_shapes():
    for layout, shape in SHAPES.items():
        for mode, training in ("infer", False), ("train", True):
            batch_norm(f"{mode}-{layout}", shape, training)
            batch_norm(f"{mode}-{layout}-affine-none", shape, training, affine="none")
    batch_norm("train-affine-weight", (3, 5, 7), affine="weight")
    batch_norm("train-affine-bias", (3, 5, 7), affine="bias")
    batch_norm("train-two-values", (2, 3))
    batch_norm("train-wide", (2, 260))
    batch_norm("train-long", (3, 2, 13, 11))


def batch_norm_momentum():
    for name, momentum in ("0", 0.0), ("1", 1.0), ("minus-1.2", -1.2):
        batch_norm(f"momentum-{name}", (3, 5, 7), momentum=momentum)
    for layout in ("ncl", "nchw", "ncdhw"):
        for batches in (0, 3):
            name = f"cumulative-{layout}-after-{batches}"
            batch_norm(name, SHAPES[layout], momentum=None, batches=batches)


def batch_norm_untracked():
    batch_norm("untracked-nc", SHAPES["nc"], track=False)
    batch_norm("untracked-nchw", SHAPES["nchw"], track=False)


def batch_norm_hard():
    def constant_channel(x):
        x[:, 1] = 0.1
        return x

    def outlier(x):
        x[0, 1, 2] = 1e6
        return x

    for mode, training in ("infer", False), ("train", True):
        name = f"{mode}-offset-1e6"
        batch_norm(name, (3, 2, 9, 11), training, change=lambda x: 1e6 + x, old_mean=1e6)
    batch_norm("train-constant-channel", (3, 5, 7), change=constant_channel)
    batch_norm("train-outlier-1e6", (3, 5, 7), change=outlier)
    batch_norm("train-eps-0.5", (3, 5, 7), eps=0.5)
    batch_norm("train-eps-1e-12", (3, 5, 7), eps=1e-12, change=lambda x: 1e-6 * x)
    # PyTorch refuses eps 0 in training.
    batch_norm("infer-eps-0", (3, 5, 7), training=False, eps=0.0)


def batch_norm_conventions():
    for running_stats, momentum, eps in ("onnx", 0.9, 1e-5), ("keras", 0.99, 1e-3):
        convention = dict(running_stats=running_stats, momentum=momentum, eps=eps)
        batch_norm(f"{running_stats}-train-nc", SHAPES["nc"], **convention)
        batch_norm(f"{running_stats}-train-nchw", SHAPES["nchw"], **convention)


# Every option, forward and backward

ACTIVATIONS = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_tanh": lambda u: F.gelu(u, approximate="tanh"),
    "silu": F.silu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    # PyTorch has no function of this name.
    "quick_gelu": lambda u: u * torch.sigmoid(1.702 * u),
    "leaky_relu": F.leaky_relu,
    "relu6": F.relu6,
    "hard_swish": F.hardswish,
    "softplus": F.softplus,
}
# The factor that a gate gives.
GATES = {
    "identity": lambda v: v,
    "one_plus": lambda v: 1 + v,
    "silu": F.silu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}
# The derivatives of these activations jump. That of softplus does at 20, by 2e-9.
BENT = ("relu", "leaky_relu", "relu6", "hard_swish", "softplus")
EXPONENTIAL = ("gelu", "gelu_tanh", "silu", "sigmoid", "tanh", "quick_gelu", "softplus")
DIFFERENTIABLE = ("input", "residual", "input_bias", "weight", "bias", "gate")
OVER_AXES = ("layer-norm", "rms-norm", "lp-normalize")


def in_f32(number):
    """The crate takes eps and momentum as f32."""
    return float(np.float32(number))


def numbers(text):
    return tuple(map(int, text.split(",")))


def case(
    name,
    op,
    shape,
    affine="both",
    residual=None,
    running=False,
    forward=True,
    backward=True,
    eps=1e-5,
    spread=0.5,
    change=lambda x: x,
    bias=None,
    **options,
):
    """Writes NAME, what PyTorch makes of one norm, and NAME-backward, what its autograd does.

    `residual` is None, "added", "kept" where the sum is an output too, or "behind" the norm. A case
    with the option `gate` has a gate "before" or "after" the norm. `options` go into the
    metadata as they are. `spread` is that of weight and bias, unless `bias` has its values.
    """
    rng = generator(name)
    m = {"op": op, "eps": in_f32(eps)} | options
    x = np.asarray(change(rng.standard_normal(shape)))
    tensors = {}
    if residual:
        # Multiples of 1/1024, so that the sum is a float32 too.
        x = np.round(1024 * x) / 1024
        r = np.round(1024 * rng.standard_normal(shape)) / 1024
        tensors["residual"] = r.astype(np.float32)
    if "input_bias" in m:
        # Of the normalized axes, which are the last.
        b = rng.standard_normal(shape[-len(numbers(m["axes"])) :])
        tensors["input_bias"] = (np.round(1024 * b) / 1024).astype(np.float32)
    tensors["input"] = x.astype(np.float32)
    if "gate" in m:
        # Multiples of 1/4, so that a product with an input above is a float32 too.
        tensors["gate"] = (np.round(4 * rng.standard_normal(shape)) / 4).astype(np.float32)
    if op in OVER_AXES:
        params = [shape[i] for i in numbers(m.get("affine_axes", m["axes"]))]
    else:
        params = [shape[-1 if m.get("layout") == "channels-last" else 1]]
    if "per_sample" in m:
        params = [shape[0], *params]
    centre = 0 if "zero_centered" in m else 1
    weight = (centre + spread * rng.standard_normal(params)).astype(np.float32)
    drawn = 2 * spread * rng.standard_normal(params)
    bias = np.asarray(drawn if bias is None else bias).astype(np.float32)
    if affine in ("both", "weight"):
        tensors["weight"] = weight
    if affine in ("both", "bias"):
        tensors["bias"] = bias
    if running:
        tensors["running_mean"] = rng.standard_normal(params).astype(np.float32)
        tensors["running_var"] = rng.uniform(0.5, 2, params).astype(np.float32)

    leaves = {k: f64(v).requires_grad_(k in DIFFERENTIABLE) for k, v in tensors.items()}
    if residual == "behind":
        m["residual_after"] = "true"
    if "next_norm" in m:
        tensors["next_weight"] = (1 + spread * rng.standard_normal(params)).astype(np.float32)
        leaves["next_weight"] = f64(tensors["next_weight"])
    outputs = pytorch(m, leaves)
    if residual != "kept":
        outputs.pop("residual_output", None)
    if forward:
        expected = {f"expected_{k}": v.detach() for k, v in outputs.items()}
        save(name, tensors | expected, **m)
    if not backward:
        return

    name = f"{name}-backward"
    rng = generator(name)
    through = [k for k in ("output", "residual_output") if k in outputs]
    grads = {f"grad_{k}": rng.standard_normal(shape).astype(np.float32) for k in through}
    if residual == "kept":
        kept = outputs["residual_output"].detach().numpy()
        tensors["residual_output"] = kept.astype(np.float32)
        assert (tensors["residual_output"] == kept).all(), name
    wanted = [k for k in DIFFERENTIABLE if k in leaves]
    found = torch.autograd.grad(
        [outputs[k] for k in through], [leaves[k] for k in wanted], [f64(g) for g in grads.values()]
    )
    expected = {f"expected_grad_{k}": v for k, v in zip(wanted, found)}
    # The crate writes the residual's gradient only where it is a tensor of its own.
    after = op == "batch-norm" or residual == "behind"
    own = "activation" in m if after else m.get("gate") == "before"
    if residual and not own:
        same = f64(grads["grad_output"]) if after else expected["expected_grad_input"]
        assert torch.equal(expected.pop("expected_grad_residual"), same), name
    if "input_bias" in m:
        # Nor that of this bias, which is the sum of the input's over the rows.
        rows = expected["expected_grad_input"].reshape(-1, *tensors["input_bias"].shape)
        torch.testing.assert_close(expected.pop("expected_grad_input_bias"), rows.sum(0), rtol=0, atol=1e-14)
    save(name, tensors | grads | expected, **m, direction="backward")


def pytorch(m, t):
    """All that the norm of this metadata makes of these tensors, in PyTorch's own functions."""
    x, gain, bias = t["input"], t.get("weight"), t.get("bias")
    found = {}
    after = m["op"] == "batch-norm" or "residual_after" in m
    if m.get("gate") == "before":
        x = x * GATES[m["gate_function"]](t["gate"])
    if "residual" in t and not after:
        x = found["residual_output"] = x + t["residual"] + t.get("input_bias", 0)
    if "zero_centered" in m:
        gain = 1 + gain
    apart = "per_sample" in m or "affine_axes" in m or m["op"] == "lp-normalize"
    params = (None, None) if apart else (gain, bias)
    if m["op"] in OVER_AXES:
        axes = numbers(m["axes"])
        last = tuple(range(-len(axes), 0))
        y, stats = over_last_axes(m, x.movedim(axes, last), len(axes), *params)
        if "per_sample" in m:
            rows = y.ndim - len(axes) - 1
            gain, bias = (p.reshape(len(p), *[1] * rows, *p.shape[1:]) for p in (gain, bias))
            y = y * gain + bias
        elif apart:
            # These weights belong to the last axes, of which the norm's are the last.
            y = y if gain is None else y * gain
            y = y if bias is None else y + bias
        y = y.movedim(last, axes)
    else:
        channels_last = m.get("layout") == "channels-last"
        y = x.movedim(-1, 1).contiguous() if channels_last else x
        y, stats = over_channels(m, t, y, *params)
        if "per_sample" in m:
            gain, bias = (p.reshape(*p.shape, *[1] * (y.ndim - 2)) for p in (gain, bias))
            y = y * gain + bias
        y = y.movedim(1, -1) if channels_last else y
    if m.get("gate") == "after":
        y = y * GATES[m["gate_function"]](t["gate"])
    if "residual" in t and after:
        y = y + t["residual"]
    found["output"] = ACTIVATIONS[m["activation"]](y) if "activation" in m else y
    if "next_norm" in m:
        norm = [x.shape[i] for i in numbers(m["axes"])]
        found["next_output"] = F.rms_norm(found["output"], norm, t["next_weight"], m["eps"])
    return found | stats


def over_last_axes(m, x, axes, gain, bias):
    """Output and statistics of a norm over this many last axes."""
    norm, eps = x.shape[-axes:], m["eps"]
    if m["op"] == "lp-normalize":
        return F.normalize(x, m["order"], tuple(range(-axes, 0)), eps), {}
    if m["op"] == "rms-norm":
        y = F.rms_norm(x, norm, gain, eps)
        return y if bias is None else y + bias, {}
    y, mean, rstd = torch.native_layer_norm(x, norm, gain, bias, eps)
    return y, {"mean": mean.reshape(x.shape[:-axes]), "rstd": rstd.reshape(x.shape[:-axes])}


def over_channels(m, t, x, gain, bias):
    """Output and statistics of a norm of [N, C, ..]."""
    eps = m["eps"]
    n, c = x.shape[:2]
    if m["op"] == "group-norm":
        size = x.numel() // (n * c)
        y, mean, rstd = torch.native_group_norm(x, gain, bias, n, c, size, m["groups"], eps)
        return y, {"mean": mean, "rstd": rstd}
    old = [t[k].clone() if k in t else None for k in RUNNING]
    momentum = float(m.get("momentum", 0))
    if m["op"] == "instance-norm":
        y, stats = F.instance_norm(x, *old, gain, bias, True, momentum, eps), {}
    elif m["training"] == "true":
        y, mean, rstd = torch.native_batch_norm(x, gain, bias, *old, True, momentum, eps)
        stats = {"mean": mean, "rstd": rstd}
    else:
        return F.batch_norm(x, *old, gain, bias, False, 0.0, eps), {}
    return y, stats | {k: new for k, new in zip(RUNNING, old) if new is not None}


TRACKED = {"running": True, "momentum": in_f32(0.1), "running_stats": "pytorch"}
TRAINING, EVAL = {"training": "true"}, {"training": "false", "running": True}
ADAPTIVE = {"per_sample": "true", "zero_centered": "true"}
LAST = {"layout": "channels-last"}


def gradients():
    """Backward passes of what the files above have the forward passes of."""

    def constant_row(x):
        x[1] = 0.1
        return x

    def ln(name, shape, axes="1", **options):
        case(f"ln-{name}", "layer-norm", shape, axes=axes, forward=False, **options)

    ln("rows", (3, 31))
    ln("rows-257", (2, 257))
    ln("two-axes", (3, 4, 5), "1,2")
    ln("all-axes", (3, 4, 5), "0,1,2")
    for affine in ("none", "weight", "bias"):
        ln(f"affine-{affine}", (3, 17), affine=affine)
    ln("eps-0.5", (3, 17), eps=0.5)
    ln("offset-1e6", (2, 65), change=lambda x: 1e6 + x)
    ln("constant-row", (3, 17), change=constant_row)

    def rms(name, shape, axes="1", affine="weight", **options):
        case(f"rms-{name}", "rms-norm", shape, affine, axes=axes, forward=False, **options)

    rms("rows", (3, 31))
    rms("two-axes", (3, 4, 5), "1,2")
    rms("affine-none", (3, 17), affine="none")
    rms("eps-0.5", (3, 17), eps=0.5)

    def gn(name, shape, groups, **options):
        case(f"gn-{name}", "group-norm", shape, groups=groups, forward=False, **options)

    gn("nc", (3, 6), 2)
    gn("nchw", (2, 4, 3, 5), 2)
    gn("one-group", (2, 4, 3, 5), 1)
    gn("groups-are-channels", (2, 4, 3, 5), 4)
    for affine in ("none", "weight", "bias"):
        gn(f"affine-{affine}", (2, 6, 7), 3, affine=affine)

    case("in-ncl", "instance-norm", (3, 4, 7), "none", forward=False)
    case("in-nchw-affine", "instance-norm", (2, 3, 4, 5), forward=False)

    def bn(name, shape, mode, **options):
        case(f"bn-{name}", "batch-norm", shape, forward=False, **mode, **options)

    for mode, training in ("train", TRAINING), ("infer", EVAL):
        bn(f"{mode}-nc", (8, 5), training)
        bn(f"{mode}-nchw", (3, 4, 3, 5), training)
        for affine in ("none", "weight", "bias"):
            bn(f"{mode}-ncl-affine-{affine}", (3, 4, 7), training, affine=affine)
    bn("train-ncdhw", (2, 3, 2, 3, 5), TRAINING)


def lp_normalize():
    def lp(name, shape, axes="1", eps=1e-12, **options):
        for p in (2, 1):
            options |= {"axes": axes, "order": p, "eps": eps}
            case(f"l{p}-{name}", "lp-normalize", shape, "none", **options)

    def three_sizes(x):
        """Norms above eps 0.5, below it, and 0."""
        x[1] *= 1e-3
        x[2] = 0
        return x

    lp("rows", (3, 31))
    lp("middle-axis", (2, 5, 7))
    lp("two-axes", (2, 4, 5), "1,2")
    lp("eps-0.5", (3, 9), eps=0.5, change=three_sizes)
    lp("zeros", (2, 5), change=lambda x: 0 * x)
    lp("some-zeros", (2, 9), change=lambda x: np.where(np.arange(9) % 3 == 0, 0, x))


def other_axes_and_layouts():
    # ConvNeXt normalizes over C of NCHW.
    case("ln-nchw-channels", "layer-norm", (2, 6, 3, 5), axes="1")
    case("ln-middle-axes", "layer-norm", (2, 3, 4, 5), axes="1,2")
    case("ln-first-axis", "layer-norm", (6, 5), axes="0")
    case("rms-nchw-channels", "rms-norm", (2, 6, 3, 5), "weight", axes="1")
    case("bn-train-nhwc", "batch-norm", (3, 3, 4, 5), **TRAINING, **TRACKED, **LAST)
    case("bn-infer-nhwc", "batch-norm", (3, 3, 4, 5), **EVAL, **LAST)
    case("gn-nhwc", "group-norm", (2, 3, 4, 6), groups=3, **LAST)
    case("gn-nhwc-one-group", "group-norm", (2, 3, 4, 5), groups=1, **LAST)
    case("in-nhwc", "instance-norm", (2, 3, 4, 5), **LAST)
    case("in-nlc-affine-none", "instance-norm", (2, 7, 5), "none", **LAST)


AROUND_BENDS = (-21, -20, -6, -3.5, -3, -2.5, -1, -0.5, 0, 0.5, 1, 2.5, 3, 3.5, 5.5, 6, 6.5, 20, 21)


def activations():
    for f in ACTIVATIONS:
        # Weights of 5 take gelu and its like from one end of their range to the other.
        case(f"ln-{f}", "layer-norm", (3, 17), axes="1", activation=f, spread=5)
        options = {"activation": f, "residual": "added"}
        case(f"bn-train-{f}-residual", "batch-norm", (3, 4, 5), **TRAINING, **options)
        if f in EXPONENTIAL:
            # Far beyond where exp overflows in f32.
            case(f"rms-{f}-far", "rms-norm", (2, 9), "weight", axes="1", activation=f, spread=200)
        if f in BENT:
            # Rows of zeros leave the bias alone: the function's argument is exactly at a bend.
            options = {"activation": f, "bias": AROUND_BENDS, "change": lambda x: 0 * x}
            case(f"ln-{f}-bends", "layer-norm", (2, len(AROUND_BENDS)), axes="1", **options)
    options = {"activation": "relu", "residual": "added"}
    case("bn-infer-relu-residual", "batch-norm", (3, 4, 5), **EVAL, **options)
    case("bn-train-silu-nhwc", "batch-norm", (2, 3, 4, 5), **TRAINING, **LAST, activation="silu")
    case("gn-silu", "group-norm", (2, 4, 3, 5), groups=2, activation="silu")
    case("in-relu", "instance-norm", (2, 3, 7), activation="relu")
    case("l2-gelu", "lp-normalize", (3, 9), "none", axes="1", order=2, eps=1e-12, activation="gelu")


def residuals():
    for residual in "added", "kept":
        options = {"residual": residual}
        case(f"ln-residual-{residual}", "layer-norm", (3, 17), axes="1", **options)
        case(f"rms-residual-{residual}", "rms-norm", (3, 17), "weight", axes="1", **options)
        case(f"gn-residual-{residual}", "group-norm", (2, 4, 7), groups=2, **options)
    case("ln-nchw-channels-residual", "layer-norm", (2, 6, 3, 5), axes="1", residual="kept")
    case("in-nhwc-residual", "instance-norm", (2, 3, 4, 5), residual="kept", **LAST)
    case("ln-gelu-residual", "layer-norm", (3, 17), axes="1", residual="kept", activation="gelu")
    case("bn-train-residual", "batch-norm", (3, 4, 5), residual="added", **TRAINING)


def adaptive():
    """The gain is 1 + weight, and of each sample on its own."""
    case("ln-adaptive", "layer-norm", (3, 4, 9), axes="2", **ADAPTIVE)
    case("ln-adaptive-nchw-channels", "layer-norm", (2, 6, 3, 5), axes="1", **ADAPTIVE)
    case("ln-adaptive-silu", "layer-norm", (3, 9), axes="1", activation="silu", **ADAPTIVE)
    case("ln-per-sample", "layer-norm", (3, 4, 9), axes="2", per_sample="true")
    case("rms-adaptive", "rms-norm", (3, 4, 9), axes="2", **ADAPTIVE)
    case("gn-adaptive", "group-norm", (3, 4, 7), groups=2, **ADAPTIVE)
    case("gn-adaptive-nhwc", "group-norm", (2, 3, 4, 6), groups=3, **ADAPTIVE, **LAST)
    case("in-adaptive", "instance-norm", (3, 4, 7), **ADAPTIVE)
    zero_centered = {"zero_centered": "true"}
    case("ln-zero-centered", "layer-norm", (3, 17), axes="1", **zero_centered)
    case("rms-zero-centered", "rms-norm", (3, 17), "weight", axes="1", **zero_centered)
    case("bn-train-zero-centered", "batch-norm", (3, 4, 5), **TRAINING, **zero_centered)


def fusions():
    """What models fuse with their norms."""
    for f in GATES:
        for place in "before", "after":
            gate = {"gate": place, "gate_function": f}
            case(f"ln-gate-{place}-{f}", "layer-norm", (3, 17), axes="1", **gate)
    silu = {"gate_function": "silu"}
    case("rms-gate-before", "rms-norm", (3, 4, 8), "weight", axes="2", gate="before", **silu)
    case("rms-gate-after", "rms-norm", (3, 4, 8), "weight", axes="2", gate="after", **silu)
    plain = {"gate": "before", "gate_function": "identity"}
    case("ln-modulated", "layer-norm", (3, 4, 9), axes="2", residual="kept", **plain, **ADAPTIVE)
    tanh = {"gate": "after", "gate_function": "tanh"}
    case("rms-gate-residual", "rms-norm", (3, 17), "weight", axes="1", residual="behind", **tanh)
    case("rms-residual-behind", "rms-norm", (3, 17), "weight", axes="1", residual="behind")
    case("ln-gelu-residual-behind", "layer-norm", (3, 17), axes="1", residual="behind", activation="gelu")
    heads = {"axes": "2", "affine_axes": "1,2"}
    case("rms-heads", "rms-norm", (3, 4, 8), "weight", **heads)
    case("ln-heads", "layer-norm", (2, 3, 4, 7), axes="3", affine_axes="2,3")
    for p in (2, 1):
        options = {"axes": "1", "order": p, "eps": 1e-12}
        case(f"l{p}-weight", "lp-normalize", (3, 9), **options)
    for residual in "added", "kept":
        options = {"residual": residual, "input_bias": "true"}
        case(f"ln-input-bias-{residual}", "layer-norm", (3, 17), axes="1", **options)
        case(f"rms-input-bias-{residual}", "rms-norm", (2, 3, 5), "weight", axes="1,2", **options)
    options = {"residual": "behind", "next_norm": "true", "backward": False}
    case("rms-next-norm", "rms-norm", (3, 17), "weight", axes="1", **options)


def instance_norm_running():
    case("in-running-ncl", "instance-norm", (3, 4, 7), "none", backward=False, **TRACKED)
    case("in-running-nchw", "instance-norm", (2, 3, 4, 5), backward=False, **TRACKED)
    momentum_1 = TRACKED | {"momentum": 1.0}
    case("in-running-momentum-1", "instance-norm", (3, 4, 7), backward=False, **momentum_1)
    case("in-running-nhwc", "instance-norm", (2, 3, 4, 5), backward=False, **TRACKED, **LAST)

# Check with numpy alone


def normal_cdf(u):
    return 0.5 * np.vectorize(math.erfc)(-u / math.sqrt(2))


def gelu_tanh_argument(u):
    return math.sqrt(2 / math.pi) * (u + 0.044715 * u**3)


def gelu_tanh_slope(u):
    t = np.tanh(gelu_tanh_argument(u))
    inner = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * u**2)
    return 0.5 * (1 + t) + 0.5 * u * (1 - t**2) * inner


def sigmoid(u):
    return 0.5 * (1 + np.tanh(u / 2))


def quick_gelu_slope(u):
    s = sigmoid(1.702 * u)
    return s * (1 + 1.702 * u * (1 - s))


# Each function and its derivative.
FORMULAS = {
    "none": (lambda u: u, np.ones_like),
    "relu": (lambda u: np.maximum(u, 0), lambda u: np.where(u > 0, 1.0, 0.0)),
    "gelu": (
        lambda u: u * normal_cdf(u),
        lambda u: normal_cdf(u) + u * np.exp(-(u**2) / 2) / math.sqrt(2 * math.pi),
    ),
    "gelu_tanh": (lambda u: 0.5 * u * (1 + np.tanh(gelu_tanh_argument(u))), gelu_tanh_slope),
    "silu": (lambda u: u * sigmoid(u), lambda u: sigmoid(u) * (1 + u * (1 - sigmoid(u)))),
    "sigmoid": (sigmoid, lambda u: sigmoid(u) * (1 - sigmoid(u))),
    "tanh": (np.tanh, lambda u: 1 - np.tanh(u) ** 2),
    "quick_gelu": (lambda u: u * sigmoid(1.702 * u), quick_gelu_slope),
    "leaky_relu": (
        lambda u: np.where(u < 0, 0.01 * u, u),
        lambda u: np.where(u > 0, 1.0, 0.01),
    ),
    "relu6": (lambda u: np.clip(u, 0, 6), lambda u: np.where((u > 0) & (u < 6), 1.0, 0.0)),
    "hard_swish": (
        lambda u: u * np.clip(u + 3, 0, 6) / 6,
        lambda u: np.where(u <= -3, 0, np.where(u >= 3, 1, u / 3 + 0.5)),
    ),
    "softplus": (
        lambda u: np.where(u > 20, u, np.log1p(np.exp(np.minimum(u, 20)))),
        lambda u: np.where(u > 20, 1, sigmoid(u)),
    ),
}


# The factor that a gate gives, and its derivative.
GATE_FORMULAS = {
    "identity": (lambda v: v, np.ones_like),
    "one_plus": (lambda v: 1 + v, np.ones_like),
    "silu": FORMULAS["silu"],
    "sigmoid": FORMULAS["sigmoid"],
    "tanh": FORMULAS["tanh"],
}


def views(m, shape):
    """The shape in which each statistic is over whole axes, these axes, and where weights vary."""
    rank = len(shape)
    if m["op"] in OVER_AXES:
        if "axes" in m:
            axes = numbers(m["axes"])
        else:
            axes = tuple(range(rank - len(numbers(m["normalized_shape"])), rank))
        view, varies = shape, set(axes)
    elif m["op"] == "batch-norm":
        channel = rank - 1 if "layout" in m else 1
        view, varies = shape, {channel}
        axes = tuple(i for i in range(rank) if i != channel)
    else:
        channels = shape[-1 if "layout" in m else 1]
        groups = int(m.get("groups", channels))
        split = (groups, channels // groups)
        if "layout" in m:
            view, group = (*shape[:-1], *split), rank - 1
        else:
            view, group = (shape[0], *split, *shape[2:]), 1
        varies = {group, group + 1}
        axes = tuple(i for i in range(1, rank + 1) if i != group)
    if "affine_axes" in m:
        varies = set(numbers(m["affine_axes"]))
    if "per_sample" in m:
        varies = varies | {0}
    return view, axes, varies


def recompute(t, m):
    """The expected tensors of one file, by the plain formulas."""
    shape, eps = t["input"].shape, float(m["eps"])
    view, axes, varies = views(m, shape)
    wide = {k: v.astype(np.float64) for k, v in t.items()}
    x = wide["input"].reshape(view)
    per_weight = tuple(n if i in varies else 1 for i, n in enumerate(view))
    per_statistic = tuple(1 if i in axes else n for i, n in enumerate(view))
    others = tuple(i for i in range(len(view)) if i not in varies)
    gain = wide["weight"].reshape(per_weight) if "weight" in t else 1.0
    gain = gain + 1 if "zero_centered" in m else gain
    bias = wide["bias"].reshape(per_weight) if "bias" in t else 0.0
    residual = wide["residual"].reshape(view) if "residual" in t else 0.0
    after = m["op"] == "batch-norm" or "residual_after" in m
    factor, gate_slope = 1.0, 0.0
    if "gate" in m:
        factor, gate_slope = (f(wide["gate"].reshape(view)) for f in GATE_FORMULAS[m["gate_function"]])
    before = factor if m.get("gate") == "before" else 1.0
    behind = factor if m.get("gate") == "after" else 1.0
    x = x * before
    if not after:
        # This bias has the last axes of the input.
        x, residual = x + residual + wide.get("input_bias", 0.0), 0.0
    count = x.size / np.prod(per_statistic)

    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    if m["op"] == "rms-norm":
        mean, var = 0, (x**2).mean(axes, keepdims=True)
    found, batch = {}, (mean, var)
    if m.get("training") == "false":
        mean, var = (wide[k].reshape(per_statistic) for k in RUNNING)
    if m["op"] == "lp-normalize":
        size = np.abs(x).sum(axes, keepdims=True)
        if m["order"] == "2":
            size = np.sqrt((x**2).sum(axes, keepdims=True))
        mean, rstd = 0, 1 / np.maximum(size, eps)
    else:
        rstd = 1 / np.sqrt(var + eps)
    if "expected_mean" in t:
        found = {"mean": mean, "rstd": rstd}
    if "running_mean" in t and m.get("training") != "false":
        found |= running(t, m, *batch, count)
    normalized = (x - mean) * rstd
    affine = normalized * gain + bias
    u = affine * behind + residual
    f, slope = FORMULAS[m.get("activation", "none")]
    if m.get("direction") != "backward":
        found |= {"output": f(u), "residual_output": x}
        if "next_norm" in m:
            power = (found["output"] ** 2).mean(axes, keepdims=True)
            next_weight = wide["next_weight"].reshape(per_weight)
            found["next_output"] = found["output"] / np.sqrt(power + eps) * next_weight
    else:
        g = wide["grad_output"].reshape(view) * slope(u)
        found |= {"grad_residual": g, "grad_gate": g * affine * gate_slope}
        g = g * behind
        found |= {"grad_bias": g.sum(others)}
        found["grad_weight"] = (g * normalized).sum(others)
        g = g * gain
        share = (g * normalized).sum(axes, keepdims=True)
        if m.get("training") == "false":
            share = 0
        elif m["op"] == "lp-normalize":
            share = share * (np.sign(x) if m["order"] == "1" else normalized) * (size >= eps)
        else:
            share = normalized * share / count
            if m["op"] != "rms-norm":
                share = share + g.mean(axes, keepdims=True)
        kept = wide["grad_residual_output"].reshape(view) if "grad_residual_output" in t else 0
        grad_x = rstd * (g - share) + kept
        found["grad_input"] = grad_x * before
        if m.get("gate") == "before":
            found["grad_gate"] = grad_x * wide["input"].reshape(view) * gate_slope
            found["grad_residual"] = grad_x
    found = {f"expected_{k}": v for k, v in found.items() if f"expected_{k}" in t}
    return {k: v.reshape(t[k].shape) for k, v in found.items()}


def running(t, m, mean, var, count):
    """The new running statistics; of instance norm, with the averages over all samples."""
    found = {}
    new = None if m["momentum"] == "none" else float(m["momentum"])
    keep, correction = new, 1
    if m["running_stats"] == "pytorch":
        if "num_batches_tracked" in t:
            found["num_batches_tracked"] = t["num_batches_tracked"] + 1
            new = 1 / found["num_batches_tracked"] if new is None else new
        keep, correction = 1 - new, count / (count - 1)
    else:
        new = 1 - keep
    for k, batch in zip(RUNNING, (mean, var * correction)):
        batch = batch.reshape(-1, len(t[k])).mean(0)
        found[k] = keep * t[k].astype(np.float64) + new * batch
    return found


def check():
    from safetensors import safe_open

    worst = 0.0
    for path in sorted(OUT.glob("*.safetensors")):
        with safe_open(path, "numpy") as file:
            t, m = {k: file.get_tensor(k) for k in file.keys()}, file.metadata()
        found = recompute(t, m)
        assert found.keys() == {k for k in t if k.startswith("expected_")}, path.name
        difference = 0.0
        for k, v in found.items():
            assert v.shape == t[k].shape and np.isfinite(t[k]).all(), (path.name, k)
            # Relative to the largest value, which is at least 1.
            scale = max(1, np.abs(v).max())
            difference = max(difference, np.abs(v - t[k]).max() / scale)
        # Subtracting a mean of 1e6 costs 6 of the 16 digits.
        limit = 1e-9 if np.abs(t["input"]).max() > 1e5 else 1e-12
        assert difference <= limit, (path.name, difference)
        print(f"{difference:.1e}  {path.name}")
        worst = max(worst, difference)
    print(f"{worst:.1e}  largest difference")


def main():
    torch.set_num_threads(1)  # the number of threads changes the order of some sums
    OUT.mkdir(exist_ok=True)
    for path in OUT.glob("*.safetensors"):
        path.unlink()
    layer_norm_shapes()
    layer_norm_affine()
    layer_norm_eps()
    layer_norm_hard()
    rms_norms()
    group_norms()
    instance_norms()
    batch_norm_shapes()
    batch_norm_momentum()
    batch_norm_untracked()
    batch_norm_hard()
    batch_norm_conventions()
    gradients()
    lp_normalize()
    other_axes_and_layouts()
    activations()
    residuals()
    adaptive()
    fusions()
    instance_norm_running()
    files = list(OUT.glob("*.safetensors"))
    size = sum(path.stat().st_size for path in files)
    print(f"{len(files)} files, {size} bytes; torch {torch.__version__}, numpy {np.__version__}")


if __name__ == "__main__":
    check() if sys.argv[1:] == ["--check"] else main()
