"""Adapter folders between PEFT and diffora, in both directions.

    python test/oracle/peft_files.py make      writes test/adapters/peft/fixtures/ with PEFT
    python test/oracle/peft_files.py verify    writes folders with diffora, loads them with PEFT

Versions: torch 2.13.0, transformers 5.23.0, peft 0.21.0, safetensors 0.8.0.
"""

import json
import math
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import peft
import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file
from transformers import BertConfig, BertForSequenceClassification

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "test/adapters/peft/fixtures"
WRITER = ROOT / "test/adapters/peft/write_cases.ts"
MODULES = [
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
]


def path_of(layer, module):
    return f"bert.encoder.layer.{layer}.{module}"


def tiny_bert(layers):
    """Random weights by a fixed seed: hidden 8, intermediate 12, 3 labels."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=20,
        hidden_size=8,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=12,
        max_position_embeddings=16,
        num_labels=3,
    )
    return BertForSequenceClassification(config).eval()


def make():
    special = path_of(0, "output.dense")
    cases = {
        "exact": dict(
            target_modules=[path_of(0, "attention.self.query"), special, path_of(1, "attention.output.dense")],
            rank_pattern={special: 2},
            alpha_pattern={special: 6},
            modules_to_save=["classifier"],
        ),
        "short_names": dict(target_modules=["query", "value"], use_rslora=True, lora_dropout=0.1),
        "pooler": dict(target_modules=["key"], modules_to_save=["bert.pooler", "classifier"]),
        "dora": dict(target_modules=["query"], use_dora=True),
    }
    for name, options in cases.items():
        torch.manual_seed(1)
        model = tiny_bert(2)
        model.config._name_or_path = "tiny-bert"
        model.name_or_path = "tiny-bert"
        adapted = get_peft_model(model, LoraConfig(task_type="SEQ_CLS", r=4, lora_alpha=8, **options))
        for key, parameter in adapted.named_parameters():
            if "lora_B" in key:
                torch.nn.init.normal_(parameter)
        shutil.rmtree(FIXTURES / name, ignore_errors=True)
        adapted.save_pretrained(FIXTURES / name)
        (FIXTURES / name / "README.md").unlink()
    # Sums let a test see that the values are read right.
    sums = {
        name: {key: tensor.double().sum().item() for key, tensor in load_file(FIXTURES / name / "adapter_model.safetensors").items()}
        for name in cases
    }
    (FIXTURES / "sums.json").write_text(json.dumps(sums, indent=1, sort_keys=True) + "\n")
    print(f"wrote {FIXTURES} with peft {peft.__version__}")


def verify():
    passed = 0
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary)
        subprocess.run(["node", "--import", "tsx", str(WRITER), str(out)], check=True, cwd=ROOT)
        cases = json.loads((out / "cases.json").read_text())
        for name, facts in cases.items():
            verify_case(out / name, facts, out / f"{name}-again")
            passed += 1
            print(f"ok {name}")
    print(f"{passed} passed, 0 failed")


def verify_case(folder, facts, again):
    written = load_file(folder / "adapter_model.safetensors")
    assert set(written) == set(facts["keys"]), set(written) ^ set(facts["keys"])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = PeftModel.from_pretrained(tiny_bert(facts["layers"]), folder)
        second = model.load_adapter(folder, "second")
    told = [str(one.message) for one in caught if "gradient_checkpointing" not in str(one.message)]
    assert not any("key" in text or "Unexpected" in text or "adapter" in text for text in told), told
    assert not second.unexpected_keys, second.unexpected_keys
    assert not [key for key in second.missing_keys if ".second." in key], second.missing_keys

    loaded = get_peft_model_state_dict(model, adapter_name="default")
    assert set(loaded) == set(written), set(loaded) ^ set(written)
    for key, tensor in written.items():
        assert torch.equal(loaded[key], tensor), key
    modules = dict(model.base_model.model.named_modules())
    adapted = {path for path, module in modules.items() if isinstance(getattr(module, "scaling", None), dict)}
    assert adapted == set(facts["scaling"]), adapted ^ set(facts["scaling"])
    for path, scaling in facts["scaling"].items():
        assert math.isclose(modules[path].scaling["default"], scaling, rel_tol=1e-12), path

    # What PEFT saves from it is what diffora wrote: the tensor file byte by byte, the configuration field by field.
    model.delete_adapter("second")
    model.save_pretrained(again)
    theirs, ours = ((f / "adapter_model.safetensors").read_bytes() for f in (again, folder))
    assert theirs == ours, "adapter_model.safetensors differs"
    theirs, ours = (json.loads((f / "adapter_config.json").read_text()) for f in (again, folder))
    assert set(theirs) == set(ours), set(theirs) ^ set(ours)
    for field in theirs:
        if field == "target_modules":
            continue  # PEFT shortens long lists; the adapted modules are compared above
        if field == "modules_to_save":
            assert set(theirs[field]) <= set(ours[field] or []) | {"classifier", "score"}, field
        else:
            assert theirs[field] == ours[field], (field, theirs[field], ours[field])
    text = (folder / "adapter_config.json").read_text()
    assert text == json.dumps(ours, indent=2, sort_keys=True), "not as json.dumps(indent=2, sort_keys=True) writes it"


if __name__ == "__main__":
    {"make": make, "verify": verify}[sys.argv[1]]()
