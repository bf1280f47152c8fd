"""Checks the written fixtures against central differences and second implementations, in float64.

Directional derivatives are compared, so that one pair of evaluations tests a whole tensor. The stored numbers are
rounded to float32: the tolerance is that rounding's, with room for the difference quotient.
"""

import sys
from pathlib import Path

import torch
from peft import PeftModel
from transformers import BertForSequenceClassification, BertModel
from transformers.utils import logging

import placement
from double_backward import networks
from fixture_files import normal, read_fixture, seeded
from gates import COLUMNS, RELAXATIONS, GatedBert
from primitives import all_cases
from tiny_bert import base_model

STEP = 1e-5
TOLERANCE = 2e-6


class Checks:
    def __init__(self) -> None:
        self.passed = self.failed = 0

    def near(self, name: str, actual, expected, tolerance: float = TOLERANCE) -> None:
        actual, expected = (torch.as_tensor(value, dtype=torch.float64) for value in (actual, expected))
        scale = 1 + expected.abs().max().item()
        difference = (actual - expected).abs().max().item() / scale
        good = actual.shape == expected.shape and difference <= tolerance
        self.passed, self.failed = self.passed + good, self.failed + (not good)
        print(f"{'ok  ' if good else 'FAIL'} {name}: difference {difference:.1e}")


def central(function, x: torch.Tensor, direction: torch.Tensor):
    """The derivative of `function` at `x` along `direction`; the result has the function's shape."""
    with torch.no_grad():
        return (function(x + STEP * direction) - function(x - STEP * direction)) / (2 * STEP)


def check_primitives(folder: Path, checks: Checks) -> None:
    entries, tensors = read_fixture(folder, "primitives")
    runs = {(case.op, case.name): case.run for case in all_cases()}
    directions = seeded(1)
    for entry in entries:
        run = runs.pop((entry["op"], entry["name"]))
        inputs = [tensors[name] for name in entry["inputs"]]
        cotangent = tensors[entry["cotangents"][0]]
        worst_actual, worst_expected = [], []
        for i, gradient in enumerate(entry["gradients"]):
            if gradient is None:
                continue
            u = normal(directions, inputs[i].shape)
            along = lambda x: (run(*inputs[:i], x, *inputs[i + 1 :]) * cotangent).sum()
            worst_actual.append((tensors[gradient] * u).sum())
            worst_expected.append(central(along, inputs[i], u))
        label = f"{entry['op']}/{entry['name']}"
        checks.near(f"primitives {label} gradients", torch.stack(worst_actual), torch.stack(worst_expected))
        checks.near(f"primitives {label} output", tensors[entry["outputs"][0]], run(*inputs))
    if runs:
        raise ValueError(f"cases without a fixture: {sorted(runs)}")


def check_double_backward(folder: Path, checks: Checks) -> None:
    description, tensors = read_fixture(folder, "doubleback")
    functions = {name: network for name, _, network, _, _ in networks()}
    for case in description["cases"]:
        names = list(case["parameters"])
        at = lambda field: [tensors[case[field][name]] for name in names]
        x, labels = tensors[case["x"]], tensors[case["labels"]]

        def gradient(shift: float) -> torch.Tensor:
            leaves = [(p + shift * u).requires_grad_() for p, u in zip(at("parameters"), at("direction"))]
            loss = torch.nn.functional.cross_entropy(functions[case["name"]](dict(zip(names, leaves)), x), labels)
            return torch.cat([g.flatten() for g in torch.autograd.grad(loss, leaves)])

        flat = lambda field: torch.cat([t.flatten() for t in at(field)])
        checks.near(f"doubleback {case['name']} gradients", flat("gradients"), gradient(0))
        product = (gradient(STEP) - gradient(-STEP)) / (2 * STEP)
        checks.near(f"doubleback {case['name']} Hessian-vector product", flat("hessianVector"), product)


