"""What PEFT makes of the tiny BERT in half precision when it merges an adapter, and how PyTorch rounds float32 to halves."""

from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForSequenceClassification

from fixture_files import VERSIONS, Fixture, seeded

TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def make(folder: Path) -> None:
    fixture = Fixture(folder / "checkpoints", "merged-types")
    values = rounded_values()
    merged = {name: merge(folder, dtype, name, fixture) for name, dtype in TYPES.items()}
    bits = {name: values.to(dtype).view(torch.int16).long() & 0xFFFF for name, dtype in TYPES.items()}
    fixture.write(
        {
            "versions": VERSIONS,
            "rounding": {
                "bits": fixture.add("rounding/bits", values.view(torch.int32).long() & 0xFFFFFFFF),
                **{name: fixture.add(f"rounding/{name}", value) for name, value in bits.items()},
            },
            "merged": merged,
        }
    )


def merge(folder: Path, dtype: torch.dtype, name: str, fixture: Fixture) -> dict:
    base = AutoModelForSequenceClassification.from_pretrained(folder / "tiny-bert-backbone", num_labels=3, dtype=dtype)
    before = {key: value.float() for key, value in base.state_dict().items()}
    adapted = PeftModel.from_pretrained(base, folder / "tiny-bert-adapter")
    exact = {}
    for path, module in adapted.base_model.model.named_modules():
        if hasattr(module, "lora_A"):
            key = f"{path}.weight"
            exact[key] = before[key].double() + module.get_delta_weight("default").double()
    after = adapted.merge_and_unload().state_dict()
    lost = sum(((after[key].double() - value) ** 2).sum() for key, value in exact.items())
    changed = sum(((value - before[key].double()) ** 2).sum() for key, value in exact.items())
    return {
        # One layer speaks for all, and is small.
        "weights": {key: fixture.add(f"{name}/{key}", after[key].double()) for key in exact if ".layer.0." in key},
        "share": (lost / changed).sqrt().item(),
    }


def rounded_values() -> torch.Tensor:
    """Any bits, numbers half way between two halves, the smallest and the largest."""
    generator = seeded(20261127)
    any_bits = torch.randint(-(2**31), 2**31 - 1, [400], generator=generator).int().view(torch.float32)
    usual = torch.randn(200, generator=generator)
    small = torch.randn(200, generator=generator) * 2.0**-18
    steps = torch.arange(0, 200).float() * 2.0**-25
    ties = 1 + torch.arange(0, 64).float() * 2.0**-11
    wide = 1 + torch.arange(0, 64).float() * 2.0**-8
    limits = torch.tensor([0.0, -0.0, 65504, 65519.996, 65520, -65520, 3.3895e38, 3.4028235e38, torch.inf, -torch.inf])
    values = torch.cat([any_bits, usual, small, steps, ties, wide, limits])
    return values[~values.isnan()]
