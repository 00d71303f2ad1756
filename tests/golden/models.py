"""Makes the test vectors in models/ with the blocks of transformers and diffusers, on the CPU.

    python tests/golden/models.py

The blocks have random weights, and their attention is replaced by a tensor: what runs around their
norms is the packages' own code, in float64. That code casts to float32 in its norms; these casts
are patched out. README.md says what the files hold.
"""

from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

import make
from make import f64, generator, save

ROWS, WIDTH, HEAD = 3, 32, 16


@contextmanager
def in_float64():
    """Casts of float64 to float32 do nothing."""
    to, as_float = torch.Tensor.to, torch.Tensor.float

    def patched(self, *args, **kwargs):
        narrow = torch.float32 in args or kwargs.get("dtype") is torch.float32
        return self if narrow and self.dtype is torch.float64 else to(self, *args, **kwargs)

    torch.Tensor.to = patched
    torch.Tensor.float = lambda self: self if self.dtype is torch.float64 else as_float(self)
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.Tensor.to, torch.Tensor.float = to, as_float
        torch.set_default_dtype(torch.float32)


class Returns(nn.Module):
    """Takes the place of a module, and returns what it is told to."""

    def __init__(self, *values):
        super().__init__()
        self.values = values
        self.inputs = []

    def forward(self, *args, **kwargs):
        self.inputs.append(args[0] if args else kwargs["hidden_states"])
        return self.values if len(self.values) > 1 else self.values[0]


def randomize(rng, *modules):
    """Weights that a float32 holds, away from 0 and 1. Returns them."""
    found = []
    for module in modules:
        weight = (module.weight.detach().numpy() + 0.3 * rng.standard_normal(module.weight.shape)).astype(np.float32)
        module.weight.data = f64(weight)
        found.append(weight)
    return found


def draw(rng, *shape):
    return (0.5 + rng.standard_normal(shape)).astype(np.float32)


def gemma3():
    from transformers.models.gemma3.configuration_gemma3 import Gemma3TextConfig
    from transformers.models.gemma3.modeling_gemma3 import Gemma3DecoderLayer

    rng = generator("gemma3")
    config = Gemma3TextConfig(hidden_size=WIDTH, intermediate_size=8, num_attention_heads=2, head_dim=HEAD)
    layer = Gemma3DecoderLayer(config, 0)
    weight, next_weight = randomize(rng, layer.post_attention_layernorm, layer.pre_feedforward_layernorm)
    x, residual = draw(rng, ROWS, WIDTH), draw(rng, ROWS, WIDTH)
    layer.self_attn = Returns(f64(x)[None], None)
    layer.mlp = Returns(f64(x)[None])
    sums = []
    layer.pre_feedforward_layernorm.register_forward_hook(lambda _, args, output: sums.append(args[0]))
    layer(f64(residual)[None], position_embeddings=None)
    tensors = dict(input=x, residual=residual, weight=weight, next_weight=next_weight)
    expected = dict(expected_output=sums[0][0], expected_next_output=layer.mlp.inputs[0][0])
    options = dict(zero_centered="true", residual_after="true", next_norm="true")
    save("gemma3", tensors | detached(expected), op="rms-norm", axes="1", eps=config.rms_norm_eps, **options)


def olmo2():
    from transformers.models.olmo2.configuration_olmo2 import Olmo2Config
    from transformers.models.olmo2.modeling_olmo2 import Olmo2DecoderLayer

    rng = generator("olmo2")
    config = Olmo2Config(hidden_size=WIDTH, intermediate_size=8, num_attention_heads=2)
    layer = Olmo2DecoderLayer(config, 0)
    (weight,) = randomize(rng, layer.post_attention_layernorm)
    x, residual = draw(rng, ROWS, WIDTH), draw(rng, ROWS, WIDTH)
    layer.self_attn = Returns(f64(x)[None], None)
    layer.mlp = Returns(f64(x)[None])
    layer(f64(residual)[None])
    tensors = dict(input=x, residual=residual, weight=weight)
    expected = detached(dict(expected_output=layer.mlp.inputs[0][0]))
    options = dict(residual_after="true", eps=config.rms_norm_eps)
    save("olmo2", tensors | expected, op="rms-norm", axes="1", **options)


