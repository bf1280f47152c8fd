"""Fixture of weight decay: which trained tensors transformers' Trainer lets decay, for the methods of PEFT and the families."""

import json
from pathlib import Path

from peft import AdaLoraConfig, IA3Config, LoraConfig, TaskType, VeraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForSequenceClassification, BertForSequenceClassification, Trainer

from fixture_files import VERSIONS
from method_steps import IA3_INPUTS, IA3_TARGETS
from tiny_bert import TARGETS, bert_config

COMMON = {"task_type": TaskType.SEQ_CLS, "target_modules": TARGETS}
METHODS = {
    "lora": lambda: LoraConfig(**COMMON, bias="all"),
    "dora": lambda: LoraConfig(**COMMON, use_dora=True),
    "adalora": lambda: AdaLoraConfig(**COMMON, init_r=3, target_r=2, total_step=10),
    "vera": lambda: VeraConfig(**COMMON, r=4),
    "ia3": lambda: IA3Config(task_type=TaskType.SEQ_CLS, target_modules=IA3_TARGETS, feedforward_modules=IA3_INPUTS),
}
FAMILIES = ["bert", "roberta", "distilbert", "deberta-v3", "gpt2", "llama", "mistral", "qwen2"]


def groups(model) -> dict[str, list[str]]:
    """Trained tensors by diffora's names, those that decay and the others."""
    # The rule reads nothing of a trainer but the model.
    decays = set(Trainer.get_decay_parameter_names(None, model))
    found: dict[str, list[str]] = {"decay": [], "plain": []}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            found["decay" if name in decays else "plain"].append(own_name(name))
    return {group: sorted(names) for group, names in found.items()}


def own_name(name: str) -> str:
    for part in ("base_model.model.", ".default", ".modules_to_save", ".base_layer"):
        name = name.replace(part, "")
    is_adapter = ".lora_" in name
    return name.removesuffix(".weight") if is_adapter else name


def make(folder: Path) -> None:
    methods = {
        method: groups(get_peft_model(BertForSequenceClassification(bert_config()), config()))
        for method, config in METHODS.items()
    }
    families = {}
    for family in FAMILIES:
        config = AutoConfig.from_pretrained(folder / "families" / family, num_labels=3)
        families[family] = groups(AutoModelForSequenceClassification.from_config(config))
    path = folder / "decay-groups.json"
    path.write_text(json.dumps({"versions": VERSIONS, "methods": methods, "families": families}, indent=1) + "\n")
    path.chmod(0o644)
