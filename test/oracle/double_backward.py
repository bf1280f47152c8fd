"""Fixtures of second derivatives: loss, gradients and Hessian-vector products of small networks by double backward."""

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F

from fixture_files import VERSIONS, Fixture, normal, seeded

SEED = 20250202
LAYER_NORM_EPSILON = 1e-5

Parameters = dict[str, torch.Tensor]


def tanh_network(p: Parameters, x: torch.Tensor) -> torch.Tensor:
    hidden = torch.tanh(F.linear(x, p["linear0.weight"], p["linear0.bias"]))
    return F.linear(hidden, p["linear1.weight"], p["linear1.bias"])


def gelu_layer_norm_network(p: Parameters, x: torch.Tensor) -> torch.Tensor:
    hidden = F.gelu(F.linear(x, p["linear0.weight"], p["linear0.bias"]))
    hidden = F.layer_norm(hidden, hidden.shape[-1:], p["layerNorm.weight"], p["layerNorm.bias"], LAYER_NORM_EPSILON)
    return F.linear(hidden, p["linear1.weight"], p["linear1.bias"])


def attention_network(p: Parameters, x: torch.Tensor) -> torch.Tensor:
    """One attention head over `[batch, seq, 4]`, the mean over the sequence, then the classifier."""
    query, key, value = (F.linear(x, p[f"{name}.weight"]) for name in ("query", "key", "value"))
    context = torch.softmax(query @ key.mT * 0.5, dim=-1) @ value
    return F.linear(context.mean(dim=1), p["linear1.weight"], p["linear1.bias"])


def networks() -> list[tuple[str, str, Callable, Parameters, torch.Tensor]]:
    g = seeded(SEED)
    linear0 = lambda: {"linear0.weight": normal(g, [6, 4], 0.7), "linear0.bias": normal(g, [6], 0.3)}
    linear1 = lambda width: {"linear1.weight": normal(g, [3, width], 0.7), "linear1.bias": normal(g, [3], 0.3)}
    norm = {"layerNorm.weight": normal(g, [6], 0.3, 1), "layerNorm.bias": normal(g, [6], 0.3)}
    heads = {f"{name}.weight": normal(g, [4, 4], 0.7) for name in ("query", "key", "value")}
    return [
        ("tanh", "linear0 -> tanh -> linear1", tanh_network, linear0() | linear1(6), normal(g, [5, 4])),
        (
            "geluLayerNorm",
            "linear0 -> gelu (erf) -> layerNorm -> linear1",
            gelu_layer_norm_network,
            linear0() | norm | linear1(6),
            normal(g, [5, 4]),
        ),
        (
            "attention",
            "context = softmax(query(x) key(x)^T * 0.5) value(x), mean over axis 1 -> linear1",
            attention_network,
            heads | linear1(4),
            normal(g, [5, 3, 4]),
        ),
    ]


def make(folder: Path) -> None:
    fixture = Fixture(folder, "doubleback")
    directions = seeded(SEED + 1)
    labels = torch.tensor([0, 2, 1, 2, 0])
    cases = []
    for name, formula, network, parameters, x in networks():
        leaves = {key: value.clone().requires_grad_() for key, value in parameters.items()}
        loss = F.cross_entropy(network(leaves, x), labels)
        gradients = dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values()), create_graph=True)))
        direction = {key: normal(directions, value.shape) for key, value in leaves.items()}
        along = sum((gradients[key] * direction[key]).sum() for key in leaves)
        products = dict(zip(leaves, torch.autograd.grad(along, list(leaves.values()))))
        cases.append(
            {
                "name": name,
                "formula": formula,
                "attrs": {"epsilon": LAYER_NORM_EPSILON} if name == "geluLayerNorm" else {},
                "x": fixture.add(f"{name}/x", x),
                "labels": fixture.add(f"{name}/labels", labels),
                "loss": loss.item(),
                "parameters": fixture.add_all(f"{name}/parameter", parameters),
                "gradients": fixture.add_all(f"{name}/gradient", gradients),
                "direction": fixture.add_all(f"{name}/direction", direction),
                "hessianVector": fixture.add_all(f"{name}/hessianVector", products),
            }
        )
    fixture.write({"versions": VERSIONS, "loss": "mean softmax cross-entropy", "linear": "x W^T + b", "cases": cases})
