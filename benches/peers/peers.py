"""What the Python drivers share: the cases, their inputs and true results, the clock, and the rows.

    python DRIVER.py --cases cases.json --json FILE [--rounds N]

The adapter's name is the engine's word, or that of the environment variable PEER_ADAPTER where the engine has none.
"""

import argparse
import functools
import json
import os
import statistics
import sys
import time

import numpy as np

EPS = 1e-5
# NumPy has no bf16.
NUMPY = {"f32": np.float32, "f16": np.float16}
BYTES = {"f32": 4, "f16": 2, "bf16": 2}
# Of the largest true value. This tells the right op from a wrong one; it is no measure of accuracy.
TOLERANCE = {"f32": 1e-4, "f16": 1e-2, "bf16": 5e-2}
WARM_UP = 3
# A sample is of as many ops as take about this long, so that the wait at its end is small beside it.
SAMPLE_SECONDS = 0.1
MIN_OPS = 3
MAX_OPS = 2000


class Skip(Exception):
    """Why a peer has no row for a case."""


class Case:
    """A line of cases.json, with its inputs in f32."""

    def __init__(self, fields):
        self.op, self.direction, self.dtype = fields["op"], fields["direction"], fields["dtype"]
        self.shape, self.groups = fields["shape"], fields.get("groups")
        # An add before the norm, whose sum is a result too.
        self.residual = fields.get("residual", False)
        self.backward = self.direction == "backward"
        self.rows = self.op in ("layer_norm", "rms_norm")
        channels = self.shape[-1] if self.rows else self.shape[1]
        random = np.random.default_rng(0)
        # The true result is of the values as they are stored.
        stored = lambda values: as_stored(values, self.dtype)
        self.x = stored(random.standard_normal(self.shape, np.float32))
        self.grad = stored(random.standard_normal(self.shape, np.float32))
        self.other = stored(random.standard_normal(self.shape, np.float32)) if self.residual else None
        self.weight = stored(random.uniform(0.5, 1.5, channels))
        self.bias = stored(random.uniform(-1, 1, channels))
        self.mean = stored(random.uniform(-1, 1, channels))
        self.var = stored(random.uniform(0.5, 1.5, channels))

    def __str__(self):
        residual = " with a residual" if self.residual else ""
        return f"{self.name} {'x'.join(map(str, self.shape))} {self.dtype}{residual}"

    @property
    def name(self):
        return self.op + ("_backward" if self.backward else "")

    def numpy(self, values):
        """Values as they are stored."""
        if self.dtype not in NUMPY:
            raise Skip(f"no {self.dtype} here")
        return values.astype(NUMPY[self.dtype])

    @functools.cached_property
    def expected(self):
        """The results in f64: the output, or the gradients of input, weight and, if there is one, bias.

        With a residual they are the output and the sum.
        """
        x, w, b = (v.astype(np.float64) for v in (self.x, self.weight, self.bias))
        if self.residual and (self.backward or not self.rows):
            raise Skip("a residual is for norms of rows, forward")
        if self.rows:
            if self.residual:
                x = x + self.other
            mean = x.mean(-1, keepdims=True) if self.op == "layer_norm" else 0.0
            rstd = 1 / np.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + EPS)
            y = (x - mean) * rstd
            if not self.backward:
                return [y * w + b if self.op == "layer_norm" else y * w] + ([x] if self.residual else [])
            g = self.grad.astype(np.float64)
            gw = g * w
            dx = gw - y * (gw * y).mean(-1, keepdims=True)
            if self.op == "layer_norm":
                dx -= gw.mean(-1, keepdims=True)
                return [dx * rstd, (g * y).sum(0), g.sum(0)]
            return [dx * rstd, (g * y).sum(0)]
        if self.backward:
            raise Skip("no true result of this case is known here")
        per_channel = lambda v: v.astype(np.float64).reshape([1, -1] + [1] * (len(self.shape) - 2))
        if self.op == "batch_norm_inference":
            y = (x - per_channel(self.mean)) / np.sqrt(per_channel(self.var) + EPS)
        elif self.op == "group_norm":
            g = x.reshape(self.shape[0], self.groups, -1)
            y = (g - g.mean(-1, keepdims=True)) / np.sqrt(g.var(-1, keepdims=True) + EPS)
            y = y.reshape(self.shape)
        else:
            raise Skip("not an op that is known here")
        return [y * per_channel(self.weight) + per_channel(self.bias)]

    def check(self, actual):
        """Raises `Skip` where a result is not the true one."""
        expected = self.expected
        if len(actual) != len(expected):
            raise Skip(f"wrote {len(actual)} tensors, not {len(expected)}")
        for i, (a, e) in enumerate(zip(actual, expected)):
            if list(a.shape) != list(e.shape):
                raise Skip(f"tensor {i} has the shape {list(a.shape)}, not {list(e.shape)}")
            error = np.abs(a.astype(np.float64) - e).max() / max(1.0, np.abs(e).max())
            # Not `error > ..`: a NaN must fail.
            if not error <= TOLERANCE[self.dtype]:
                raise Skip(f"tensor {i} is off by {error:.1e}")

    def bytes(self):
        """What must move: each tensor once."""
        elements, channels = self.x.size, self.weight.size
        parameters = {"layer_norm": 2, "rms_norm": 1, "batch_norm_inference": 4, "group_norm": 2}[self.op]
        if self.backward:
            # Input, its gradient and that of the output; the weight, the gradients of weight and bias.
            elements, parameters = 3 * elements, 1 + parameters
        else:
            elements = (4 if self.residual else 2) * elements
        return (elements + parameters * channels) * BYTES[self.dtype]

    def outputs(self):
        if self.backward:
            return {"layer_norm": 3, "rms_norm": 2}[self.op]
        return 2 if self.residual else 1


