"""Fixtures of the graph's primitives: outputs and vector-Jacobian products by PyTorch, in float64 from float32 inputs.

One entry in the table of cases is one call: op, name, attributes, inputs and the function that PyTorch runs.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F

from fixture_files import Fixture, normal, seeded, uniform

SEED = 20250201


@dataclass
class Case:
    op: str
    name: str
    inputs: list[torch.Tensor]
    run: Callable[..., torch.Tensor]
    attrs: dict = field(default_factory=dict)


def elementwise_cases(g: torch.Generator) -> list[Case]:
    broadcasts = {
        "same": ([2, 3, 4], [2, 3, 4]),
        "rightVector": ([2, 3, 4], [4]),
        "leftVector": ([4], [2, 3, 4]),
        "column": ([2, 3, 4], [3, 1]),
        "both": ([2, 1, 4], [3, 1]),
        "scalar": ([2, 3, 4], []),
    }
    cases = []
    for op, run in {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div}.items():
        for name, (left, right) in broadcasts.items():
            b = normal(g, right)
            if op == "div":
                # Denominators stay off zero, where the quotient is all rounding.
                b = torch.where(b < 0, b - 0.5, b + 0.5).float().double()
            cases.append(Case(op, name, [normal(g, left), b], run))
    unary = {
        "neg": torch.neg,
        "exp": torch.exp,
        "tanh": torch.tanh,
        "erf": torch.erf,
        "sigmoid": torch.sigmoid,
        "relu": torch.relu,
        "gelu": F.gelu,
        "geluTanh": lambda x: F.gelu(x, approximate="tanh"),
        "silu": F.silu,
    }
    for op, run in unary.items():
        cases.append(Case(op, "plain", [normal(g, [2, 3, 4], 1.5)], run))
    for op in ("tanh", "erf", "sigmoid", "gelu", "geluTanh", "silu"):
        tails = torch.tensor([-60.0, -12.0, -5.0, -1e-3, 0.0, 1e-3, 5.0, 12.0, 60.0], dtype=torch.float64)
        cases.append(Case(op, "tails", [tails.float().double()], unary[op]))
    cases.append(Case("log", "plain", [uniform(g, [2, 3, 4], 0.1, 4)], torch.log))
    cases.append(Case("sqrt", "plain", [uniform(g, [2, 3, 4], 0.1, 4)], torch.sqrt))
    condition = torch.rand([2, 3, 4], generator=g) < 0.5
    cases.append(Case("where", "same", [condition, normal(g, [2, 3, 4]), normal(g, [2, 3, 4])], torch.where))
    row = torch.tensor([[True], [False], [True]])
    cases.append(Case("where", "broadcast", [row, normal(g, [2, 3, 4]), normal(g, [4])], torch.where))
    cases.append(Case("where", "scalarElse", [condition, normal(g, [2, 3, 4]), normal(g, [])], torch.where))
    return cases


def matmul_cases(g: torch.Generator) -> list[Case]:
    def case(name, left, right, trans_a=False, trans_b=False, alpha=1.0):
        def run(a, b):
            return alpha * (a.mT if trans_a else a) @ (b.mT if trans_b else b)

        attrs = {"transA": trans_a, "transB": trans_b, "alpha": alpha}
        return Case("matmul", name, [normal(g, left), normal(g, right)], run, attrs)

    return [
        case("plain2d", [3, 4], [4, 5]),
        case("transA2d", [4, 3], [4, 5], trans_a=True),
        case("transB2d", [3, 4], [5, 4], trans_b=True),
        case("transAB2d", [4, 3], [5, 4], trans_a=True, trans_b=True, alpha=0.5),
        case("batched4d", [2, 3, 4, 5], [2, 3, 5, 6]),
        case("scores4d", [2, 3, 4, 5], [2, 3, 6, 5], trans_b=True, alpha=0.25),
        case("transA4d", [2, 3, 5, 4], [2, 3, 5, 6], trans_a=True),
        case("transAB4d", [2, 3, 5, 4], [2, 3, 6, 5], trans_a=True, trans_b=True, alpha=-2.0),
        case("rows3dBy2d", [2, 3, 4], [4, 5]),
        case("rows3dBy2dTransB", [2, 3, 4], [5, 4], trans_b=True, alpha=2.0),
        case("batched3d", [2, 3, 4], [2, 4, 5]),
    ]


def reduction_cases(g: torch.Generator) -> list[Case]:
    cases = []
    for op, reduce in {"sum": torch.sum, "mean": torch.mean}.items():
        for name, axes, keep in [
            ("lastKeep", [2], True),
            ("lastDrop", [2], False),
            ("firstDrop", [0], False),
            ("outerKeep", [0, 2], True),
            ("outerDrop", [0, 1], False),
            ("all", [0, 1, 2], False),
        ]:
            run = lambda x, reduce=reduce, axes=axes, keep=keep: reduce(x, dim=axes, keepdim=keep)
            cases.append(Case(op, name, [normal(g, [2, 3, 4])], run, {"axes": axes, "keepDims": keep}))
    return cases


def shape_cases(g: torch.Generator) -> list[Case]:
    cases = []
    reshapes = [("heads", [2, 3, 8], [2, 3, 4, 2]), ("flat", [2, 3, 4], [24]), ("rows", [2, 3, 4], [6, 4])]
    for name, source, target in reshapes:
        run = lambda x, target=target: x.reshape(target)
        cases.append(Case("reshape", name, [normal(g, source)], run, {"shape": target}))
    orders = [("swap2d", [3, 4], [1, 0]), ("heads", [2, 3, 4, 5], [0, 2, 1, 3]), ("cycle", [2, 3, 4], [2, 0, 1])]
    for name, source, perm in orders:
        run = lambda x, perm=perm: x.permute(perm)
        cases.append(Case("transpose", name, [normal(g, source)], run, {"perm": perm}))
    for axis, start, length in [(0, 1, 1), (1, 0, 2), (2, 1, 3)]:
        run = lambda x, axis=axis, start=start, length=length: x.narrow(axis, start, length)
        attrs = {"axis": axis, "start": start, "length": length}
        cases.append(Case("slice", f"axis{axis}", [normal(g, [2, 3, 4])], run, attrs))
    for axis, start, size in [(0, 1, 4), (1, 0, 5), (2, 2, 6)]:
        attrs = {"axis": axis, "start": start, "size": size}
        run = lambda x, attrs=attrs: embed(x, **attrs)
        cases.append(Case("pad", f"axis{axis}", [normal(g, [2, 3, 4])], run, attrs))
    for axis, shapes in [(0, [[1, 3], [2, 3]]), (1, [[2, 1, 3], [2, 2, 3], [2, 4, 3]]), (2, [[2, 3, 1], [2, 3, 4]])]:
        run = lambda *parts, axis=axis: torch.cat(parts, dim=axis)
        cases.append(Case("concat", f"axis{axis}", [normal(g, shape) for shape in shapes], run, {"axis": axis}))
    expansions = [
        ("newAxis", [4], [2, 3, 4]),
        ("column", [3, 1], [2, 3, 4]),
        ("scalar", [], [2, 3]),
        ("inner", [2, 1, 4], [2, 3, 4]),
    ]
    for name, source, target in expansions:
        run = lambda x, target=target: x.expand(target)
        cases.append(Case("expand", name, [normal(g, source)], run, {"shape": target}))
    return cases


def embed(x: torch.Tensor, axis: int, start: int, size: int) -> torch.Tensor:
    """`x` in a tensor of zeros of length `size` on `axis`, from `start` on: what `slice` needs for its derivative."""
    widths = [0, 0] * x.dim()
    position = 2 * (x.dim() - 1 - axis)
    widths[position : position + 2] = [start, size - start - x.shape[axis]]
    return F.pad(x, widths)


def row_cases(g: torch.Generator) -> list[Case]:
    indices = torch.tensor([[1, 4, 1], [0, 1, 4]])
    flat = torch.tensor([2, 0, 2, 2])

    def scatter(rows):
        return lambda updates, index: torch.zeros(rows, updates.shape[-1], dtype=updates.dtype).index_add(
            0, index.reshape(-1), updates.reshape(-1, updates.shape[-1])
        )

    return [
        Case("gather", "repeated", [normal(g, [6, 4]), indices], lambda table, index: table[index]),
        Case("gather", "flat", [normal(g, [3, 5]), flat], lambda table, index: table[index]),
        Case("scatterAdd", "repeated", [normal(g, [2, 3, 4]), indices], scatter(6), {"rows": 6}),
        Case("scatterAdd", "flat", [normal(g, [4, 5]), flat], scatter(3), {"rows": 3}),
    ]


def network_cases(g: torch.Generator) -> list[Case]:
    cases = []
    for op, run in {"softmax": torch.softmax, "logSoftmax": torch.log_softmax}.items():
        last = lambda x, run=run: run(x, dim=-1)
        cases.append(Case(op, "plain", [normal(g, [2, 3, 5])], last))
        cases.append(Case(op, "large", [normal(g, [3, 4], 60)], last))
    labels = torch.tensor([2, 0, 1, 2])
    partly = torch.tensor([2, -100, 1, -100])
    per_example = lambda logits, target: F.cross_entropy(logits, target, reduction="none")
    ignoring = lambda logits, target: F.cross_entropy(logits, target, reduction="none", ignore_index=-100)
    cases += [
        Case("crossEntropy", "plain", [normal(g, [4, 3]), labels], per_example),
        Case("crossEntropy", "large", [normal(g, [4, 3], 60), labels], per_example),
        Case("crossEntropy", "ignoreIndex", [normal(g, [4, 3]), partly], ignoring, {"ignoreIndex": -100}),
    ]
    for name, shape, epsilon in [("rows3d", [2, 3, 8], 1e-12), ("rows2d", [3, 6], 1e-5), ("wideEpsilon", [2, 3, 8], 0.1)]:
        width = shape[-1:]
        scale, bias = normal(g, width, 0.5, 1), normal(g, width)
        layer = lambda x, w, b, epsilon=epsilon: F.layer_norm(x, x.shape[-1:], w, b, epsilon)
        rms = lambda x, w, epsilon=epsilon: F.rms_norm(x, x.shape[-1:], w, epsilon)
        cases.append(Case("layerNorm", name, [normal(g, shape, 1, 0.3), scale, bias], layer, {"epsilon": epsilon}))
        cases.append(Case("rmsNorm", name, [normal(g, shape, 1, 0.3), scale], rms, {"epsilon": epsilon}))
    return cases


def trigonometric_cases(g: torch.Generator) -> list[Case]:
    def rotary(x, cos, sin):
        x1, x2 = x.chunk(2, -1)
        return torch.cat([x1 * cos - x2 * sin, x2 * cos + x1 * sin], -1)

    plain = [Case(op, "plain", [normal(g, [2, 3, 4], 8)], run) for op, run in (("cos", torch.cos), ("sin", torch.sin))]
    angles = [normal(g, [5, 4]), normal(g, [5, 4])]
    return [*plain, Case("rotary", "plain", [normal(g, [2, 3, 5, 8]), *angles], rotary)]


def relative_cases(g: torch.Generator) -> list[Case]:
    def skew(x):
        n = x.shape[2]
        rows, columns = torch.arange(n)[:, None], torch.arange(n)[None, :]
        return x.gather(3, (n - 1 - rows + columns).expand(*x.shape[:2], n, n))

    def shift(x, axis, by):
        return F.pad(x, (0, 0, by, 0))[:, : x.shape[1]] if by > 0 else F.pad(x, (0, 0, 0, -by))[:, -by:]

    moves = [
        Case("shift", f"by{by}", [normal(g, [2, 5, 3])], lambda x, by=by: shift(x, 1, by), {"axis": 1, "by": by})
        for by in (2, -1)
    ]
    return [Case("skew", "plain", [normal(g, [2, 3, 5, 10])], skew), *moves]


def all_cases() -> list[Case]:
    g = seeded(SEED)
    parts = [elementwise_cases, matmul_cases, reduction_cases, shape_cases, row_cases, network_cases]
    parts += [trigonometric_cases, relative_cases]
    return [case for part in parts for case in part(g)]


def make(folder: Path) -> None:
    fixture = Fixture(folder, "primitives")
    cotangents = seeded(SEED + 1)
    entries = []
    for case in all_cases():
        prefix = f"{case.op}/{case.name}"
        leaves = [x.clone().requires_grad_() if x.is_floating_point() else x for x in case.inputs]
        output = case.run(*leaves)
        cotangent = normal(cotangents, output.shape)
        wanted = [leaf for leaf in leaves if leaf.requires_grad]
        gradients = iter(torch.autograd.grad(output, wanted, cotangent))
        entries.append(
            {
                "op": case.op,
                "name": case.name,
                "attrs": case.attrs,
                "inputs": [fixture.add(f"{prefix}/input{i}", x) for i, x in enumerate(case.inputs)],
                "outputs": [fixture.add(f"{prefix}/output", output)],
                "cotangents": [fixture.add(f"{prefix}/cotangent", cotangent)],
                "gradients": [
                    fixture.add(f"{prefix}/gradient{i}", next(gradients)) if leaf.requires_grad else None
                    for i, leaf in enumerate(leaves)
                ],
            }
        )
    fixture.write(entries)
