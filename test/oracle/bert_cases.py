"""Fixtures of the tiny BERT: logits without and with LoRA, the loss, and the gradient of everything trained (PEFT)."""

from pathlib import Path

import torch

from fixture_files import VERSIONS, Fixture, normal, seeded
from tiny_bert import ADAPTER, ALPHA, BACKBONE, CHECKPOINT, RANK, TARGETS, base_model, lora_model, trainable

SEED = 20250204
CLS, SEP, FIRST_WORD, VOCABULARY = 2, 3, 5, 200


def batch(seed: int, lengths: list[int], pairs: list[int] | None = None) -> dict[str, torch.Tensor]:
    """Random ids between [CLS] and [SEP], padded with 0 to the longest; `pairs[i]` is where row i's second part starts."""
    generator = seeded(seed)
    rows, width = len(lengths), max(lengths)
    ids = torch.randint(FIRST_WORD, VOCABULARY, [rows, width], generator=generator)
    positions = torch.arange(width).expand(rows, width)
    length = torch.tensor(lengths)[:, None]
    mask = (positions < length).long()
    ids[:, 0] = CLS
    ids[positions == length - 1] = SEP
    types = torch.zeros_like(ids)
    if pairs is not None:
        start = torch.tensor(pairs)[:, None]
        ids[positions == start - 1] = SEP
        types = (positions >= start).long() * mask
    return {"input_ids": ids * mask, "attention_mask": mask, "token_type_ids": types}


def classes(seed: int, rows: int) -> torch.Tensor:
    return torch.randint(0, 3, [rows], generator=seeded(seed))


CASES = [
    ("noPadding", 3, batch(SEED, [9, 9, 9, 9])),
    ("padding", 3, batch(SEED + 1, [12, 5, 9, 3])),
    ("pairs", 3, batch(SEED + 2, [14, 10, 7], [6, 5, 3])),
    ("single", 3, batch(SEED + 3, [7])),
    ("long", 3, batch(SEED + 4, [64, 33])),
    ("regression", 1, batch(SEED + 5, [8, 6, 11, 4])),
]


def labels_for(index: int, head_labels: int, rows: int) -> torch.Tensor:
    if head_labels == 1:
        return normal(seeded(SEED + 100 + index), [rows], 2, 2)
    return classes(SEED + 100 + index, rows)


def make(folder: Path) -> None:
    fixture = Fixture(folder, "bert")
    adapter = {name: value for name, value in trainable(lora_model()).items() if not name.startswith("classifier")}
    regression_head = dict(base_model(1).classifier.named_parameters())
    description = {
        "versions": VERSIONS,
        "checkpoint": CHECKPOINT,
        "backbone": BACKBONE,
        "adapterFolder": ADAPTER,
        "lora": {"rank": RANK, "alpha": ALPHA, "targets": TARGETS},
        "adapter": fixture.add_all("adapter", adapter),
        "regressionHead": fixture.add_all("regressionHead/classifier", regression_head),
        "losses": {"classification": "mean softmax cross-entropy", "regression": "mean squared error"},
        "cases": [],
    }
    for index, (name, head_labels, inputs) in enumerate(CASES):
        labels = labels_for(index, head_labels, len(inputs["input_ids"]))
        base = base_model(head_labels).double().eval()
        model = lora_model(head_labels).double().eval()
        with torch.no_grad():
            plain = base(**inputs, output_hidden_states=name == "padding")
        result = model(**inputs, labels=labels)
        parameters = trainable(model)
        gradients = dict(zip(parameters, torch.autograd.grad(result.loss, list(parameters.values()))))
        case = {
            "name": name,
            "head": "regression" if head_labels == 1 else "classification",
            "numLabels": head_labels,
            "inputIds": fixture.add(f"{name}/inputIds", inputs["input_ids"]),
            "attentionMask": fixture.add(f"{name}/attentionMask", inputs["attention_mask"]),
            "tokenTypeIds": fixture.add(f"{name}/tokenTypeIds", inputs["token_type_ids"]),
            "labels": fixture.add(f"{name}/labels", labels),
            "baseLogits": fixture.add(f"{name}/baseLogits", plain.logits),
            "logits": fixture.add(f"{name}/logits", result.logits),
            "loss": result.loss.item(),
            "gradients": fixture.add_all(f"{name}/gradient", gradients),
        }
        if plain.hidden_states:
            layers = enumerate(plain.hidden_states)
            case["baseHiddenStates"] = [fixture.add(f"{name}/baseHiddenState{i}", state) for i, state in layers]
        description["cases"].append(case)
    fixture.write(description)