def as_stored(values, dtype):
    """Values rounded to a type, as f32. No NaNs."""
    if dtype in NUMPY:
        return values.astype(NUMPY[dtype]).astype(np.float32)
    if dtype != "bf16":
        raise ValueError(f"no type {dtype}")
    # To nearest, ties to even.
    bits = values.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).view(np.float32)


def seconds(run, wait, rounds):
    """Median time of one op, and the distance between the quartiles in parts of it.

    `run()` queues the op once, `wait()` returns when all that was queued is done. A sample of n + 1 ops less one of one
    op is n ops, without what the wait costs.
    """

    def sample(ops):
        start = time.perf_counter()
        for _ in range(ops):
            run()
        wait()
        return time.perf_counter() - start

    def several(ops):
        one = sample(1)
        return (sample(ops + 1) - one) / ops

    def grows(ops):
        one, some, more = (min(sample(n) for _ in range(2)) for n in (1, 1 + ops, 1 + 2 * ops))
        # By as much for the second half as for the first, and by more than the noise.
        return 0.5 < (more - some) / (some - one) < 2 and more > 1.2 * some

    for _ in range(WARM_UP):
        sample(MIN_OPS)
    ops = int(min(max(SAMPLE_SECONDS / max(several(MIN_OPS), 1e-6), MIN_OPS), MAX_OPS))
    # Time must grow with the number of ops: else `wait` does not wait, or the engine computes the op only once. Several
    # tries, as another program may take the machine for a while.
    if not any(grows(ops) for _ in range(5)):
        raise Skip(f"{2 * ops} ops do not take twice as long as {ops}: not synchronised, or too noisy a machine")
    times = [several(ops) for _ in range(rounds)]
    median = statistics.median(times)
    quartiles = np.quantile(times, [0.25, 0.75])
    return median, (quartiles[1] - quartiles[0]) / median


def drive(engines, adapter, prepare, adds_residuals=False):
    """Times every case on every engine and writes the rows.

    `prepare(engine, case)` gives `run`, `wait` and `read`: queue the op once, wait for all that was queued, the results
    of the last one as a list of arrays. It raises `Skip` where the engine has no such op.
    """
    args = arguments()
    rows = []
    for fields in load(args.cases):
        # One case after the other, as all together may not fit the memory.
        case = Case(fields)
        for engine in engines:
            try:
                if case.residual and not adds_residuals:
                    raise Skip("no op with a residual here")
                run, wait, read = prepare(engine, case)
                run()
                wait()
                case.check(read())
                median, spread = seconds(run, wait, args.rounds)
            except Exception as e:
                kind = "" if isinstance(e, Skip) else f"{type(e).__name__}: "
                print(f"{engine}: {case}: {kind}{str(e).strip().splitlines()[0]}", file=sys.stderr)
                continue
            gbps = case.bytes() / median * 1e-9
            figures = f"{median * 1e3:>9.3f} ms {spread * 100:>4.0f}% {gbps:>7.2f} GB/s"
            print(f"{engine:<14} {str(case):<40} {figures}", flush=True)
            rows.append(
                {
                    "adapter": adapter or os.environ.get("PEER_ADAPTER", ""),
                    "engine": engine,
                    "op": case.name,
                    "direction": case.direction,
                    "dtype": case.dtype,
                    "outputs": case.outputs(),
                    "shape": "x".join(map(str, case.shape)),
                    "ms": median * 1e3,
                    "gbps": gbps,
                    "percent_of_copy": None,
                    "strategy": "",
                    "timer": "wall",
                    "spread": spread,
                }
            )
    write(rows)


def write(rows):
    with open(arguments().json, "w") as file:
        json.dump(rows, file, indent=2)
        file.write("\n")


def unavailable(engine, reason):
    """Ends a driver whose engine cannot run on this machine."""
    print(f"{engine}: {reason}", file=sys.stderr)
    write([])
    sys.exit(0)


def load(path):
    with open(path) as file:
        cases = json.load(file)
    # Before anything is timed.
    for fields in cases:
        if fields["dtype"] not in BYTES or fields["direction"] not in ("forward", "backward"):
            sys.exit(f"{path}: {fields}: no such type or direction")
    return cases


def arguments():
    parser = argparse.ArgumentParser(description="Times the norms of another engine.")
    parser.add_argument("--cases", required=True, help="the list of cases")
    parser.add_argument("--json", required=True, help="where the rows go")
    parser.add_argument("--rounds", type=int, default=5, help="timed samples of each case")
    return parser.parse_args()
