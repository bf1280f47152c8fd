"""Checks that entities are what transformers makes of them.

    python test/oracle/kind_entities.py FOLDER       trains in FOLDER and compares; run by .ci/interop
    python test/oracle/kind_entities.py --fixture    writes test/tasks/kinds/fixtures/entities.json

The fixture holds tokens and labels as transformers' run_ner aligns them (`tokenize_and_align_labels`,
examples/pytorch/token-classification/run_ner.py, label_all_tokens false). Compared are, entity by entity, `diffora
predict` and the pipeline "token-classification" (aggregation_strategy="first") with the adapter in PEFT and with the merged
checkpoint. `N passed, N failed` at the end; exit code 1 if any failed.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "test" / "fixtures" / "oracle" / "tiny-bert-backbone"
FIXTURE = ROOT / "test" / "tasks" / "kinds" / "fixtures" / "entities.json"
LABELS = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
PEOPLE, PLACES = ["Bad Man", "Goodman", "Who Are You"], ["Film", "Bookfilm", "So Dull"]


def sentences() -> list[tuple[list[str], list[str]]]:
    made = []
    for i in range(36):
        person, place = PEOPLE[i % 3].split(), PLACES[(i // 3) % 3].split()
        tags = lambda words, kind: [f"{'B' if k == 0 else 'I'}-{kind}" for k in range(len(words))]
        words, marks = [*person, "is", "in", *place, "."], [*tags(person, "PER"), "O", "O", *tags(place, "LOC"), "O"]
        made.append((words, marks) if i % 4 else (["it", "was", ",", *words], ["O", "O", "O", *marks]))
    return made


def fixture() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(ROOT / "test" / "fixtures" / "oracle" / "tiny-bert")
    cases = []
    for words, tags in [*sentences()[:6], (["filmfilmfilm", "\u2603", "man"], ["B-LOC", "I-LOC", "B-PER"])]:
        encoded = tokenizer(words, is_split_into_words=True, truncation=True, max_length=16)
        labels, before = [], None
        for word in encoded.word_ids():
            labels.append(-100 if word is None or word == before else LABELS.index(tags[word]))
            before = word
        cases.append({"tokens": words, "tags": tags, "inputIds": encoded["input_ids"], "labels": labels})
    FIXTURE.parent.mkdir(exist_ok=True)
    FIXTURE.write_text(json.dumps({"labels": LABELS, "maxLength": 16, "cases": cases}, ensure_ascii=False) + "\n")


def diffora(*args: object) -> None:
    subprocess.run(["node", ROOT / "dist" / "cli" / "main.js", *map(str, args), "--quiet"], check=True, stdout=subprocess.DEVNULL)


def check(folder: Path) -> int:
    from interop import Checks, read_lines
    from peft import PeftModel
    from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline
    from transformers.utils import logging

    logging.set_verbosity_error()
    folder.mkdir(parents=True, exist_ok=True)
    rows = sentences()
    (folder / "people.conll").write_text("\n".join("".join(f"{w}\t{t}\n" for w, t in zip(*row, strict=True)) for row in rows))
    texts = [" ".join(words).replace(" ,", ",").replace(" .", ".") for words, _ in rows]
    texts += ["Bad Man, Who Are You?", "Goodman/Film Bookfilm", "dull"]
    (folder / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    diffora("train", "--model", MODEL, "--task", folder / "people.conll", "--method", "diffora", "--rank", 4, "--epochs", 25, "--lr", 1e-2,
            "--batch-size", 6, "--max-length", 32, "--threads", 1, "--output", folder / "run", "--overwrite")
    diffora("predict", "--adapter", folder / "run", "--input", folder / "texts.jsonl", "--output", folder / "predicted.jsonl", "--overwrite")
    diffora("merge", "--adapter", folder / "run", "--output", folder / "merged", "--overwrite")

    checks, labels = Checks(), json.loads((folder / "run" / "adapter" / "task.json").read_text())["labels"]
    checks.that(labels == LABELS, "the labels are those of IOB2", ", ".join(labels))
    expected = [one["entities"] for one in read_lines(folder / "predicted.jsonl")]
    found = sum(map(len, expected))
    checks.that(found > len(texts), "there are entities to compare", f"{found} in {len(texts)} texts")
    base = AutoModelForTokenClassification.from_pretrained(
        MODEL, num_labels=len(labels), id2label=dict(enumerate(labels)), label2id={label: i for i, label in enumerate(labels)}
    )
    models = {
        "PEFT": PeftModel.from_pretrained(base, folder / "run" / "adapter").eval(),
        "transformers, merged": AutoModelForTokenClassification.from_pretrained(folder / "merged").eval(),
    }
    tokenizer = AutoTokenizer.from_pretrained(folder / "merged")
    for name, model in models.items():
        find = pipeline("token-classification", model=model, tokenizer=tokenizer, aggregation_strategy="first")
        given = [find(text) for text in texts]
        plain = [[(one["entity_group"], one["start"], one["end"]) for one in each] for each in given]
        wanted = [[(one["type"], one["start"], one["end"]) for one in each] for each in expected]
        checks.that(plain == wanted, f"{name}: the pipeline gives the same entities, at the same places", f"{found} entities")
        scores = [abs(float(a["score"]) - b["score"]) for x, y in zip(given, expected) for a, b in zip(x, y)]
        checks.that(max(scores) <= 1e-4, f"{name}: and the same scores", f"max difference {max(scores):.1e}")
    print(f"{checks.passed} passed, {checks.failed} failed")
    return int(checks.failed > 0)


if __name__ == "__main__":
    sys.exit(fixture() if sys.argv[1] == "--fixture" else check(Path(sys.argv[1])))
