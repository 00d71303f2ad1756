"""Makes the test vectors in pytorch/ with PyTorch on the CPU.

    python tests/golden/make.py           # write all files
    python tests/golden/make.py --check   # recompute all files with plain numpy formulas

Inputs and parameters are float32. PyTorch computes the expected results in float64 from exactly
these float32 values, and they are stored as float64. Each file is one case; README.md says what
the files hold.
"""

import json
import sys
import zlib
from pathlib import Path

import numpy as np
import torch

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


# Check with numpy alone


def recompute(t, m):
    """The expected tensors of one file, by the plain formulas."""
    x, eps = t["input"].astype(np.float64), float(m["eps"])
    if "normalized_shape" in m:
        axes = tuple(range(-len(m["normalized_shape"].split(",")), 0))
        param_shape = x.shape[axes[0] :]
    else:
        axes = (0, *range(2, x.ndim))
        param_shape = (-1, *[1] * (x.ndim - 2))
    if m["op"] in ("group-norm", "instance-norm"):
        groups = int(m.get("groups", x.shape[1]))
        axes = 2
        rows = x.reshape(x.shape[0], groups, -1)
    else:
        rows = x
    mean, var = rows.mean(axes, keepdims=True), rows.var(axes, keepdims=True)
    if m["op"] == "rms-norm":
        mean, var = 0, (x**2).mean(axes, keepdims=True)
    found = {}
    if "expected_mean" in t:
        found = {"mean": np.squeeze(mean, axes), "rstd": 1 / np.sqrt(np.squeeze(var, axes) + eps)}
    if m.get("training") == "false":
        mean, var = (t[k].astype(np.float64).reshape(param_shape) for k in RUNNING)
    elif "running_mean" in t:
        if m["running_stats"] == "pytorch":
            n = x.size / x.shape[1]
            batches = t["num_batches_tracked"] + 1
            found["num_batches_tracked"] = batches
            new = 1 / batches if m["momentum"] == "none" else float(m["momentum"])
            keep, correction = 1 - new, n / (n - 1)
        else:
            keep, correction = float(m["momentum"]), 1
            new = 1 - keep
        batch = np.squeeze(mean, axes), np.squeeze(var, axes) * correction
        for k, b in zip(RUNNING, batch):
            found[k] = keep * t[k].astype(np.float64) + new * b
    y = ((rows - mean) / np.sqrt(var + eps)).reshape(x.shape)
    if "weight" in t:
        y = y * t["weight"].astype(np.float64).reshape(param_shape)
    if "bias" in t:
        y = y + t["bias"].astype(np.float64).reshape(param_shape)
    return {f"expected_{k}": v for k, v in (found | {"output": y}).items()}


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
    files = list(OUT.glob("*.safetensors"))
    size = sum(path.stat().st_size for path in files)
    print(f"{len(files)} files, {size} bytes; torch {torch.__version__}, numpy {np.__version__}")


if __name__ == "__main__":
    check() if sys.argv[1:] == ["--check"] else main()
