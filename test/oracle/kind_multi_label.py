"""Checks that several labels at once are what transformers makes of them: loss, probabilities and problem_type.

    python test/oracle/kind_multi_label.py FOLDER    run by .ci/interop

The loss is compared at the untrained head's first step (learning rate 0, one batch of all rows), with that of
transformers' BertForSequenceClassification with problem_type multi_label_classification (BCEWithLogitsLoss).
`N passed, N failed` at the end; exit code 1 if any failed.
"""

import json
import subprocess
import sys
from pathlib import Path

import torch
from interop import Checks, read_lines
from peft import PeftModel
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "test" / "fixtures" / "oracle" / "tiny-bert-backbone"
NAMES = ["book", "film", "man"]


def diffora(*args: object) -> None:
    subprocess.run(["node", ROOT / "dist" / "cli" / "main.js", *map(str, args), "--quiet"], check=True, stdout=subprocess.DEVNULL)


def main() -> int:
    logging.set_verbosity_error()
    folder, checks = Path(sys.argv[1]), Checks()
    folder.mkdir(parents=True, exist_ok=True)
    rows = [[name for bit, name in enumerate(NAMES) if i >> bit & 1] for i in range(8)] * 4
    texts = [{"text": f"so good {' '.join(names)}", "labels": names} for names in rows]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in texts))
    (folder / "rows.yaml").write_text("kind: multi-label\ntrain: rows.jsonl\ndev: rows.jsonl\nthresholds: choose\n")
    common = ["--model", MODEL, "--task", folder / "rows.yaml", "--threads", 1, "--overwrite"]
    diffora("train", *common, "--method", "diffora", "--rank", 4, "--epochs", 30, "--lr", 1e-2, "--batch-size", 8, "--output", folder / "run")
    diffora("predict", "--adapter", folder / "run", "--input", folder / "rows.jsonl", "--output", folder / "predicted.jsonl", "--overwrite")
    diffora("merge", "--adapter", folder / "run", "--output", folder / "merged", "--overwrite")
    # Another epoch at a rate of almost nothing: its one step has the loss of the adapter as it is.
    diffora("train", *common, "--adapter", folder / "run", "--lr", 1e-30, "--epochs", 1, "--dropout", 0, "--batch-size", 32, "--output", folder / "again")

    expected = read_lines(folder / "predicted.jsonl")
    merged = AutoModelForSequenceClassification.from_pretrained(folder / "merged").eval()
    checks.that(merged.config.problem_type == "multi_label_classification", "the merged checkpoint says its problem_type")
    checks.that([merged.config.id2label[i] for i in range(3)] == NAMES, "and its labels")
    base = AutoModelForSequenceClassification.from_pretrained(MODEL, num_labels=3)
    models = {"PEFT": PeftModel.from_pretrained(base, folder / "run" / "adapter").eval(), "transformers, merged": merged}
    tokenizer = AutoTokenizer.from_pretrained(folder / "merged")
    encoded = tokenizer([row["text"] for row in texts], return_tensors="pt", padding=True)
    for name, model in models.items():
        with torch.no_grad():
            found = model(**encoded).logits.sigmoid()
        checks.logits(f"{name}: probabilities", found, torch.tensor([[one["scores"][label] for label in NAMES] for one in expected]), 1e-4)
    thresholds = torch.tensor(json.loads((folder / "run" / "adapter" / "task.json").read_text())["thresholds"])
    given = [[label for label, hit in zip(NAMES, row >= thresholds) if hit] for row in found]
    checks.that(given == [one["labels"] for one in expected], "the labels are those above the thresholds of task.json")
    target = torch.tensor([[float(name in row["labels"]) for name in NAMES] for row in texts])
    with torch.no_grad():
        loss = merged(**encoded, labels=target).loss
    first = read_lines(folder / "again" / "metrics.jsonl")[0]
    checks.logits("the loss is BCEWithLogitsLoss", torch.tensor([first["loss"]]), loss[None], 1e-4)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return int(checks.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
