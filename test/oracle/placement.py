"""Fixture of what says where adapters go: feature norms, Fisher information and gradients of the tiny BERT as it is."""

from pathlib import Path

import torch

from bert_cases import batch, classes
from fixture_files import VERSIONS, Fixture, seeded
from gates import COLUMNS
from tiny_bert import CHECKPOINT, base_model

SEED = 20250301
LENGTHS = [8, 5, 11, 6, 9, 7, 5, 10]
DRAWS = 4000
# A square, a wide and a tall matrix, of which the gradient of the whole batch is stored.
WHOLE = [(0, "attention.self.query"), (1, "intermediate.dense"), (2, "output.dense")]


def modules(model):
    layers = enumerate(model.bert.encoder.layer)
    return {(row, column): layer.get_submodule(column) for row, layer in layers for column in COLUMNS}


def feature_norms(weight: torch.Tensor, x: torch.Tensor, generator: torch.Generator) -> tuple[float, float]:
    """Mean over rows of x of |W x| / |W z|: with the root mean square of |W z|, and with |W z| itself, z drawn DRAWS times."""
    out, length = (x @ weight.T).norm(dim=-1), x.norm(dim=-1)
    usual = length * weight.norm() / weight.shape[1] ** 0.5
    z = torch.randn([DRAWS, weight.shape[1]], generator=generator, dtype=torch.float64)
    drawn = (z / z.norm(dim=-1, keepdim=True) @ weight.T).norm(dim=-1)
    return (out / usual).mean().item(), ((out / length)[:, None] / drawn).mean().item()


def make(folder: Path) -> None:
    fixture = Fixture(folder, "placement")
    model = base_model().double().eval()
    found = modules(model)
    inputs: dict[tuple[int, str], list[torch.Tensor]] = {place: [] for place in found}
    for place, module in found.items():
        module.register_forward_pre_hook(lambda _, args, place=place: inputs[place].append(args[0][0].detach()))
    examples = [batch(SEED + i, [length]) for i, length in enumerate(LENGTHS)]
    labels = classes(SEED + 100, len(examples))
    weights = [module.weight for module in found.values()]
    fisher = torch.zeros(len(weights), dtype=torch.float64)
    for example, label in zip(examples, labels):
        loss = model(**example, labels=label[None]).loss
        fisher += torch.stack([gradient.square().sum() for gradient in torch.autograd.grad(loss, weights)])
    generator = seeded(SEED + 200)
    norms = {}
    for (row, column), rows in inputs.items():
        # Of the last layer the classifier reads the first token alone: diffora computes the rest for keys and values only.
        first = row == len(model.bert.encoder.layer) - 1 and column not in ("attention.self.key", "attention.self.value")
        x = torch.cat([tokens[:1] if first else tokens for tokens in rows])
        norms[row, column] = feature_norms(found[row, column].weight.detach(), x, generator)
    whole = batch_of(examples)
    loss = model(**whole, labels=labels).loss
    gradients = torch.autograd.grad(loss, [found[place].weight for place in WHOLE])
    rows = range(len(model.bert.encoder.layer))
    fixture.write(
        {
            "versions": VERSIONS,
            "checkpoint": CHECKPOINT,
            "columns": COLUMNS,
            "examples": [example["input_ids"][0].tolist() for example in examples],
            "labels": labels.tolist(),
            "featureNorms": [[norms[row, column][0] for column in COLUMNS] for row in rows],
            "drawnFeatureNorms": [[norms[row, column][1] for column in COLUMNS] for row in rows],
            "fisher": (fisher / len(examples)).reshape(len(rows), len(COLUMNS)).tolist(),
            "gradients": [
                {"layer": row, "module": column, "gradient": fixture.add(f"gradient/{row}.{column}", gradient)}
                for (row, column), gradient in zip(WHOLE, gradients)
            ],
        }
    )


def example_of(ids: list[int]) -> dict[str, torch.Tensor]:
    row = torch.tensor([ids])
    return {"input_ids": row, "attention_mask": torch.ones_like(row), "token_type_ids": torch.zeros_like(row)}


def batch_of(examples: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The examples in one batch, padded with 0 on the right."""
    return {
        key: torch.nn.utils.rnn.pad_sequence([example[key][0] for example in examples], batch_first=True)
        for key in examples[0]
    }