def batch_of(case: dict, tensors: dict[str, torch.Tensor]):
    fields = {"input_ids": "inputIds", "attention_mask": "attentionMask", "token_type_ids": "tokenTypeIds"}
    return {key: tensors[case[field]] for key, field in fields.items()}, tensors[case["labels"]]


def check_derivatives(name: str, model: GatedBert, gradients: dict, loss, checks: Checks) -> None:
    """Each trained tensor's stored gradient, along one direction, against the difference of losses."""
    directions = seeded(2)
    actual, expected = [], []
    for key, parameter in model.trained().items():
        u, start = normal(directions, parameter.shape, 0.1), parameter.detach().clone()

        def at(value: torch.Tensor) -> torch.Tensor:
            parameter.data = value
            return loss()

        actual.append((gradients[key] * u).sum())
        expected.append(central(at, start, u))
        parameter.data = start
    checks.near(f"{name} gradients of {len(actual)} tensors", torch.stack(actual), torch.stack(expected))


def check_bert(folder: Path, checks: Checks) -> None:
    description, tensors = read_fixture(folder, "bert")
    saved = BertForSequenceClassification.from_pretrained(
        folder / description["checkpoint"], dtype=torch.float64, attn_implementation="sdpa"
    ).eval()
    backbone = BertModel.from_pretrained(folder / description["backbone"], dtype=torch.float64).eval()
    base = BertForSequenceClassification.from_pretrained(folder / description["checkpoint"])
    adapted = PeftModel.from_pretrained(base, folder / description["adapterFolder"]).double().eval()
    for case in description["cases"]:
        name = f"bert {case['name']}"
        inputs, labels = batch_of(case, tensors)
        model = GatedBert()
        if case["head"] == "regression":
            model.model = with_regression_head(model.model, description, tensors)
        ones = torch.ones(len(model.rows), len(COLUMNS), dtype=torch.float64)
        loss = lambda: model(ones, inputs, labels)
        with torch.no_grad():
            checks.near(f"{name} loss by a second LoRA", case["loss"], loss())
            if case["head"] == "classification":
                checks.near(f"{name} logits of the saved checkpoint", saved(**inputs).logits, tensors[case["baseLogits"]])
                pooled = backbone(**inputs).pooler_output
                checks.near(f"{name} logits over the backbone", saved.classifier(pooled), tensors[case["baseLogits"]])
                checks.near(f"{name} logits of the saved adapter", adapted(**inputs).logits, tensors[case["logits"]])
        gradients = {key: tensors[tensor] for key, tensor in case["gradients"].items()}
        check_derivatives(name, model, gradients, loss, checks)


def with_regression_head(model, description: dict, tensors: dict[str, torch.Tensor]):
    regression = base_model(1).double().eval()
    regression.bert = model.bert
    for key, parameter in regression.classifier.named_parameters():
        parameter.data = tensors[description["regressionHead"][key]].clone()
    return regression


