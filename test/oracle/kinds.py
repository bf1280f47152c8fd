"""Checks that adapters for answers in passages and for texts give in PEFT and transformers what they give in diffora.

    python test/oracle/kinds.py FOLDER

FOLDER is what .ci/interop makes: `span/` and `text/` are runs, `span-base/` and `text-base/` their models, `…-merged/`
their merged checkpoints, `span.jsonl` and `text.jsonl` the rows, `…-predicted.jsonl` what `diffora predict` says of them,
`text-scores.json` what `diffora eval --json` says. `N passed, N failed` at the end; exit code 1 if any failed.
"""

import json
import re
import sys
from pathlib import Path

import torch
from interop import Checks, read_lines
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoModelForQuestionAnswering, AutoTokenizer
from transformers.utils import logging

MAX_LENGTH = 64
LONGEST_ANSWER = 30


def best_span(model, tokenizer, question: str, context: str):
    """Text, score and no-answer score of the likeliest span, by trying all of them."""
    encoded = tokenizer(question, context, return_offsets_mapping=True, return_tensors="pt", max_length=MAX_LENGTH, truncation=True)
    offsets = encoded.pop("offset_mapping")[0].tolist()
    with torch.no_grad():
        output = model(**encoded)
    starts, ends = output.start_logits[0].tolist(), output.end_logits[0].tolist()
    places = [i for i, part in enumerate(encoded.sequence_ids(0)) if part == 1]
    score, first, last = max(
        (starts[i] + ends[j], -i, -j) for i in places for j in places if i <= j < i + LONGEST_ANSWER
    )
    return context[offsets[-first][0] : offsets[-last][1]], score, starts[0] + ends[0]


def check_span(folder: Path, checks: Checks) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder / "span" / "adapter")
    base = AutoModelForQuestionAnswering.from_pretrained(folder / "span-base", num_labels=2)
    models = {
        # Not PeftModelForQuestionAnswering itself: its forward (PEFT 0.21) loses token_type_ids on the way to the model.
        "PEFT": PeftModel.from_pretrained(base, folder / "span" / "adapter").eval().base_model,
        "transformers, merged": AutoModelForQuestionAnswering.from_pretrained(folder / "span-merged").eval(),
    }
    rows, expected = read_lines(folder / "span.jsonl"), read_lines(folder / "span-predicted.jsonl")
    checks.that(len(rows) == len(expected) > 0, "span: a prediction for each row", str(len(rows)))
    for name, model in models.items():
        found = [best_span(model, tokenizer, row["question"], row["context"]) for row in rows]
        texts = [text for text, _, _ in found]
        checks.that(texts == [one["answer"] for one in expected], f"span: {name} gives the same answers", f"{len(set(texts))} different")
        for part, key in ((1, "score"), (2, "noAnswerScore")):
            values = torch.tensor([one[part] for one in found])
            checks.logits(f"span: {name}, {key}", values, torch.tensor([one[key] for one in expected]), 1e-4)


def log_likelihood(model, tokenizer, prompts: list[str], references: list[str], end: int) -> float:
    """Mean over the tokens of all references and their ends."""
    total = tokens = 0
    for prompt, reference in zip(prompts, references, strict=True):
        before = tokenizer(prompt)["input_ids"]
        after = tokenizer(reference, add_special_tokens=False)["input_ids"] + [end]
        with torch.no_grad():
            logits = model(torch.tensor([before + after])).logits[0].log_softmax(-1)
        total += sum(logits[len(before) - 1 + i, token].item() for i, token in enumerate(after))
        tokens += len(after)
    return total / tokens


def check_text(folder: Path, checks: Checks) -> None:
    task = json.loads((folder / "text" / "adapter" / "task.json").read_text())
    generation = task["generation"]
    tokenizer = AutoTokenizer.from_pretrained(folder / "text" / "adapter")
    base = AutoModelForCausalLM.from_pretrained(folder / "text-base")
    models = {
        "PEFT": PeftModel.from_pretrained(base, folder / "text" / "adapter").eval(),
        "transformers, merged": AutoModelForCausalLM.from_pretrained(folder / "text-merged").eval(),
    }
    rows, expected = read_lines(folder / "text.jsonl"), read_lines(folder / "text-predicted.jsonl")
    scores = json.loads((folder / "text-scores.json").read_text().splitlines()[-1])["scores"]
    prompts = [generation["prompt"].replace("{text}", row["asked"]) for row in rows]
    references = [" " + row["written"] for row in rows]
    end = tokenizer.eos_token_id
    checks.that(len(rows) == len(expected) > 0, "text: a prediction for each row", str(len(rows)))
    for name, model in models.items():
        value = torch.tensor([log_likelihood(model, tokenizer, prompts, references, end)])
        checks.logits(f"text: {name}, log-likelihood", value, torch.tensor([scores["log_likelihood"]]), 1e-4)
        written = []
        for prompt in prompts:
            ids = tokenizer(prompt, return_tensors="pt", return_token_type_ids=False)
            made = model.generate(**ids, max_new_tokens=generation["maxNewTokens"], do_sample=False, eos_token_id=end, pad_token_id=0)
            written.append(tokenizer.decode(made[0][ids["input_ids"].shape[1] :], skip_special_tokens=True).strip())
        squeezed = [re.sub(r"\s+", " ", text) for text in written]
        given = [re.sub(r"\s+", " ", one["text"]) for one in expected]
        checks.that(squeezed == given, f"text: {name} writes the same", f"{len(set(written))} different")


def main() -> int:
    logging.set_verbosity_error()
    folder, checks = Path(sys.argv[1]), Checks()
    check_span(folder, checks)
    check_text(folder, checks)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return int(checks.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
