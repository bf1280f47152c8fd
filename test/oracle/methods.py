"""Every method between diffora and PEFT 0.21 or transformers, both ways, on three architectures: equal logits (1e-4).

    python test/oracle/methods.py

diffora trains each method on tiny checkpoints of BERT, GPT-2 and LLaMA; PEFT loads the adapters and transformers the
merged checkpoints. Then PEFT writes adapters of every kind (but PiSSA: converted for a classifier, it lacks
the head and PEFT itself does not load it), diffora runs them, trains them on and writes them back, and
PEFT loads those. One line a check, `N passed, N failed` at the end; the exit code is 1 if any failed.
"""

import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import torch
from peft import AdaLoraConfig, IA3Config, LoraConfig, PeftModel, VeraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification
from transformers.utils import logging

ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURES = ["bert", "gpt2", "llama"]
LABELS = 3
TOLERANCE = 1e-4
# Methods that only diffora reads; their merged checkpoints are plain.
OWN = {"full", "bitfit"}
NAMES = {
    "bert": ("query", "value", "output.dense", "layer.0.output.dense"),
    "gpt2": ("c_attn", "c_fc", "mlp.c_proj", "h.0.mlp.c_proj"),
    "llama": ("q_proj", "v_proj", "down_proj", "layers.0.mlp.down_proj"),
}

# Keys and values, and the input of the feed-forward sub-layer's last module.
IA3_NAMES = {
    "bert": (["key", "value"], "output.dense"),
    "gpt2": (["c_attn"], "mlp.c_proj"),
    "llama": (["k_proj", "v_proj"], "down_proj"),
}


class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    def that(self, good, name, detail=""):
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        print(f"{'ok' if good else 'FAILED'} {name}{': ' + detail if detail else ''}", flush=True)

    def logits(self, name, actual, expected):
        difference = (actual - expected).abs().max().item()
        self.that(difference <= TOLERANCE, name, f"max difference {difference:.1e}")


def run(*arguments):
    subprocess.run(["node", "--import", "tsx", str(ROOT / "test/oracle/methods.ts"), *arguments], check=True, cwd=ROOT)


def base_model(folder):
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_pretrained(folder, num_labels=LABELS, dtype=torch.float32)


def logits_of(model, examples):
    width = max(len(ids) for ids in examples)
    ids = torch.tensor([one + [model.config.pad_token_id or 0] * (width - len(one)) for one in examples])
    mask = torch.tensor([[1] * len(one) + [0] * (width - len(one)) for one in examples])
    with torch.no_grad():
        return model.eval()(input_ids=ids, attention_mask=mask).logits


def expected(path):
    return torch.tensor(json.loads(path.read_text())).reshape(-1, LABELS)


def load_peft(base, adapter, checks, name):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model = PeftModel.from_pretrained(base_model(base), adapter)
    about = [str(one.message) for one in told if "issing" in str(one.message) or "nexpected" in str(one.message)]
    checks.that(not about, f"{name}: PEFT loads it without a word about keys", "; ".join(about)[:200])
    return model


def from_diffora(folder, examples, checks):
    for architecture in ARCHITECTURES:
        base = folder / architecture / "base"
        for path in sorted((folder / architecture).glob("*.json")):
            method = path.stem
            name = f"{architecture} {method}"
            wanted = expected(path)
            if method not in OWN:
                model = load_peft(base, path.with_suffix(""), checks, name)
                checks.logits(f"{name} in PEFT", logits_of(model, examples), wanted)
                if method not in ("lora-biases", "lora-own-biases", "adalora"):
                    written = set(load_file(path.with_suffix("") / "adapter_model.safetensors"))
                    known = set(get_peft_model_state_dict(model, save_embedding_layers=False))
                    checks.that(written == known, f"{name}: the keys are PEFT's own", str(sorted(written ^ known))[:200])
            merged = AutoModelForSequenceClassification.from_pretrained(folder / architecture / f"{method}-merged")
            checks.logits(f"{name} merged, in transformers", logits_of(merged, examples), wanted)


