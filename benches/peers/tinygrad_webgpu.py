"""tinygrad on WebGPU (Dawn): the modules of `tinygrad.nn`, compiled by `TinyJit`.

A forward pass is a call of the module. A backward pass is `Tensor.gradient` of it, of which tinygrad computes only what
the gradients need. With BEAM=2 in the environment it searches for faster kernels, which takes minutes a case.
"""

import ctypes
import os
import platform
import sys
from pathlib import Path

import peers


def dawn():
    """Dawn's library, as the package dawn-python brings it; tinygrad itself looks for one of the system."""
    import pydawn

    x86 = platform.machine() in ("x86_64", "AMD64")
    name = {
        "linux": "libwebgpu_dawn_x86_64.so" if x86 else "libwebgpu_dawn_aarch64.so",
        "darwin": "libwebgpu_dawn_x86_64.dylib" if x86 else "libwebgpu_dawn_arm64.dylib",
        "win32": "libwebgpu_dawn.dll",
    }[sys.platform]
    return str(Path(pydawn.__file__).parent / "lib" / name)


try:
    os.environ.setdefault("WEBGPU_PATH", dawn())
    os.environ["DEV"] = "WEBGPU"
    from tinygrad import Device, Tensor, TinyJit, nn
    from tinygrad.runtime.autogen import webgpu

    DEVICE = Device["WEBGPU"]
except Exception as e:
    peers.unavailable("tinygrad", f"no WebGPU device: {type(e).__name__}: {e}")


def adapter():
    info = webgpu.WGPUAdapterInfo()
    webgpu.wgpuDeviceGetAdapterInfo(DEVICE.device_res, info)
    return ctypes.string_at(info.device.data, info.device.length).decode()


def prepare(_, case):
    if case.dtype == "f16" and "shader-f16" not in DEVICE.arch:
        raise peers.Skip("the adapter has no f16")

    tensor = lambda values: Tensor(case.numpy(values)).realize()
    if case.op == "layer_norm":
        module = nn.LayerNorm(case.shape[-1], eps=peers.EPS)
    elif case.op == "rms_norm":
        module = nn.RMSNorm(case.shape[-1], eps=peers.EPS)
    elif case.op == "batch_norm_inference":
        module = nn.BatchNorm(case.shape[1], eps=peers.EPS)
        module.running_mean, module.running_var = tensor(case.mean), tensor(case.var)
    elif case.op == "group_norm":
        module = nn.GroupNorm(case.groups, case.shape[1], eps=peers.EPS)
    else:
        raise peers.Skip("not an op of tinygrad.nn")
    module.weight = tensor(case.weight)
    parameters = [module.weight]
    if hasattr(module, "bias"):
        module.bias = tensor(case.bias)
        parameters.append(module.bias)
    x, grad = tensor(case.x), tensor(case.grad)

    @TinyJit
    def op(x, grad):
        outputs = module(x).gradient(x, *parameters, gradient=grad) if case.backward else [module(x)]
        Tensor.realize(*outputs)
        return outputs

    last = []

    def run():
        last[:] = op(x, grad)

    # The first call builds the kernels, the second records them.
    for _ in range(3):
        run()
    return run, DEVICE.synchronize, lambda: [output.numpy() for output in last]


peers.drive(["tinygrad"], adapter(), prepare)
