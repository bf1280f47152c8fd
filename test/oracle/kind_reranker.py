"""Checks that scores of rerankers are what sentence-transformers' CrossEncoder makes of them.

    python test/oracle/kind_reranker.py FOLDER      trains in FOLDER and compares; run by .ci/interop

Compared are, for models of several families: the scores of `diffora predict` with `CrossEncoder(folder).predict` on the merged model
and with PEFT's on the adapter, and the metrics of the run with those of its CrossEncoderRerankingEvaluator. `N passed, N failed`
at the end; exit code 1 if any failed.
"""

import json
import sys
from pathlib import Path

from kind_embedding import diffora, model_of

# Family of the oracle, or None for tiny-bert, and the loss.
CASES = {
    "bert": (None, "LambdaLoss"),
    "modernbert": ("modernbert", "RankNetLoss"),
    "distilbert": ("distilbert", "BinaryCrossEntropyLoss"),
    "deberta-v3": ("deberta-v3", "ListNetLoss"),
}
THINGS = ["man", "film", "book", "good", "bad", "dull"]


def rows_of() -> list[dict]:
    rows = []
    for i in range(24):
        passages = [f"so {THINGS[(i + k) % 6]}" for k in range(2 + i % 3)]
        turn = i % len(passages)
        rows.append({"query": f"is {THINGS[i % 6]} {THINGS[i // 6]}", "passages": passages[turn:] + passages[:turn]})
        rows[-1]["labels"] = [int(text == passages[0]) for text in rows[-1]["passages"]]
    return rows


def check(folder: Path) -> int:
    import torch
    from interop import Checks, read_lines
    from peft import PeftModel
    from sentence_transformers import CrossEncoder
    from sentence_transformers.cross_encoder.evaluation import CrossEncoderRerankingEvaluator
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    checks = Checks()
    rows = rows_of()
    pairs = [(row["query"], passage) for row in rows for passage in row["passages"]]
    for name, (family, loss) in CASES.items():
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        base = model_of(family, place / "base")
        (place / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (place / "task.yaml").write_text(json.dumps({"kind": "reranker", "train": "rows.jsonl", "dev": "rows.jsonl", "loss": loss}))
        diffora("train", "--model", base, "--task", place / "task.yaml", "--method", "diffora", "--rank", 2, "--epochs", 3, "--lr", 1e-2,
                "--batch-size", 6, "--max-length", 16, "--threads", 1, "--output", place / "run", "--overwrite")
        diffora("merge", "--adapter", place / "run", "--output", place / "merged", "--overwrite")
        diffora("predict", "--adapter", place / "run", "--input", place / "rows.jsonl", "--output", place / "out.jsonl", "--overwrite")
        given = torch.tensor([score for one in read_lines(place / "out.jsonl") for score in one["scores"]])
        merged = CrossEncoder(str(place / "merged"), device="cpu", max_length=16)
        checks.logits(f"{name}, merged: scores of CrossEncoder", merged.predict(pairs, convert_to_tensor=True), given, 1e-5)
        opened = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1, ignore_mismatched_sizes=True)
        model = PeftModel.from_pretrained(opened, place / "run" / "adapter").eval()
        tokenizer = AutoTokenizer.from_pretrained(place / "run" / "adapter")
        with torch.no_grad():
            inputs = tokenizer(*map(list, zip(*pairs)), padding=True, truncation=True, max_length=16, return_tensors="pt")
            checks.logits(f"{name}, adapter: scores of PEFT", model(**inputs).logits.sigmoid().flatten(), given, 1e-5)
        samples = [
            {"query": row["query"], **{key: [text for text, label in zip(row["passages"], row["labels"]) if label == of] for key, of in (("positive", 1), ("negative", 0))}}
            for row in rows
        ]
        expected = CrossEncoderRerankingEvaluator(samples, at_k=10)(merged)
        scores = json.loads((place / "run" / "run.json").read_text())["scores"]["dev"]
        differences = [abs(value - expected[key.replace("_at_", "@")]) for key, value in scores.items()]
        checks.that(max(differences) <= 1e-5, f"{name}: metrics are those of CrossEncoderRerankingEvaluator", f"max difference {max(differences):.1e}")
    print(f"{checks.passed} passed, {checks.failed} failed")
    return int(checks.failed > 0)


if __name__ == "__main__":
    sys.exit(check(Path(sys.argv[1])))
