"""Checks that what diffora writes is what PEFT and transformers read: the same logits, no key missing or left over.

    python test/oracle/interop.py --base MODEL --adapter RUN/adapter --inputs rows.jsonl --text sentence \\
        --expected predicted.jsonl [--pair COLUMN] [--merged MERGED] [--max-length N]

    python test/oracle/interop.py --each ARGUMENTS.txt      (a line of such arguments for each run)

`--expected` is what `diffora predict --input rows.jsonl --output predicted.jsonl` wrote, line for line. One line is
printed for each check, `N passed, N failed` at the end; the exit code is 1 if any failed.
"""

import argparse
import json
import re
import shlex
import sys
import warnings
from pathlib import Path

import torch
from peft import PeftConfig, PeftModel, get_peft_model_state_dict
from safetensors import safe_open
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging

LORA_KEY = re.compile(r"base_model\.model\..+\.(lora_[AB]\.weight|lora_magnitude_vector)$")
KEY_PREFIX = "base_model.model."


class Checks:
    def __init__(self) -> None:
        self.passed = self.failed = 0

    def that(self, good: bool, name: str, detail: str = "") -> bool:
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        print(f"{'ok' if good else 'FAILED'} {name}{': ' + detail if detail else ''}", flush=True)
        return bool(good)

    def none(self, found, name: str) -> bool:
        found = sorted(str(item) for item in found)
        return self.that(not found, name, "; ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else ""))

    def logits(self, name: str, actual: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
        if actual.shape != expected.shape:
            self.that(False, name, f"shape {list(actual.shape)}, expected {list(expected.shape)}")
            return
        difference = (actual - expected).abs().max().item()
        # A NaN compares as false and so fails.
        good = difference <= tolerance
        self.that(good, name, f"max difference {difference:.2e} over {len(expected)} rows (allowed {tolerance:.0e})")


def read_lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    with safe_open(path, "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}


def load_tokenizer(folders: list[Path], checks: Checks):
    """From the first folder with tokenizer files, which must then load."""
    folder = next((folder for folder in folders if (folder / "tokenizer.json").exists()), folders[-1])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    checks.that(True, "the tokenizer loads", f"{type(tokenizer).__name__} from {folder.name}/")
    return tokenizer


def compute_logits(model, tokenizer, rows: list[dict], options: argparse.Namespace) -> torch.Tensor:
    config = model.config
    limit = options.max_length or min(tokenizer.model_max_length, getattr(config, "max_position_embeddings", 512))
    found = []
    with torch.no_grad():
        for start in range(0, len(rows), 16):
            part = rows[start : start + 16]
            texts = [str(row[options.text]) for row in part]
            pairs = [str(row[options.pair]) for row in part] if options.pair else None
            encoded = tokenizer(texts, pairs, truncation=True, max_length=limit, padding=True, return_tensors="pt")
            found.append(model(**encoded).logits)
    return torch.cat(found)


def check_file(tensors: dict[str, torch.Tensor], metadata: dict[str, str], config: PeftConfig, head_only: bool, checks: Checks) -> None:
    heads = tuple(config.modules_to_save or [])
    in_head = lambda key: any(f".{head}." in key for head in heads)
    foreign = [key for key in tensors if not LORA_KEY.match(key) and not (key.startswith(KEY_PREFIX) and in_head(key))]
    checks.none(foreign, "the adapter file holds no base weight")
    checks.that(metadata.get("format") == "pt", "the adapter file's metadata name the format", f"{metadata}")
    checks.none([key for key, value in tensors.items() if not torch.isfinite(value).all()], "every adapter weight is finite")
    moved = sum(bool(value.any()) for key, value in tensors.items() if key.endswith("lora_B.weight"))
    total = sum(key.endswith("lora_B.weight") for key in tensors)
    expectation = "no low-rank pair has moved" if head_only else "the adapter has moved from its start"
    checks.that((moved == 0) == head_only, expectation, f"{moved} of {total} lora_B not zero")


def load_adapter(base: Path, adapter: Path, labels: int, tensors: dict[str, torch.Tensor], checks: Checks) -> PeftModel:
    model = AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=labels, dtype=torch.float32, ignore_mismatched_sizes=True
    )
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        model = PeftModel.from_pretrained(model, adapter)
    about_keys = [w.message for w in raised if re.search("missing|unexpected|mismatch|not found", str(w.message), re.I)]
    checks.none(about_keys, "PEFT loads the adapter without warnings about its keys")
    # PEFT passes over keys that match no module: what it took in is compared with what the file holds.
    loaded = get_peft_model_state_dict(model, save_embedding_layers=False)
    checks.none(loaded.keys() - tensors.keys(), "no adapter key is missing")
    checks.none(tensors.keys() - loaded.keys(), "no adapter key is left over")
    shared = loaded.keys() & tensors.keys()
    changed = [key for key in shared if not torch.equal(loaded[key].float(), tensors[key].float())]
    checks.none(changed, f"{len(shared)} adapter tensors are taken over unchanged")
    return model.eval()


def load_merged(folder: Path, checks: Checks):
    model, found = AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    checks.none(found["missing_keys"], "the merged folder leaves no weight newly initialised")
    checks.none(found["unexpected_keys"], "the merged folder holds no unknown weight")
    checks.none(found["mismatched_keys"], "the merged folder's shapes fit its config.json")
    check_types(folder, checks)
    return model.eval()


def check_types(folder: Path, checks: Checks) -> None:
    """Without a type of its own, `from_pretrained` loads in the one that config.json names."""
    stored = {str(tensor.dtype) for tensor in read_tensors(folder / "model.safetensors")[0].values()}
    loaded = AutoModelForSequenceClassification.from_pretrained(folder).dtype
    checks.that(stored == {str(loaded)}, "the merged folder's weights are of the type that transformers loads", f"{loaded}")


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, required=True, help="folder of the base model")
    parser.add_argument("--adapter", type=Path, required=True, help="the run's adapter folder")
    parser.add_argument("--inputs", type=Path, required=True, help="JSONL of the task's columns")
    parser.add_argument("--expected", type=Path, required=True, help="JSONL that diffora predict wrote, with `logits`")
    parser.add_argument("--text", default="text", help="column of the text or of a pair's first part")
    parser.add_argument("--pair", help="column of a pair's second part")
    parser.add_argument("--merged", type=Path, help="folder that diffora merge wrote")
    parser.add_argument("--tokenizer", type=Path, help="folder of the tokenizer (default: that of what is checked)")
    parser.add_argument("--max-length", type=int, help="truncation, as in diffora predict (default: the model's limit)")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="largest difference of a logit")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--head-only", action="store_true", help="the run trained no low-rank pair: all lora_B are zero")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace, checks: Checks) -> None:
    rows = read_lines(options.inputs)
    expected = torch.tensor([line["logits"] for line in read_lines(options.expected)], dtype=torch.float32)
    if not checks.that(len(rows) == len(expected) > 0, "a line of output for each row", f"{len(expected)} for {len(rows)}"):
        return
    config = PeftConfig.from_pretrained(options.adapter)
    tensors, metadata = read_tensors(options.adapter / "adapter_model.safetensors")
    check_file(tensors, metadata, config, options.head_only, checks)
    model = load_adapter(options.base, options.adapter, expected.shape[1], tensors, checks)
    given = [options.tokenizer] if options.tokenizer else []
    tokenizer = load_tokenizer([*given, options.adapter, options.base], checks)
    adapted = compute_logits(model, tokenizer, rows, options)
    checks.logits("logits of the adapter in PEFT", adapted, expected, options.tolerance)
    if options.merged:
        merged = load_merged(options.merged, checks)
        tokenizer = load_tokenizer([*given, options.merged, options.adapter, options.base], checks)
        logits = compute_logits(merged, tokenizer, rows, options)
        checks.logits("logits of the merged model", logits, expected, options.tolerance)


def main() -> None:
    arguments = sys.argv[1:]
    runs = [arguments]
    if arguments[:1] == ["--each"]:
        runs = [shlex.split(line) for line in Path(arguments[1]).read_text().splitlines()]
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    checks = Checks()
    for options in [parse(one) for one in runs]:
        if len(runs) > 1:
            print(f"== {options.adapter}")
        torch.set_num_threads(options.threads)
        try:
            run(options, checks)
        except Exception as error:  # noqa: BLE001 - whatever a library raises on our files is a failed check
            checks.that(False, "reading what diffora wrote", f"{type(error).__name__}: {error}")
    print(f"{checks.passed} passed, {checks.failed} failed")
    raise SystemExit(1 if checks.failed else 0)


if __name__ == "__main__":
    main()
