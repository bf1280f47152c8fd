"""Checks that plain texts are grouped, masked and filled as transformers does it.

    python test/oracle/kind_pretraining.py FOLDER       trains in FOLDER and compares; run by .ci/interop
    python test/oracle/kind_pretraining.py --fixture    writes test/tasks/pretraining/fixtures/pretraining.json

The fixture holds blocks as `group_texts` of run_clm.py (examples/pytorch/language-modeling) makes them of texts that are ended, and
of each text what is deterministic of DataCollatorForLanguageModeling: which tokens are masked in none of 400 draws, and the words that
the tokenizer's `word_ids` tell. Compared are the fill-mask pipeline with the adapter in PEFT and with the merged checkpoint, and their
loss on masked texts. `N passed, N failed` at the end; exit code 1 if any failed.
"""

import json
import subprocess
import sys
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ORACLE = ROOT / "test" / "fixtures" / "oracle"
FIXTURE = ROOT / "test" / "tasks" / "pretraining" / "fixtures" / "pretraining.json"
TEXTS = [
    "The man said: it is a very good film, the best of the day!",
    "unreading books, never dull",
    "\u2603 you [MASK] call [SEP] me",
    "a",
    "re-reading, don't you know? We think so. Time after time after time",
]
BLOCK, DRAWS = 16, 400


def fixture() -> None:
    import torch
    from transformers import AutoTokenizer, DataCollatorForLanguageModeling

    tokenizer = AutoTokenizer.from_pretrained(ORACLE / "tiny-bert")
    collator = DataCollatorForLanguageModeling(tokenizer)
    torch.manual_seed(1)
    texts = []
    for text in TEXTS:
        encoded = tokenizer(text)
        ids = encoded["input_ids"]
        masked = torch.zeros(len(ids), dtype=torch.bool)
        for _ in range(DRAWS):
            masked |= collator([{"input_ids": ids}])["labels"][0] != -100
        texts.append({"text": text, "ids": ids, "masked": masked.long().tolist(), "words": encoded.word_ids()})
    end = tokenizer.sep_token_id
    every = list(chain(*[ids if ids[-1] == end else [*ids, end] for ids in [one["ids"] for one in texts]]))
    # group_texts drops what does not fill a block; here it is kept.
    blocks = [every[i : i + BLOCK] for i in range(0, len(every), BLOCK)]
    FIXTURE.parent.mkdir(exist_ok=True, parents=True)
    FIXTURE.write_text(json.dumps({"texts": texts, "block": BLOCK, "end": end, "blocks": blocks}, ensure_ascii=False) + "\n")


def diffora(*args: object) -> str:
    command = ["node", ROOT / "dist" / "cli" / "main.js", *map(str, args), "--quiet"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def corpus() -> list[str]:
    who, what = ["the man", "a woman", "the film", "a book"], ["is very good", "was not dull", "is a great film"]
    return [f"{who[i % 4]} {what[i % 3]}, {who[(i + 1) % 4]} {what[(i // 3) % 3]}." for i in range(48)]


def check(folder: Path) -> int:
    import torch
    from interop import Checks, read_lines
    from peft import PeftModel
    from transformers import AutoModelForMaskedLM, AutoTokenizer, pipeline
    from transformers.utils import logging

    logging.set_verbosity_error()
    folder.mkdir(parents=True, exist_ok=True)
    checks = Checks()
    (folder / "corpus.txt").write_text("".join(f"{line}\n" for line in corpus()))
    texts = [line.replace(" is ", " [MASK] ", 1).replace(" the ", " [MASK] ", 1) for line in corpus()[:12]]
    texts = [text for text in texts if "[MASK]" in text]
    (folder / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    # A model with a head of its own, which stays as it is, and one without, whose head is made and saved along.
    own = make_masked(folder / "own-base")
    for name, base in {"own": own, "new": ORACLE / "tiny-bert-backbone"}.items():
        run = folder / name
        diffora("train", "--model", base, "--task", folder / "corpus.txt", "--method", "diffora", "--rank", 4, "--epochs", 8, "--lr", 1e-2,
                "--batch-size", 8, "--max-length", 32, "--threads", 1, "--output", run, "--overwrite")
        diffora("predict", "--adapter", run, "--input", folder / "texts.jsonl", "--output", folder / f"{name}.jsonl", "--overwrite")
        diffora("merge", "--adapter", run, "--output", folder / f"{name}-merged", "--overwrite")
        config = json.loads((run / "adapter" / "adapter_config.json").read_text())
        checks.that(config["task_type"] is None, f"{name}: PEFT's config names no type of task")
        expected = [one["masks"] for one in read_lines(folder / f"{name}.jsonl")]
        models = {
            "PEFT": PeftModel.from_pretrained(AutoModelForMaskedLM.from_pretrained(base), run / "adapter").eval(),
            "merged": AutoModelForMaskedLM.from_pretrained(folder / f"{name}-merged").eval(),
        }
        tokenizer = AutoTokenizer.from_pretrained(folder / f"{name}-merged")
        for form, model in models.items():
            # The pipeline asks for the class of a model that it knows.
            plain = model.merge_and_unload() if form == "PEFT" else model
            fill = pipeline("fill-mask", model=plain, tokenizer=tokenizer, top_k=5)
            given = [[answer] if isinstance(answer[0], dict) else answer for answer in (fill(text) for text in texts)]
            ids = [[[one["token"] for one in mask] for mask in each] for each in given]
            wanted = [[[one["id"] for one in mask] for mask in each] for each in expected]
            checks.that(ids == wanted, f"{name}, {form}: fill-mask gives the same tokens", f"{sum(map(len, ids))} masks")
            differences = [abs(a["score"] - b["score"]) for x, y in zip(given, expected) for m, n in zip(x, y) for a, b in zip(m, n)]
            checks.that(max(differences) <= 1e-5, f"{name}, {form}: and the same probabilities", f"max difference {max(differences):.1e}")
    print(f"{checks.passed} passed, {checks.failed} failed")
    return int(checks.failed > 0)


def make_masked(folder: Path) -> Path:
    """tiny-bert-backbone with a head for masked tokens, drawn at random."""
    import torch
    from transformers import AutoTokenizer, BertForMaskedLM

    torch.manual_seed(3)
    model = BertForMaskedLM.from_pretrained(ORACLE / "tiny-bert-backbone")
    for name, parameter in model.cls.named_parameters():
        if "decoder.weight" not in name:
            torch.nn.init.normal_(parameter, 1.0 if name.endswith("LayerNorm.weight") else 0.0, 0.2)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(ORACLE / "tiny-bert").save_pretrained(folder)
    return folder


if __name__ == "__main__":
    sys.exit(fixture() if sys.argv[1] == "--fixture" else check(Path(sys.argv[1])))