def mamba2():
    from transformers.models.mamba2.modeling_mamba2 import MambaRMSNormGated

    rng = generator("mamba2")
    norm = MambaRMSNormGated(WIDTH, HEAD, eps=1e-5)
    (weight,) = randomize(rng, norm)
    x, gate = draw(rng, ROWS, WIDTH), draw(rng, ROWS, WIDTH)
    expected = norm(f64(x), f64(gate))
    groups = (ROWS, WIDTH // HEAD, HEAD)
    tensors = dict(input=x.reshape(groups), gate=gate.reshape(groups), weight=weight.reshape(groups[1:]))
    expected = detached(dict(expected_output=expected.reshape(groups)))
    options = dict(affine_axes="1,2", gate="before", gate_function="silu", eps=1e-5)
    save("mamba2", tensors | expected, op="rms-norm", axes="2", **options)


def qwen3_next():
    from transformers.models.qwen3_next.modeling_qwen3_next import Qwen3NextRMSNormGated

    rng = generator("qwen3-next")
    norm = Qwen3NextRMSNormGated(HEAD)
    (weight,) = randomize(rng, norm)
    x, gate = draw(rng, ROWS, HEAD), draw(rng, ROWS, HEAD)
    expected = detached(dict(expected_output=norm(f64(x), f64(gate))))
    options = dict(gate="after", gate_function="silu", eps=norm.variance_epsilon)
    save("qwen3-next", dict(input=x, gate=gate, weight=weight) | expected, op="rms-norm", axes="1", **options)


def flux():
    from diffusers.models.transformers.transformer_flux import FluxTransformerBlock

    rng = generator("flux")
    samples, tokens = 2, 5
    block = FluxTransformerBlock(WIDTH, 2, HEAD)
    h, x = draw(rng, samples, tokens, WIDTH), draw(rng, samples, tokens, WIDTH)
    table = draw(rng, samples, 6, WIDTH)
    # The product of the time embedding would be no float32.
    block.norm1.linear = block.norm1_context.linear = Returns(f64(table.reshape(samples, -1)))
    block.attn = Returns(f64(h), f64(h))
    block.ff, block.ff_context = Returns(f64(h)), Returns(f64(h))
    sums = []
    block.norm2.register_forward_hook(lambda _, args, output: sums.append(args[0]))
    block(f64(x), f64(x), torch.zeros(samples, WIDTH))
    gate, shift, scale = table[:, 2], table[:, 3], table[:, 4]
    tensors = dict(input=h, residual=x, gate=np.broadcast_to(gate[:, None], h.shape).copy(), weight=scale, bias=shift)
    expected = detached(dict(expected_output=block.ff.inputs[0], expected_residual_output=sums[0]))
    options = dict(gate="before", gate_function="identity", per_sample="true", zero_centered="true", eps=1e-6)
    save("flux", tensors | expected, op="layer-norm", axes="2", **options)


def qwen3():
    from transformers.models.qwen3 import modeling_qwen3
    from transformers.models.qwen3.configuration_qwen3 import Qwen3Config

    rng = generator("qwen3")
    heads, key_heads, tokens = 4, 2, 5
    config = Qwen3Config(hidden_size=WIDTH, num_attention_heads=heads, num_key_value_heads=key_heads, head_dim=HEAD)
    config._attn_implementation = "eager"
    attention = modeling_qwen3.Qwen3Attention(config, 0)
    query, key = randomize(rng, attention.q_norm, attention.k_norm)
    packed = draw(rng, tokens, heads + 2 * key_heads, HEAD)
    parts = np.split(packed, [heads, heads + key_heads], axis=1)
    projections = [Returns(f64(part.reshape(1, tokens, -1))) for part in parts]
    attention.q_proj, attention.k_proj, attention.v_proj = projections
    positions = np.array([7, 0, 3, 1, 30])
    x = torch.zeros(1, tokens, WIDTH)
    table = modeling_qwen3.Qwen3RotaryEmbedding(config)(x, torch.arange(32)[None])
    # The table is float32, as in the crate, and the attention reads it so.
    cos, sin = (f64(part[0].to(torch.float64).numpy().astype(np.float32)) for part in table)
    rotated = []
    rotate = modeling_qwen3.apply_rotary_pos_emb

    def kept(*args, **kwargs):
        rotated.extend(part[0].transpose(0, 1) for part in rotate(*args, **kwargs))
        return rotate(*args, **kwargs)

    modeling_qwen3.apply_rotary_pos_emb = kept
    attention(x, (cos[positions][None], sin[positions][None]), None)
    # cos and sin of each pair; the package has each of them twice.
    pairs = np.stack([cos[:, : HEAD // 2], sin[:, : HEAD // 2]], -1).astype(np.float32)
    weight = np.concatenate([np.tile(query, (heads, 1)), np.tile(key, (key_heads, 1))])
    tensors = dict(input=packed[:, : heads + key_heads].copy(), weight=weight, rotary_table=pairs)
    expected = detached(dict(expected_output=torch.cat(rotated, 1)))
    options = dict(affine_axes="1,2", pairs="i, i + len / 2", positions=",".join(map(str, positions)))
    save("qwen3", tensors | expected, op="rms-norm", axes="2", eps=config.rms_norm_eps, **options)


def detached(tensors):
    return {k: v.detach() for k, v in tensors.items()}


def main():
    import diffusers
    import transformers

    make.OUT = make.HERE / "models"
    make.OUT.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    with in_float64(), torch.no_grad():
        gemma3()
        olmo2()
        mamba2()
        qwen3()
        qwen3_next()
        flux()
    files = list(make.OUT.glob("*.safetensors"))
    versions = f"transformers {transformers.__version__}, diffusers {diffusers.__version__}, torch {torch.__version__}"
    print(f"{len(files)} files; {versions}")


if __name__ == "__main__":
    main()
