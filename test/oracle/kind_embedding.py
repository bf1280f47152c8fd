"""Checks that vectors of texts are what sentence-transformers makes of them.

    python test/oracle/kind_embedding.py FOLDER      trains in FOLDER and compares; run by .ci/interop

Compared are, for models of several families, poolings and prompts: the vectors of `diffora predict` with those of
`SentenceTransformer` on the adapter's folder and on the merged one, the rankings that follow, and the ranking metrics of the run with those of its
InformationRetrievalEvaluator. `N passed, N failed` at the end; exit code 1 if any failed.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ORACLE = ROOT / "test" / "fixtures" / "oracle"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
# Family of the oracle, or None for tiny-bert; what the task file adds.
CASES = {
    "bert": (None, {"queryPrompt": "who is ", "passagePrompt": "it was "}),
    "roberta": ("roberta", {"pooling": "cls"}),
    "distilbert": ("distilbert", {"normalize": False}),
    "deberta-v3": ("deberta-v3", {"loss": "TripletLoss"}),
    "llama": ("llama", {"pooling": "lasttoken", "matryoshkaDims": [16, 8]}),
    "gpt2": ("gpt2", {"pooling": "mean"}),
}


def diffora(*args: object) -> None:
    subprocess.run(["node", ROOT / "dist" / "cli" / "main.js", *map(str, args), "--quiet"], check=True, stdout=subprocess.DEVNULL)


def model_of(family: str | None, folder: Path) -> Path:
    """tiny-bert, or a checkpoint of the family with a tokenizer of letters."""
    if family is None:
        return ORACLE / "tiny-bert-backbone"
    import shutil

    shutil.copytree(ORACLE / "families" / family, folder, dirs_exist_ok=True)
    filler = json.loads((folder / "config.json").read_text()).get("pad_token_id") or 0
    words = ["[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    words.insert(filler, "[PAD]")
    from tokenizers import BertWordPieceTokenizer

    BertWordPieceTokenizer({word: i for i, word in enumerate(words)}).save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "model_max_length": 18}
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"model_input_names": ["input_ids", "attention_mask"]}))
    return folder


def rows_of(triplets: bool) -> list[dict]:
    things = ["man", "film", "book", "good", "bad", "dull"]
    rows = [{"query": f"is {things[i % 6]}", "passage": f"{things[(i + 1 + i // 6) % 6]} {things[i % 6]}"} for i in range(24)]
    return [row | {"negative": f"so {things[(i + 3) % 6]}"} for i, row in enumerate(rows)] if triplets else rows


def check(folder: Path) -> int:
    import torch
    from interop import Checks, read_lines
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
    from transformers.utils import logging

    logging.set_verbosity_error()
    checks = Checks()
    for name, (family, more) in CASES.items():
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        base, rows = model_of(family, place / "base"), rows_of(more.get("loss") == "TripletLoss")
        (place / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (place / "passages.jsonl").write_text("".join(json.dumps({"passage": row["passage"]}) + "\n" for row in rows))
        (place / "task.yaml").write_text(json.dumps({"kind": "embedding", "train": "rows.jsonl", "dev": "rows.jsonl", **more}))
        diffora("train", "--model", base, "--task", place / "task.yaml", "--method", "diffora", "--rank", 2, "--epochs", 3, "--lr", 1e-2,
                "--batch-size", 6, "--max-length", 16, "--threads", 1, "--output", place / "run", "--overwrite")
        diffora("merge", "--adapter", place / "run", "--output", place / "merged", "--overwrite")
        given = {}
        for file in ("rows", "passages"):
            diffora("predict", "--adapter", place / "run", "--input", place / f"{file}.jsonl", "--output", place / f"{file}-out.jsonl", "--overwrite")
            given[file] = torch.tensor([one["vector"] for one in read_lines(place / f"{file}-out.jsonl")])
        for what, opened in (("adapter", place / "run" / "adapter"), ("merged", place / "merged")):
            model = SentenceTransformer(str(opened), device="cpu")
            queries = model.encode_query([row["query"] for row in rows], convert_to_tensor=True)
            passages = model.encode_document([row["passage"] for row in rows], convert_to_tensor=True)
            for of, found in (("rows", queries), ("passages", passages)):
                checks.logits(f"{name}, {what}: vectors of {of}", found, given[of], 1e-5)
            cosines = lambda asked, searched: torch.nn.functional.normalize(asked) @ torch.nn.functional.normalize(searched).T
            order = cosines(given["rows"], given["passages"]).argsort(1, descending=True)
            # Passages that are equally near may change places.
            rise = cosines(queries, passages).gather(1, order).diff(dim=1).max().item()
            checks.that(rise <= 2e-5, f"{name}, {what}: every query ranks the passages alike", f"largest rise {rise:.1e}")
        corpus = list(dict.fromkeys(text for row in rows for text in (row["passage"], row.get("negative")) if text))
        relevant = {str(i): {corpus.index(other["passage"]) for other in rows if other["query"] == row["query"]} for i, row in enumerate(rows)}
        evaluator = InformationRetrievalEvaluator(
            {str(i): row["query"] for i, row in enumerate(rows)}, {f"{i:03}": text for i, text in enumerate(corpus)},
            {key: {f"{i:03}" for i in found} for key, found in relevant.items()}, ndcg_at_k=[10], mrr_at_k=[10], map_at_k=[100],
            precision_recall_at_k=[1, 5, 10], query_prompt=more.get("queryPrompt"), corpus_prompt=more.get("passagePrompt"),
        )
        expected = evaluator(model)
        scores = json.loads((place / "run" / "run.json").read_text())["scores"]["dev"]
        differences = [abs(value - expected[f"cosine_{key.replace('_at_', '@')}"]) for key, value in scores.items()]
        checks.that(max(differences) <= 1e-5, f"{name}: metrics are those of InformationRetrievalEvaluator", f"max difference {max(differences):.1e}")
    print(f"{checks.passed} passed, {checks.failed} failed")
    return int(checks.failed > 0)


if __name__ == "__main__":
    sys.exit(check(Path(sys.argv[1])))
