"""Adapters as other people make them: drawn over the fields of PEFT's configurations, with the logits that PEFT gives.

    python test/oracle/peft_adapters.py fields                      test/adapters/peft/fixtures/fields.json
    python test/oracle/peft_adapters.py make --count 40             test/adapters/peft/fixtures/others/
    python test/oracle/peft_adapters.py make --count 200 --seed 1 --output /tmp/others

Every field of every configuration that diffora reads has values here; a field that PEFT adds stops the script. A draw that
PEFT itself refuses, or that it cannot load again, is drawn anew. Versions: torch 2.13.0, transformers 5.24.0, peft 0.21.2.
"""

import argparse
import dataclasses
import json
import random
import shutil
import warnings
from pathlib import Path

import peft
import torch
from peft import AdaLoraConfig, IA3Config, LoraConfig, PeftModel, VeraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
)
from transformers.utils import logging

ROOT = Path(__file__).resolve().parents[2]
FAMILIES = ROOT / "test/fixtures/oracle/families"
FIXTURES = ROOT / "test/adapters/peft/fixtures"
CONFIGS = {"LORA": LoraConfig, "ADALORA": AdaLoraConfig, "IA3": IA3Config, "VERA": VeraConfig}
CLASSES = {"SEQ_CLS": AutoModelForSequenceClassification, "CAUSAL_LM": AutoModelForCausalLM}
ENCODERS = ["bert", "roberta", "distilbert", "deberta-v3"]
DECODERS = ["llama", "llama-tied-biases", "mistral", "qwen2", "gpt2", "gpt2-unscaled-untied"]

# Set by PEFT itself, or of a run and not of an adapter.
LEFT_ALONE = {"peft_type", "peft_version", "inference_mode", "runtime_config", "task_type", "base_model_name_or_path"}


def pick(rng, items, least=1, most=2):
    return rng.sample(items, min(len(items), rng.randint(least, most)))


class Names:
    """Names of a model's modules, in the forms in which people write them."""

    def __init__(self, model):
        kinds = [(name, type(module).__name__) for name, module in model.named_modules() if name]
        self.linear = [name for name, kind in kinds if kind in ("Linear", "Conv1D")]
        self.layered = [name for name in self.linear if any(part.isdigit() for part in name.split("."))]
        self.embeddings = [name for name, kind in kinds if kind == "Embedding"]
        self.norms = [name for name, kind in kinds if "Norm" in kind]
        self.outputs = [name for name in self.linear if name == "lm_head"]
        self.layers = sorted({name.split(name_digit)[0] + name_digit for name, _ in kinds for name_digit in digits(name)})
        self.containers = [name for name, kind in kinds if kind == "ModuleList"]

    def end(self, rng, name):
        parts = name.split(".")
        return ".".join(parts[-rng.randint(1, min(2, len(parts))) :])


def digits(name):
    return [part for part in name.split(".") if part.isdigit()][:1]


def targets(rng, names):
    linear = [names.end(rng, one) for one in pick(rng, names.layered, 1, 3)]
    last = names.layered[0].split(".")[-1]
    return rng.choice(
        [
            linear,
            linear,
            pick(rng, names.layered, 1, 3),
            "all-linear",
            rf".*\.{last}",
            rf"(?:.*?\.){{1,}}(?P<end>{last}|nothing)",
            rf".*\.[01]\..*({last})$",
            [*linear, names.embeddings[0].split(".")[-1]],
            [*linear, *names.outputs],
            [names.end(rng, one) for one in pick(rng, names.linear, 1, 3)],
        ]
    )


def pattern(rng, names, values):
    first, second = rng.choice(names.layered), rng.choice(names.layered)
    end = first.split(".")[-1]
    keys = rng.choice(
        [
            [first],
            [end, first],
            [end, second.split(".")[-1]],
            [rf".*\.1\..*{end}"],
            [rf"(?i){end.upper()}"] if rng.random() < 0.1 else [rf"[^.]*\.{end}" if "." not in end else end],
            [rf"\w+\.{end}", second],
            [rf"(?:{end}|{second.split('.')[-1]})"],
        ]
    )
    return {key: rng.choice(values) for key in keys}


def whole(rng, names):
    return rng.choice(
        [
            [rng.choice(names.norms)],
            [names.norms[0].split(".")[-1]],
            [names.embeddings[0].split(".")[-1]],
            [names.embeddings[0].split(".")[-1], *names.outputs],
            names.outputs or [names.norms[-1]],
            [rng.choice(names.layered)],
        ]
    )


