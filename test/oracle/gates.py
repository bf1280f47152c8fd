"""Fixture of the relaxed DiffoRA model (DESIGN 2.1): h = W0 x + b + gamma[l, n] (alpha / r) B A x over the tiny BERT."""

from pathlib import Path

import torch
from torch import nn

from bert_cases import batch, classes
from fixture_files import VERSIONS, Fixture, normal, seeded
from tiny_bert import ALPHA, CHECKPOINT, RANK, TARGETS, base_model, lora_model, trainable

SEED = 20250206
COLUMNS = [
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
]
RELAXATIONS = {"sigmoid": torch.sigmoid, "softmax": lambda logits: torch.softmax(logits, dim=-1)}


class GatedLoraLinear(nn.Module):
    def __init__(self, base: nn.Linear, a: torch.Tensor, b: torch.Tensor, scale: float):
        super().__init__()
        self.base, self.scale = base, scale
        self.lora_A, self.lora_B = nn.Parameter(a.clone()), nn.Parameter(b.clone())
        self.gate: torch.Tensor | float = 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.base(x) + self.gate * self.scale * (x @ self.lora_A.T @ self.lora_B.T)


class GatedBert(nn.Module):
    """The tiny BERT with every target wrapped; `forward` takes the matrix of gates."""

    def __init__(self) -> None:
        super().__init__()
        adapter = {name: value.detach().double() for name, value in trainable(lora_model()).items()}
        self.model = base_model().double().eval().requires_grad_(False)
        self.model.classifier.requires_grad_(True)
        self.rows: list[list[GatedLoraLinear]] = []
        for index, layer in enumerate(self.model.bert.encoder.layer):
            row = []
            for column in COLUMNS:
                path = f"bert.encoder.layer.{index}.{column}"
                wrapped = GatedLoraLinear(
                    layer.get_submodule(column), adapter[f"{path}.lora_A"], adapter[f"{path}.lora_B"], ALPHA / RANK
                )
                layer.set_submodule(column, wrapped)
                row.append(wrapped)
            self.rows.append(row)

    def trained(self) -> dict[str, nn.Parameter]:
        named = self.model.named_parameters()
        return {name: parameter for name, parameter in named if parameter.requires_grad}

    def forward(self, gamma: torch.Tensor, inputs: dict[str, torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
        for layer, row in enumerate(self.rows):
            for column, module in enumerate(row):
                module.gate = gamma[layer, column]
        return self.model(**inputs, labels=labels).loss


def make(folder: Path) -> None:
    fixture = Fixture(folder, "gates")
    model = GatedBert()
    trained = model.trained()
    inputs, labels = batch(SEED, [10, 7, 10, 4]), classes(SEED + 1, 4)
    start = normal(seeded(SEED + 2), [len(model.rows), len(COLUMNS)])
    directions = seeded(SEED + 3)
    direction = {name: normal(directions, value.shape, 0.1) for name, value in trained.items()}
    description = {
        "versions": VERSIONS,
        "checkpoint": CHECKPOINT,
        "lora": {"rank": RANK, "alpha": ALPHA, "targets": TARGETS},
        "columns": COLUMNS,
        "inputIds": fixture.add("inputIds", inputs["input_ids"]),
        "attentionMask": fixture.add("attentionMask", inputs["attention_mask"]),
        "tokenTypeIds": fixture.add("tokenTypeIds", inputs["token_type_ids"]),
        "labels": fixture.add("labels", labels),
        "logits": fixture.add("logits", start),
        "weights": fixture.add_all("weight", trained),
        "direction": fixture.add_all("direction", direction),
        "mixed": "d/dlogits of the sum over trained weights of <dloss/dweight, direction>",
        "cases": [],
    }
    for name, relax in RELAXATIONS.items():
        logits = start.clone().requires_grad_()
        gamma = relax(logits)
        loss = model(gamma, inputs, labels)
        leaves = [logits, *trained.values()]
        first, *rest = torch.autograd.grad(loss, leaves, create_graph=True)
        along = sum((gradient * direction[key]).sum() for key, gradient in zip(trained, rest))
        (mixed,) = torch.autograd.grad(along, logits)
        description["cases"].append(
            {
                "name": name,
                "gamma": fixture.add(f"{name}/gamma", gamma),
                "loss": loss.item(),
                "logitsGradient": fixture.add(f"{name}/logitsGradient", first),
                "mixedGradient": fixture.add(f"{name}/mixedGradient", mixed),
                "gradients": fixture.add_all(f"{name}/gradient", dict(zip(trained, rest))),
            }
        )
    fixture.write(description)
