"""What an exported GGUF has to give (`gguf-export/`).

`blocks`: values and their bytes by the Python package gguf. `texts`: the probabilities of every token after every token
of two rows, by transformers, of models of `families/` as they are and with other settings in config.json, and with LoRA
adapters by PEFT, which are saved beside.
"""

import json
from pathlib import Path

import gguf
import numpy
import torch
from gguf.quants import quantize
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

from fixture_files import VERSIONS, Fixture, seeded

ROWS = [[5, 17, 3, 44, 28, 9, 51, 33, 12, 40], [58, 4, 4, 31, 20, 7, 46, 59, 15, 23]]
ROPE = {"rope_theta": 100.0, "original_max_position_embeddings": 8}
YARN = {**ROPE, "rope_type": "yarn", "factor": 4.0}
LONG = {**ROPE, "rope_type": "longrope", "original_max_position_embeddings": 10, "short_factor": [1.0, 1.5]}
LORA = {
    "llama": {"r": 2, "lora_alpha": 6, "use_rslora": True, "rank_pattern": {"v_proj": 3}, "alpha_pattern": {"k_proj": 1.5}},
    "gpt2": {"r": 3, "lora_alpha": 4, "fan_in_fan_out": True},
}
TARGETS = {
    "llama": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    "gpt2": ["c_attn", "c_proj", "c_fc"],
}
CASES = {
    **{name: {} for name in ["llama", "llama-full-heads", "llama-one-key-head", "llama-linear", "llama-dynamic", "llama-yarn"]},
    **{name: {} for name in ["llama-llama3", "mistral", "qwen2", "gpt2"]},
    "biases": {"family": "llama-tied-biases", "config": {"hidden_act": "silu"}},
    "no-window": {"family": "mistral", "config": {"sliding_window": None}},
    "no-windows": {"family": "qwen2", "config": {"use_sliding_window": False, "layer_types": None}},
    "yarn-attention": {"family": "llama", "config": {"rope_parameters": {**YARN, "attention_factor": 1.4}}},
    "yarn-betas": {"family": "llama", "config": {"rope_parameters": {**YARN, "beta_fast": 4, "beta_slow": 2}}},
    "longrope": {"family": "llama", "config": {"rope_parameters": {**LONG, "long_factor": [2.0, 5.0]}}},
    "longrope-one": {"family": "llama", "config": {"rope_parameters": {**LONG, "factor": 3.0, "long_factor": [1.0, 1.5]}}},
    "lora-llama": {"family": "llama", "lora": "llama"},
    "lora-gpt2": {"family": "gpt2", "lora": "gpt2"},
}


def make(folder: Path) -> None:
    target = folder / "gguf-export"
    target.mkdir(parents=True, exist_ok=True)
    blocks(target)
    texts(folder / "families", target)


def blocks(target: Path) -> None:
    """Rows of every size from subnormal halves up, of zeros, of one value, of ties."""
    fixture = Fixture(target, "blocks")
    random = numpy.random.default_rng(20261127)
    rows = [random.normal(0, scale, 64) for scale in [1e-30, 1e-9, 1e-6, 1e-3, 0.02, 1, 300]]
    rows += [numpy.zeros(64), numpy.full(64, -0.75), numpy.arange(64) / 8 - 4, numpy.repeat([1.5, -1.5], 32)]
    values = numpy.stack(rows).astype(numpy.float32)
    types = {}
    for name in ["F16", "Q8_0", "Q4_0"]:
        data = quantize(values, gguf.GGMLQuantizationType[name])
        data = torch.from_numpy(numpy.ascontiguousarray(data).view(numpy.uint8).reshape(-1).astype(numpy.int64))
        types[name] = fixture.add(name, data)
    entry = fixture.add("values", torch.from_numpy(values))
    fixture.write({"versions": {**VERSIONS, "gguf": "0.19"}, "values": entry, "types": types})


def texts(families: Path, target: Path) -> None:
    fixture = Fixture(target, "texts")
    cases = []
    for name, case in CASES.items():
        folder = families / case.get("family", name)
        config = AutoConfig.from_pretrained(folder)
        for key, value in case.get("config", {}).items():
            setattr(config, key, value)
        config = type(config)(**{key: value for key, value in config.to_dict().items() if key != "model_type"})
        model = AutoModelForCausalLM.from_pretrained(folder, config=config, dtype=torch.float32).double().eval()
        entry = {"name": name, "family": folder.name, "config": case.get("config", {})}
        if "lora" in case:
            kind = case["lora"]
            adapted = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", target_modules=TARGETS[kind], **LORA[kind]))
            draw_factors(adapted)
            adapted.float().save_pretrained(target / name)
            for extra in (target / name).glob("*.md"):
                extra.unlink()
            settle(target / name)
            entry["adapter"] = name
            model = adapted.double().eval()
        with torch.no_grad():
            logits = model(torch.tensor(ROWS)).logits
        entry["probabilities"] = fixture.add(name, logits.softmax(-1))
        cases.append(entry)
    fixture.write({"versions": VERSIONS, "rows": ROWS, "cases": cases})


def settle(folder: Path) -> None:
    """Takes out what differs from run to run: the place of the base, the order of a set."""
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    config |= {"base_model_name_or_path": "base", "target_modules": sorted(config["target_modules"])}
    path.write_text(json.dumps(config, indent=1) + "\n")
    for path in folder.iterdir():
        path.chmod(0o644)


def draw_factors(model: torch.nn.Module) -> None:
    for index, (name, parameter) in enumerate(sorted(model.named_parameters())):
        if "lora_" in name:
            with torch.no_grad():
                parameter.copy_(torch.randn(parameter.shape, generator=seeded(index), dtype=torch.float32) * 0.2)