def configurations(architecture):
    first, second, wide, single = NAMES[architecture]
    common = dict(task_type="SEQ_CLS", target_modules=[first, second])
    lora = dict(r=3, lora_alpha=5, **common)
    transposed = dict(fan_in_fan_out=architecture == "gpt2")
    yield "lora", LoraConfig(**lora, **transposed)
    yield "regex", LoraConfig(**{**lora, "target_modules": rf".*\.({first}|{second})"}, **transposed)
    yield "rslora", LoraConfig(use_rslora=True, lora_dropout=0.1, **lora, **transposed)
    yield "dora", LoraConfig(use_dora=True, **lora, **transposed)
    patterns = dict(rank_pattern={single: 2, first: 1}, alpha_pattern={single: 7})
    yield "patterns", LoraConfig(**{**lora, "target_modules": [first, wide]}, **patterns, **transposed)
    ada = dict(init_r=4, target_r=2, total_step=10, tfinal=2, lora_alpha=6)
    yield "adalora", AdaLoraConfig(**ada, **common, **transposed)
    yield "vera", VeraConfig(r=5, **common, **transposed)
    # As PEFT's own lists have them: in BERT the end of a name takes attention's output in, too.
    keys, inputs = IA3_NAMES[architecture]
    scaled = dict(task_type="SEQ_CLS", target_modules=[*keys, inputs], feedforward_modules=[inputs], **transposed)
    yield "ia3", IA3Config(**scaled)
    expressions = dict(target_modules=rf".*\.({'|'.join(keys)}|{inputs})", feedforward_modules=rf".*\.{inputs}")
    yield "ia3-regex", IA3Config(**{**scaled, **expressions})
    if architecture != "llama":
        yield "biases", LoraConfig(bias="all", **lora, **transposed)
        yield "own-biases", LoraConfig(bias="lora_only", **lora, **transposed)
    if architecture == "bert":
        yield "pooler", LoraConfig(modules_to_save=["classifier", "bert.pooler"], **lora)


def from_peft(folder, examples, checks):
    for architecture in ARCHITECTURES:
        base = folder / architecture / "base"
        for name, config in configurations(architecture):
            torch.manual_seed(7)
            model = get_peft_model(base_model(base), config)
            place = folder / architecture / "peft" / name
            for key, parameter in model.named_parameters():
                if parameter.requires_grad:
                    parameter.data += 0.1 * torch.randn_like(parameter)
            if name == "adalora":
                allocate(model, config)
            model.save_pretrained(place)
            wanted = logits_of(PeftModel.from_pretrained(base_model(base), place), examples)
            checks.logits(f"{architecture} {name}: PEFT agrees with itself", wanted, logits_of(model, examples))
            place.with_suffix(".json").write_text(json.dumps(wanted.flatten().tolist()))
    run("read", str(folder))
    for architecture in ARCHITECTURES:
        base = folder / architecture / "base"
        for name, config in configurations(architecture):
            place = folder / architecture / "peft" / name
            ours = expected(place.parent / f"{name}.ours.json")
            checks.logits(f"{architecture} {name} of PEFT in diffora", ours, expected(place.with_suffix(".json")))
            again = place.parent / f"{name}-again"
            model = load_peft(base, again, checks, f"{architecture} {name} trained on")
            checks.logits(f"{architecture} {name} trained on, in PEFT", logits_of(model, examples), expected(again.with_suffix(".json")))
            before, after = (json.loads((one / "adapter_config.json").read_text()) for one in (place, again))
            # peft_version names who wrote the file.
            ignored = {"peft_version", "target_modules", "modules_to_save", "base_model_name_or_path", "rank_pattern", "alpha_pattern", "init_lora_weights", "feedforward_modules"}
            changed = {key for key in before if key not in ignored and before[key] != after.get(key)}
            checks.that(not changed, f"{architecture} {name}: other fields are written back as they were", str(changed))


def allocate(model, config):
    """Takes ranks away as AdaLoRA does: one module loses two, another all."""
    patterns = {}
    for index, (key, parameter) in enumerate(one for one in model.named_parameters() if "lora_E" in one[0]):
        kept = [True, index % 2 == 0, True, False] if index != 1 else [False] * 4
        parameter.data[[not one for one in kept]] = 0
        patterns[key.removeprefix("base_model.model.").replace(".default", "")] = kept
    config.rank_pattern = patterns


def main():
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    checks = Checks()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run("make", str(folder))
        examples = json.loads((folder / "examples.json").read_text())
        (folder / "examples.json").unlink()
        from_diffora(folder, examples, checks)
        from_peft(folder, examples, checks)
    print(f"{checks.passed} passed, {checks.failed} failed")
    sys.exit(1 if checks.failed else 0)


if __name__ == "__main__":
    main()