def value_of(field, rng, names):
    """A value of a field that is not its default; how it is drawn for every field of every configuration."""
    ranks, alphas = [1, 2, 3], [1, 3, 8]
    draws = {
        "alora_invocation_tokens": lambda: [3, 4],
        "alpha_pattern": lambda: pattern(rng, names, alphas),
        "arrow_config": lambda: peft.ArrowConfig(),
        "auto_mapping": lambda: {"base_model_class": "Model", "parent_library": "models"},
        "beta1": lambda: 0.5,
        "beta2": lambda: 0.5,
        "bias": lambda: rng.choice(["all", "lora_only"]),
        "corda_config": lambda: peft.tuners.lora.config.CordaConfig(),
        "d_initial": lambda: 0.3,
        "deltaT": lambda: 2,
        "ensure_weight_tying": lambda: True,
        "eva_config": lambda: peft.EvaConfig(),
        "exclude_modules": lambda: rng.choice([[names.end(rng, rng.choice(names.layered))], r".*\.0\..*"]),
        "fan_in_fan_out": lambda: True,
        "feedforward_modules": lambda: rng.choice([[names.layered[-1].split(".")[-1]], rf".*\.1\..*"]),
        "init_ia3_weights": lambda: False,
        "init_lora_weights": lambda: rng.choice([False, "gaussian", "orthogonal", "olora", "pissa"]),
        "init_r": lambda: rng.choice(ranks),
        "init_weights": lambda: False,
        "kasa_config": lambda: peft.tuners.lora.config.KasaConfig(),
        "layer_replication": lambda: [(0, 2), (1, 2)],
        "layers_pattern": lambda: rng.choice([names.containers[0].split(".")[-1], [names.containers[0].split(".")[-1]]]),
        "layers_to_transform": lambda: rng.choice([0, 1, [1], [0, 1]]),
        "loftq_config": lambda: {"loftq_bits": 4},
        "lora_alpha": lambda: rng.choice(alphas),
        "lora_bias": lambda: True,
        "lora_dropout": lambda: 0.2,
        "lora_ga_config": lambda: peft.tuners.lora.config.LoraGAConfig(),
        "megatron_config": lambda: {"tensor_model_parallel_size": 1},
        "megatron_core": lambda: "megatron.elsewhere",
        "modules_to_save": lambda: whole(rng, names),
        "monteclora_config": lambda: peft.tuners.lora.config.MontecloraConfig(),
        "orth_reg_weight": lambda: 0.1,
        "projection_prng_key": lambda: 3,
        "qalora_group_size": lambda: 8,
        "r": lambda: rng.choice(ranks),
        "rank_pattern": lambda: pattern(rng, names, ranks),
        "revision": lambda: "main",
        "save_projection": lambda: False,
        "target_modules": lambda: targets(rng, names),
        "target_parameters": lambda: [rng.choice(names.layered).split(".")[-1] + ".weight"],
        "target_r": lambda: 1,
        "tfinal": lambda: 3,
        "tinit": lambda: 3,
        "total_step": lambda: 50,
        "trainable_token_indices": lambda: rng.choice([[1, 5, 7], {names.embeddings[0].split(".")[-1]: [2, 3]}]),
        "use_bdlora": lambda: peft.tuners.lora.config.BdLoraConfig(target_modules_bd_a=[], nblocks=2, match_strict=False),
        "use_dora": lambda: True,
        "use_qalora": lambda: True,
        "use_rslora": lambda: True,
        "velora_config": lambda: peft.tuners.lora.config.VeloraConfig(),
        "vera_dropout": lambda: 0.2,
    }
    return draws[field]()


# Fields of what people really train; the others are drawn more seldom.
USUAL = ["alpha_pattern", "bias", "exclude_modules", "layers_to_transform", "lora_alpha", "modules_to_save", "r", "rank_pattern"]
USUAL += ["use_dora", "use_rslora", "lora_dropout", "feedforward_modules", "layers_pattern"]