def check_adamw(folder: Path, checks: Checks) -> None:
    """Replays the run with AdamW, clipping and schedule written out (arXiv 1711.05101, algorithm 2)."""
    description, tensors = read_fixture(folder, "adamw")
    model = GatedBert()
    weights = model.trained()
    for key, tensor in description["before"].items():
        weights[key].data = tensors[tensor].clone()
    ones = torch.ones(len(model.rows), len(COLUMNS), dtype=torch.float64)
    (beta1, beta2), epsilon = description["optimizer"]["betas"], description["optimizer"]["epsilon"]
    schedule, peak = description["schedule"], description["optimizer"]["peakLearningRate"]
    moments = {key: (torch.zeros_like(w), torch.zeros_like(w)) for key, w in weights.items()}
    for t, record in enumerate(description["steps"], start=1):
        inputs, labels = batch_of(description["batches"][record["batch"]], tensors)
        loss = model(ones, inputs, labels)
        gradients = dict(zip(weights, torch.autograd.grad(loss, list(weights.values()))))
        norm = sum(g.square().sum() for g in gradients.values()).sqrt()
        done, warm = t - 1, schedule["warmupSteps"]
        left = (schedule["totalSteps"] - done) / (schedule["totalSteps"] - warm)
        rate = peak * min(done / warm, left)
        checks.near(f"adamw step {t} loss", record["loss"], loss.item())
        checks.near(f"adamw step {t} gradient norm", record["gradientNorm"], norm.item())
        checks.near(f"adamw step {t} learning rate", record["learningRate"], rate, 1e-12)
        for key, w in weights.items():
            g = gradients[key] * min(1.0, 1.0 / (norm.item() + 1e-6))
            m, v = moments[key]
            m.mul_(beta1).add_((1 - beta1) * g)
            v.mul_(beta2).add_((1 - beta2) * g * g)
            update = (m / (1 - beta1**t)) / ((v / (1 - beta2**t)).sqrt() + epsilon)
            w.data = w.data - rate * (update + description["weightDecay"][key] * w.data)
        for key, tensor in description["after"].get(str(t), {}).items():
            checks.near(f"adamw after step {t} {key}", tensors[tensor], weights[key].detach())


def check_gates(folder: Path, checks: Checks) -> None:
    description, tensors = read_fixture(folder, "gates")
    inputs, labels = batch_of(description | {"labels": "labels"}, tensors)
    logits, u = tensors[description["logits"]], normal(seeded(3), [3, len(COLUMNS)])
    for case in description["cases"]:
        model = GatedBert()
        for key, parameter in model.trained().items():
            parameter.data = tensors[description["weights"][key]].clone()
        relax = RELAXATIONS[case["name"]]
        loss = lambda at=logits: model(relax(at), inputs, labels)
        checks.near(f"gates {case['name']} loss", case["loss"], loss().item())
        along = (tensors[case["logitsGradient"]] * u).sum()
        checks.near(f"gates {case['name']} gradient of the logits", along, central(loss, logits, u))
        gradients = {key: tensors[name] for key, name in case["gradients"].items()}
        check_derivatives(f"gates {case['name']}", model, gradients, loss, checks)

        def slope(at: torch.Tensor) -> torch.Tensor:
            with torch.enable_grad():
                trained = model.trained()
                found = torch.autograd.grad(model(relax(at), inputs, labels), list(trained.values()))
            pairs = zip(found, (tensors[description["direction"][key]] for key in trained))
            return sum((gradient * direction).sum() for gradient, direction in pairs)

        mixed = (tensors[case["mixedGradient"]] * u).sum()
        checks.near(f"gates {case['name']} mixed second derivative", mixed, central(slope, logits, u))


def check_placement(folder: Path, checks: Checks) -> None:
    description, tensors = read_fixture(folder, "placement")
    model = base_model().double().eval()
    inputs = placement.batch_of([placement.example_of(ids) for ids in description["examples"]])
    labels, directions = torch.tensor(description["labels"]), seeded(4)
    for one in description["gradients"]:
        weight = model.bert.encoder.layer[one["layer"]].get_submodule(one["module"]).weight
        at, u = weight.data.clone(), normal(directions, weight.shape)

        def loss(value: torch.Tensor) -> torch.Tensor:
            weight.data = value
            return model(**inputs, labels=labels).loss

        slope = central(loss, at, u)
        weight.data = at
        checks.near(f"placement {one['gradient']}", (tensors[one["gradient"]] * u).sum(), slope)


def main(folder: Path) -> None:
    logging.set_verbosity_error()
    torch.set_num_threads(1)
    checks = Checks()
    for check in (check_primitives, check_double_backward, check_bert, check_adamw, check_gates, check_placement):
        check(folder, checks)
    print(f"{checks.passed} passed, {checks.failed} failed")
    if checks.failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1] / "fixtures/oracle")
