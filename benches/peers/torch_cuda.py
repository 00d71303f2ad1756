"""PyTorch eager, `torch.compile` and Triton kernels, on CUDA.

A forward pass is the function of `torch.nn.functional`. A backward pass is `torch.autograd.grad` of it alone: the
forward pass ran before. The Triton kernels hold a row in registers, as published ones do. The backward one adds up the
gradients of weight and bias over some rows in each program, and PyTorch adds up those of the programs.

These are wall times of ops queued one after the other: of small tensors, the time is that of a launch.
"""

import peers

ENGINES = ["torch", "torch.compile", "triton"]

try:
    import torch
    import torch.nn.functional as F

    if not torch.cuda.is_available():
        peers.unavailable("torch, torch.compile, triton", "PyTorch finds no CUDA device")
    import torch._functorch.config
    import triton
    import triton.language as tl
except Exception as e:
    peers.unavailable("torch, torch.compile, triton", f"{type(e).__name__}: {e}")

DEVICE = "cuda"
TYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
# A compiled backward pass is run again and again on what one forward pass has kept.
torch._functorch.config.donated_buffer = False


@triton.jit
def forward_kernel(x, weight, bias, y, length, eps, CENTERED: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64) * length
    at = tl.arange(0, BLOCK)
    inside = at < length
    values = tl.load(x + row + at, mask=inside, other=0.0).to(tl.float32)
    if CENTERED:
        values = tl.where(inside, values - tl.sum(values) / length, 0.0)
    values *= 1 / tl.sqrt(tl.sum(values * values) / length + eps)
    values *= tl.load(weight + at, mask=inside, other=0.0).to(tl.float32)
    if CENTERED:
        values += tl.load(bias + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(y + row + at, values, mask=inside)


@triton.jit
def backward_kernel(
    x, grad, weight, grad_x, weights, biases, rows, length, eps, CENTERED: tl.constexpr, BLOCK: tl.constexpr
):
    at = tl.arange(0, BLOCK)
    inside = at < length
    w = tl.load(weight + at, mask=inside, other=0.0).to(tl.float32)
    grad_weight = tl.zeros([BLOCK], tl.float32)
    grad_bias = tl.zeros([BLOCK], tl.float32)
    start = tl.program_id(0).to(tl.int64) * length
    for _ in range(tl.program_id(0), rows, tl.num_programs(0)):
        values = tl.load(x + start + at, mask=inside, other=0.0).to(tl.float32)
        g = tl.load(grad + start + at, mask=inside, other=0.0).to(tl.float32)
        if CENTERED:
            values = tl.where(inside, values - tl.sum(values) / length, 0.0)
        rstd = 1 / tl.sqrt(tl.sum(values * values) / length + eps)
        values *= rstd
        grad_weight += g * values
        grad_bias += g
        g *= w
        result = g - values * (tl.sum(g * values) / length)
        if CENTERED:
            result -= tl.sum(g) / length
        tl.store(grad_x + start + at, result * rstd, mask=inside)
        start += tl.num_programs(0).to(tl.int64) * length
    tl.store(weights + tl.program_id(0) * length + at, grad_weight, mask=inside)
    if CENTERED:
        tl.store(biases + tl.program_id(0) * length + at, grad_bias, mask=inside)


def triton_op(case, x, weight, bias, grad):
    if not case.rows:
        raise peers.Skip("no Triton kernel of this op here")
    length = case.shape[-1]
    rows = x.numel() // length
    block = triton.next_power_of_2(length)
    fixed = {"CENTERED": case.op == "layer_norm", "BLOCK": block, "num_warps": min(max(block // 256, 1), 16)}

    def forward():
        y = torch.empty_like(x)
        forward_kernel[(rows,)](x, weight, bias, y, length, peers.EPS, **fixed)
        return [y]

    programs = min(rows, 2 * torch.cuda.get_device_properties(0).multi_processor_count)

    def backward():
        grad_x = torch.empty_like(x)
        weights = torch.empty([programs, length], dtype=torch.float32, device=DEVICE)
        biases = torch.empty_like(weights)
        backward_kernel[(programs,)](x, grad, weight, grad_x, weights, biases, rows, length, peers.EPS, **fixed)
        sums = [weights, biases] if case.op == "layer_norm" else [weights]
        return [grad_x] + [s.sum(0).to(x.dtype) for s in sums]

    return backward if case.backward else forward


def torch_op(case, x, weight, bias, mean, var, grad, compiled):
    functions = {
        "layer_norm": lambda x, w, b: F.layer_norm(x, case.shape[-1:], w, b, peers.EPS),
        "rms_norm": lambda x, w, b: F.rms_norm(x, case.shape[-1:], w, peers.EPS),
        "batch_norm_inference": lambda x, w, b: F.batch_norm(x, mean, var, w, b, False, 0.0, peers.EPS),
        "group_norm": lambda x, w, b: F.group_norm(x, case.groups, w, b, peers.EPS),
    }
    if case.op not in functions:
        raise peers.Skip("not an op of torch.nn.functional")
    function = functions[case.op]
    if compiled:
        function = torch.compile(function, dynamic=False)
    if not case.backward:

        def forward():
            with torch.no_grad():
                return [function(x, weight, bias)]

        return forward
    of = [x, weight] if case.op == "rms_norm" else [x, weight, bias]
    for tensor in of:
        tensor.requires_grad_()
    y = function(x, weight, bias)
    return lambda: torch.autograd.grad(y, of, grad, retain_graph=True)


def prepare(engine, case):
    tensor = lambda values: torch.from_numpy(values).to(DEVICE, TYPES[case.dtype])
    x, weight, bias, mean, var, grad = map(tensor, (case.x, case.weight, case.bias, case.mean, case.var, case.grad))
    if engine == "triton":
        op = triton_op(case, x, weight, bias, grad)
    else:
        op = torch_op(case, x, weight, bias, mean, var, grad, engine == "torch.compile")
    last = []

    def run():
        last[:] = op()

    return run, torch.cuda.synchronize, lambda: [output.detach().float().cpu().numpy() for output in last]


peers.drive(ENGINES, torch.cuda.get_device_name(), prepare)
