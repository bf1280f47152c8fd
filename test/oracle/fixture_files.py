"""Writing and reading fixtures: tensors in one `.safetensors`, everything else in one `.json`."""

import json
from pathlib import Path

import peft
import torch
import transformers
from safetensors.torch import load_file, save_file

VERSIONS = {
    "torch": torch.__version__.split("+")[0],
    "transformers": transformers.__version__,
    "peft": peft.__version__,
}


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(generator: torch.Generator, shape, scale: float = 1.0, shift: float = 0.0) -> torch.Tensor:
    """A float64 tensor whose values are exact in float32, so that the stored input is the one computed with."""
    values = torch.randn(shape, generator=generator, dtype=torch.float32) * scale + shift
    return values.float().double()


def uniform(generator: torch.Generator, shape, low: float, high: float) -> torch.Tensor:
    values = torch.rand(shape, generator=generator, dtype=torch.float32) * (high - low) + low
    return values.float().double()


class Fixture:
    """Collects the tensors and the description of one fixture, then writes `<name>.safetensors` and `<name>.json`."""

    def __init__(self, folder: Path, name: str):
        self.folder = folder
        self.name = name
        self.tensors: dict[str, torch.Tensor] = {}

    def add(self, name: str, tensor: torch.Tensor) -> str:
        """Stores floats as F32, integers as I64, booleans as BOOL; returns the name, for the JSON side."""
        if name in self.tensors:
            raise ValueError(f"{self.name}: tensor {name} is stored twice")
        tensor = tensor.detach()
        if tensor.is_floating_point():
            if not torch.isfinite(tensor).all():
                raise ValueError(f"{self.name}: tensor {name} has values that are not finite")
            tensor = tensor.float()
        self.tensors[name] = tensor.clone().contiguous()
        return name

    def add_all(self, prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, str]:
        return {key: self.add(f"{prefix}/{key}", tensor) for key, tensor in tensors.items()}

    def write(self, description) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self.name}.safetensors"
        save_file(self.tensors, path)
        path.chmod(0o644)
        (self.folder / f"{self.name}.json").write_text(dump(description) + "\n")


def dump(value, indent: int = 0, width: int = 160) -> str:
    """JSON with short values on one line: reviewable diffs without a line for every number."""
    flat = json.dumps(value, allow_nan=False)
    if len(flat) + indent <= width or not isinstance(value, (dict, list)):
        return flat
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        rows = [f"{pad}{json.dumps(key)}: {dump(item, indent + 2, width)}" for key, item in value.items()]
        return "{\n" + ",\n".join(rows) + "\n" + " " * indent + "}"
    rows = [pad + dump(item, indent + 2, width) for item in value]
    return "[\n" + ",\n".join(rows) + "\n" + " " * indent + "]"


def read_fixture(folder: Path, name: str):
    """The description and the tensors, floats widened to float64 for checks."""
    tensors = load_file(folder / f"{name}.safetensors")
    wide = {key: value.double() if value.is_floating_point() else value for key, value in tensors.items()}
    return json.loads((folder / f"{name}.json").read_text()), wide