def draw(rng, names, peft_type):
    fields = [field.name for field in dataclasses.fields(CONFIGS[peft_type]) if field.name not in LEFT_ALONE]
    options = {"target_modules": targets(rng, names)}
    if peft_type == "IA3":
        options = {"target_modules": [one.split(".")[-1] for one in pick(rng, names.layered, 1, 3)]}
        options["feedforward_modules"] = rng.choice([[], options["target_modules"][:1]])
    if peft_type == "ADALORA":
        options |= {"total_step": 100, "init_r": 3}
    if peft_type == "VERA":
        options |= {"r": 8}
    if peft_type == "LORA":
        options |= {"r": 2}
    usual = [field for field in fields if field in USUAL]
    chosen = pick(rng, usual, 0, 3) + (pick(rng, fields, 1, 1) if rng.random() < 0.5 else [])
    if "layers_pattern" in chosen:
        chosen.append("layers_to_transform")
    for field in chosen:
        if field not in options or field in ("r", "init_r"):
            options[field] = value_of(field, rng, names)
    return options


def randomise(model, generator):
    """As training would leave it: every trained tensor is moved."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad:
                continue
            noise = torch.randn(parameter.shape, generator=generator) * 0.3
            own = "lora_A" in name or "lora_B" in name or "lora_E" in name or "lora_embedding" in name or "vera_lambda" in name
            parameter.copy_(noise if own else parameter + noise)


def base_of(family, task_type):
    options = {"num_labels": 3} if task_type == "SEQ_CLS" else {}
    return CLASSES[task_type].from_pretrained(FAMILIES / family, **options).float().eval()


def batch_of(model, rng):
    generator = torch.Generator().manual_seed(rng.randrange(2**31))
    ids = torch.randint(5, 60, [2, 7], generator=generator)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


# What everybody makes, each under its name: base, task type, peft type, options, form.
LAST = {"r": 2, "target_modules": ["q_proj", "v_proj"]}
NAMED = {
    "norms": ("bert", "SEQ_CLS", "LORA", {"r": 2, "target_modules": ["query"], "modules_to_save": ["LayerNorm"]}),
    "word-embeddings": ("bert", "SEQ_CLS", "LORA", {"r": 2, "target_modules": ["query"], "modules_to_save": ["word_embeddings"]}),
    "usual-pair": ("llama", "CAUSAL_LM", "LORA", {**LAST, "modules_to_save": ["embed_tokens", "lm_head"]}),
    "usual-pair-tied": ("qwen2", "CAUSAL_LM", "LORA", {**LAST, "modules_to_save": ["embed_tokens", "lm_head"]}),
    "embeddings-of-tied": ("qwen2", "CAUSAL_LM", "LORA", {**LAST, "modules_to_save": ["embed_tokens"]}),
    "output-of-tied": ("gpt2", "CAUSAL_LM", "LORA", {"r": 2, "target_modules": ["c_attn"], "modules_to_save": ["lm_head"]}),
    "whole-layer": ("llama", "CAUSAL_LM", "IA3", {"target_modules": ["k_proj", "down_proj"], "feedforward_modules": ["down_proj"], "modules_to_save": ["model.layers.1.mlp"]}),
    "adapted-embeddings": ("llama", "CAUSAL_LM", "LORA", {"r": 2, "target_modules": ["q_proj", "embed_tokens", "lm_head"]}),
    "adapted-embeddings-tied": ("qwen2", "CAUSAL_LM", "LORA", {"r": 2, "target_modules": ["q_proj", "embed_tokens"]}),
    "adapted-output-tied": ("gpt2", "CAUSAL_LM", "LORA", {"r": 2, "target_modules": ["c_attn", "lm_head"]}),
    "short-pattern-first": ("bert", "SEQ_CLS", "LORA", {"r": 2, "target_modules": ["query"], "alpha_pattern": {"attention.self.query": 3, "bert.encoder.layer.0.attention.self.query": 9}}),
    "all-linear": ("bert", "SEQ_CLS", "LORA", {"r": 2, "target_modules": "all-linear"}),
    "all-linear-roberta": ("roberta", "SEQ_CLS", "LORA", {"r": 2, "target_modules": "all-linear"}),
    "excluded": ("roberta", "SEQ_CLS", "LORA", {"r": 2, "target_modules": r".*\.(query|value)", "exclude_modules": r".*layer\.0.*value"}),
    "three-labels-distilbert": ("distilbert", "SEQ_CLS", "LORA", {"r": 2, "target_modules": ["q_lin", "v_lin"]}),
    "three-labels-gpt2": ("gpt2", "SEQ_CLS", "LORA", {"r": 2, "target_modules": ["c_attn"]}),
    "three-labels-llama": ("llama", "SEQ_CLS", "LORA", LAST),
    "bias-of-b": ("bert", "SEQ_CLS", "LORA", {"r": 2, "target_modules": ["query"], "lora_bias": True}),
    "biases-vera": ("roberta", "SEQ_CLS", "VERA", {"r": 8, "target_modules": ["query"], "bias": "all"}),
    "pickled": ("mistral", "CAUSAL_LM", "LORA", LAST, "bin"),
    "untyped": ("llama", "CAUSAL_LM", "LORA", LAST, "untyped"),
    "nameless": ("llama", "CAUSAL_LM", "LORA", LAST, "nameless"),
}


def drawn_case(rng, folder):
    task_type = rng.choice(["SEQ_CLS", "CAUSAL_LM"])
    family = rng.choice(DECODERS if task_type == "CAUSAL_LM" else ENCODERS + ENCODERS + DECODERS)
    peft_type = rng.choice(["LORA"] * 6 + ["ADALORA", "IA3", "VERA"])
    options = draw(rng, Names(base_of(family, task_type)), peft_type)
    form = rng.choice(["safetensors"] * 5 + ["bin", "embeddings", "untyped", "nameless"])
    return one_case(rng, folder, family, task_type, peft_type, options, form)


def one_case(rng, folder, family, task_type, peft_type, options, form="safetensors"):
    """@returns what is kept of a case; raises where PEFT refuses it"""
    seed = rng.randrange(2**31)
    torch.manual_seed(seed)
    model = base_of(family, task_type)
    if model.config.pad_token_id is None:
        model.config.pad_token_id = 0
    config = CONFIGS[peft_type](task_type=task_type, **options)
    adapted = get_peft_model(model, config)
    randomise(adapted, torch.Generator().manual_seed(seed + 1))
    adapted.save_pretrained(folder, safe_serialization=form != "bin", save_embedding_layers=form == "embeddings")
    (folder / "README.md").unlink()
    file = folder / "adapter_config.json"
    written = json.loads(file.read_text())
    written["base_model_name_or_path"] = None if form == "nameless" else family
    written["task_type"] = None if form == "untyped" else written["task_type"]
    file.write_text(json.dumps(written, indent=2, sort_keys=True))

    torch.manual_seed(seed)
    base = base_of(family, task_type)
    if base.config.pad_token_id is None:
        base.config.pad_token_id = 0
    loaded = PeftModel.from_pretrained(base, folder).eval()
    inputs = batch_of(base, rng)
    with torch.no_grad():
        logits = loaded(**inputs).logits
    # Of a causal model the last token's, which all others have a part in.
    logits = logits[:, -1] if task_type == "CAUSAL_LM" else logits
    assert torch.isfinite(logits).all()
    return {
        "base": family,
        "taskType": task_type,
        "peftType": peft_type,
        "form": form,
        "fields": sorted(set(options) - {"total_step"}),
        "inputIds": inputs["input_ids"].tolist(),
        "shape": list(logits.shape),
        "logits": [float(f"{value:.7g}") for value in logits.flatten().tolist()],
    }


def make(count, seed, output):
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    rng = random.Random(seed)
    cases, refused = [], {}
    for name, case in NAMED.items():
        cases.append({"name": name, **one_case(rng, output / name, *case)})
    while len(cases) < count:
        name = f"{len(cases):03}"
        folder = output / name
        try:
            cases.append({"name": name, **drawn_case(rng, folder)})
        except Exception as error:  # noqa: BLE001 PEFT's own refusals are of every kind
            shutil.rmtree(folder, ignore_errors=True)
            key = f"{type(error).__name__}: {str(error).splitlines()[0][:90] if str(error) else ''}"
            refused[key] = refused.get(key, 0) + 1
    text = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    (output / "cases.json").write_text(f"[\n{text}\n]\n")
    for key, times in sorted(refused.items(), key=lambda item: -item[1])[:12]:
        print(f"drawn anew {times} times: {key}")
    print(f"{len(cases)} adapters of peft {peft.__version__} in {output}, {sum(refused.values())} drawn anew")


def write_fields():
    table = {}
    for name, config in CONFIGS.items():
        made = config(**({"total_step": 1} if name == "ADALORA" else {}))
        values = dataclasses.asdict(made)
        table[name] = {key: plain(values[key]) for key in sorted(values)}
    document = {"peft": peft.__version__, "fields": table}
    (FIXTURES / "fields.json").write_text(json.dumps(document, indent=1) + "\n")


def plain(value):
    return sorted(value) if isinstance(value, set) else getattr(value, "value", value)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["fields", "make"])
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=FIXTURES / "others")
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    if arguments.what == "fields":
        write_fields()
    else:
        make(arguments.count, arguments.seed, arguments.output)


if __name__ == "__main__":
    main()
