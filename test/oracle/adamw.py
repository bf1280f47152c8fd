"""Fixture of training: 20 AdamW steps of the tiny BERT with LoRA, with schedule and global-norm clipping, no dropout;
and again with parameter groups: a learning rate and a weight decay of the head's own."""

from pathlib import Path

import torch
from transformers import get_linear_schedule_with_warmup

from bert_cases import batch, classes
from fixture_files import VERSIONS, Fixture
from tiny_bert import ALPHA, CHECKPOINT, RANK, TARGETS, lora_model, trainable

SEED = 20250205
STEPS, WARMUP_STEPS, PEAK_RATE, MAX_NORM = 20, 4, 1e-2, 1.0
BETAS, EPSILON, WEIGHT_DECAY = (0.9, 0.999), 1e-8, 0.01
KEPT_STEPS = (1, 2, 20)
# Of a second run, whose head has a learning rate and a decay of its own.
HEAD_RATE, HEAD_DECAY = 3e-2, 0.1


def batches() -> list[tuple[dict[str, torch.Tensor], torch.Tensor]]:
    """Two batches in turn: few enough to be learnt by heart, so that the gradients fall below the clipping norm."""
    shapes = [[8, 8, 8, 8], [10, 6, 4]]
    return [(batch(SEED + i, lengths), classes(SEED + 50 + i, len(lengths))) for i, lengths in enumerate(shapes)]


def decay_of(name: str, of_head: float = WEIGHT_DECAY) -> float:
    if name.endswith("bias"):
        return 0.0
    return of_head if name.startswith("classifier") else WEIGHT_DECAY


def train(dtype: torch.dtype = torch.float64, head_rate: float = PEAK_RATE, head_decay: float = WEIGHT_DECAY):
    """Yields each step's record and the parameters after it; first the parameters at the start, with no record."""
    model = lora_model(zero_b=True).to(dtype).train()
    parameters = trainable(model)
    groups = [
        {
            "params": [p],
            "lr": head_rate if name.startswith("classifier") else PEAK_RATE,
            "weight_decay": decay_of(name, head_decay),
        }
        for name, p in parameters.items()
    ]
    optimizer = torch.optim.AdamW(groups, lr=PEAK_RATE, betas=BETAS, eps=EPSILON)
    schedule = get_linear_schedule_with_warmup(optimizer, WARMUP_STEPS, STEPS)
    yield None, parameters
    data = batches()
    for step in range(STEPS):
        inputs, labels = data[step % len(data)]
        loss = model(**inputs, labels=labels).loss
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters.values(), MAX_NORM)
        record = {
            "step": step + 1,
            "batch": step % len(data),
            "loss": loss.item(),
            "learningRate": schedule.get_last_lr()[0],
            "gradientNorm": norm.item(),
            "clipped": bool(norm > MAX_NORM),
        }
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        yield record, parameters


def make(folder: Path) -> None:
    fixture = Fixture(folder, "adamw")
    steps, after = [], {}
    for record, parameters in train():
        if record is None:
            names = list(parameters)
            before = fixture.add_all("before", parameters)
        else:
            steps.append(record)
            if record["step"] in KEPT_STEPS:
                after[str(record["step"])] = fixture.add_all(f"after{record['step']}", parameters)
    head_steps = []
    for record, parameters in train(head_rate=HEAD_RATE, head_decay=HEAD_DECAY):
        if record is not None:
            head_steps.append({key: record[key] for key in ("loss", "gradientNorm")})
    head_after = fixture.add_all("headAfter", parameters)
    if {record["clipped"] for record in steps} != {True, False}:
        raise ValueError("adamw: clipping must be active on some steps and inactive on others")
    stored = []
    for i, (inputs, labels) in enumerate(batches()):
        stored.append(
            {
                "inputIds": fixture.add(f"batch{i}/inputIds", inputs["input_ids"]),
                "attentionMask": fixture.add(f"batch{i}/attentionMask", inputs["attention_mask"]),
                "tokenTypeIds": fixture.add(f"batch{i}/tokenTypeIds", inputs["token_type_ids"]),
                "labels": fixture.add(f"batch{i}/labels", labels),
            }
        )
    fixture.write(
        {
            "versions": VERSIONS,
            "checkpoint": CHECKPOINT,
            "lora": {"rank": RANK, "alpha": ALPHA, "targets": TARGETS},
            "optimizer": {"betas": BETAS, "epsilon": EPSILON, "peakLearningRate": PEAK_RATE},
            "schedule": {"kind": "linear", "warmupSteps": WARMUP_STEPS, "totalSteps": STEPS},
            "clipping": {"maxNorm": MAX_NORM, "formula": "g * min(1, maxNorm / (norm + 1e-6))"},
            "weightDecay": {name: decay_of(name) for name in names},
            "headGroup": {
                "peakLearningRate": HEAD_RATE,
                "weightDecay": {name: decay_of(name, HEAD_DECAY) for name in names},
                "steps": head_steps,
                "after": head_after,
            },
            "batches": stored,
            "steps": steps,
            "before": before,
            "after": after,
        }
    )
