"""Checks that T5 and its relatives give in transformers and PEFT what they give in diffora, with a tokenizer of their own kind.

    python test/oracle/kind_seq2seq.py FOLDER           trains in FOLDER and compares; run by .ci/interop
    python test/oracle/kind_seq2seq.py --model FOLDER   writes a small T5 of random weights with a tokenizer of its own

Compared are tokens of spiece.model (texts of several scripts, marks of gaps), what is written greedily by random models of several seeds
and of each family, the loss and the texts of a trained adapter in PEFT, of the merged checkpoint in transformers and of an adapter
that PEFT wrote in diffora, and vectors of the encoder alone. `N passed, N failed` at the end; exit code 1 if any failed.
"""

import io
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORDS = {"one": "eins", "two": "zwei", "three": "drei", "four": "vier", "five": "f\u00fcnf", "six": "sechs", "dogs": "Hunde", "cats": "Katzen",
         "houses": "H\u00e4user", "birds": "V\u00f6gel", "are": "sind", "here": "hier", "there": "dort", "and": "und"}
PREFIX = "translate English to German: "
ODD = ["\ufb01ne \u00bd \u2460\u00a0\u3000x", "a\tb", "<extra_id_0> and <extra_id_99>x", "na\u00efve caf\u00e9 \u2014 \u201cquoted\u201d \u6771\u4eac \U0001f600", "e\u0301 \u2581\u2581", "</s> <pad>"]


def rows() -> list[dict[str, str]]:
    numbers, things = ["one", "two", "three", "four", "five", "six"], ["dogs", "cats", "houses", "birds"]
    made = [f"{n} {t} are {p}" for n in numbers for t in things for p in ["here", "there"]]
    return [{"source": text, "target": " ".join(WORDS[word] for word in text.split())} for text in made]


def make_tokenizer(folder: Path) -> None:
    """spiece.model as T5 has it: pad, end and unknown first, NFKC."""
    import sentencepiece

    corpus = [text for row in rows() for text in (PREFIX + row["source"], row["target"])] + ODD
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus * 2), model_writer=model, model_type="unigram", vocab_size=150, hard_vocab_limit=False, num_threads=1,
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1, pad_piece="<pad>", normalization_rule_name="nmt_nfkc", minloglevel=2,
    )
    (folder / "spiece.model").write_bytes(model.getvalue())
    settings = {"tokenizer_class": "T5Tokenizer", "extra_ids": 100, "model_max_length": 512, "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def make_model(folder: Path, family: str = "T5", seed: int = 1, scale: float = 1.0, **changed: object) -> Path:
    """Two layers in each half; weights drawn, as wide as training them makes sense of."""
    import torch
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    make_tokenizer(folder)
    size = len(transformers.T5Tokenizer.from_pretrained(folder))
    options = {"vocab_size": size, "d_model": 48, "d_kv": 12, "d_ff": 96, "num_heads": 4, "num_layers": 2, "dropout_rate": 0.0,
               "relative_attention_num_buckets": 16, "relative_attention_max_distance": 40, "decoder_start_token_id": 0, **changed}
    torch.manual_seed(seed)
    model = getattr(transformers, f"{family}ForConditionalGeneration")(getattr(transformers, f"{family}Config")(**options))
    if scale != 1.0:
        for parameter in model.parameters():
            parameter.data.mul_(scale)
    model.save_pretrained(folder)
    return folder


def diffora(*args: object) -> str:
    command = ["node", ROOT / "dist" / "cli" / "main.js", *map(str, args), "--quiet"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def write_lines(path: Path, lines: list[dict]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def write(model, tokenizer, texts: list[str], count: int) -> list[str]:
    import torch

    written = []
    for text in texts:
        with torch.no_grad():
            ids = model.generate(**tokenizer(text, return_tensors="pt"), max_new_tokens=count, do_sample=False)[0]
        written.append(tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False).strip())
    return written


def loss_of(model, tokenizer, lines: list[dict[str, str]], prefix: str) -> float:
    """Mean over all tokens to write of all rows."""
    import torch

    total = count = 0
    for line in lines:
        labels = tokenizer(line["target"], return_tensors="pt").input_ids
        with torch.no_grad():
            total += model(**tokenizer(prefix + line["source"], return_tensors="pt"), labels=labels).loss.item() * labels.numel()
        count += labels.numel()
    return total / count


def check_generation(folder: Path, checks) -> None:
    from transformers import AutoModelForSeq2SeqLM, T5Tokenizer

    texts = [PREFIX + row["source"] for row in rows()[:10]] + ODD + ["six", "a" * 40]
    (folder / "texts.txt").write_text("".join(f"{text}\n" for text in texts if "\t" not in text))
    texts = (folder / "texts.txt").read_text().splitlines()
    cases = {"T5": {}, "T5 1.1": {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}, "MT5": {"feed_forward_proj": "gated-silu"}, "UMT5": {}}
    for name, changed in cases.items():
        for seed in (1, 2):
            base = make_model(folder / f"{name}-{seed}".replace(" ", "-"), name.split()[0], seed, 3.0, **changed)
            diffora("predict", "--model", base, "--input", folder / "texts.txt", "--output", folder / "written.jsonl", "--overwrite", "--threads", 1)
            found = [json.loads(line)["text"] for line in (folder / "written.jsonl").read_text().splitlines()]
            model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(base).eval(), T5Tokenizer.from_pretrained(base)
            expected = write(model, tokenizer, texts, 128)
            same = sum(a == b for a, b in zip(found, expected))
            checks.that(found == expected, f"{name}, seed {seed}: the same greedy texts", f"{same} of {len(texts)}, {len(set(expected))} different")


def check_adapters(folder: Path, checks) -> None:
    import torch
    from peft import AutoPeftModelForSeq2SeqLM, LoraConfig, get_peft_model
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    base = make_model(folder / "base")
    tokenizer = AutoTokenizer.from_pretrained(base)
    lines = rows()
    write_lines(folder / "rows.jsonl", lines)
    (folder / "rows.yaml").write_text(f"kind: seq2seq\ntrain: rows.jsonl\ndev: rows.jsonl\nprefix: '{PREFIX}'\nmaxTargetLength: 24\n")
    texts = [PREFIX + line["source"] for line in lines]

    def compare(name: str, model, run: Path) -> None:
        diffora("predict", "--adapter", run, "--model", base, "--input", folder / "rows.jsonl", "--output", folder / "predicted.jsonl", "--overwrite")
        found = [json.loads(line)["text"] for line in (folder / "predicted.jsonl").read_text().splitlines()]
        scored = diffora("eval", "--adapter", run, "--model", base, "--task", folder / "rows.jsonl", "--metrics", "loss", "--json")
        loss = json.loads(scored.splitlines()[-1])["scores"]["loss"]
        prefix = PREFIX if "peft" not in run.name else ""
        asked = texts if prefix else [line["source"] for line in lines]
        checks.that(write(model, tokenizer, asked, 24 if prefix else 128) == found, f"{name} writes the same texts", f"{len(set(found))} different")
        expected = loss_of(model, tokenizer, lines, prefix)
        checks.that(abs(loss - expected) <= 1e-5 * max(1, expected), f"{name} has the same loss", f"{loss:.6f}, {expected:.6f}")

    for name, method in {"lora": ["lora", "--targets", "q,v"], "diffora": ["diffora", "--keep", "0.5"]}.items():
        run = folder / name
        diffora("train", "--model", base, "--task", folder / "rows.yaml", "--method", *method, "--rank", 8, "--epochs", 12, "--lr", 1e-2,
                "--batch-size", 8, "--threads", 1, "--output", run, "--overwrite")
        diffora("merge", "--adapter", run, "--output", folder / f"{name}-merged", "--overwrite")
        config = json.loads((run / "adapter" / "adapter_config.json").read_text())
        checks.that(config["task_type"] == "SEQ_2_SEQ_LM", f"{name}: PEFT's config names the type of task")
        compare(f"{name}, PEFT:", AutoPeftModelForSeq2SeqLM.from_pretrained(run / "adapter").eval(), run)
        compare(f"{name}, merged:", AutoModelForSeq2SeqLM.from_pretrained(folder / f"{name}-merged").eval(), run)

    # PEFT's usual modules of a T5: q and v.
    torch.manual_seed(5)
    model = get_peft_model(AutoModelForSeq2SeqLM.from_pretrained(base), LoraConfig(r=4, task_type="SEQ_2_SEQ_LM"))
    for parameter_name, parameter in model.named_parameters():
        if "lora_B" in parameter_name:
            torch.nn.init.normal_(parameter, 0.0, 0.3)
    model.save_pretrained(folder / "of-peft")
    compare("an adapter of PEFT:", model.eval(), folder / "of-peft")


def check_vectors(folder: Path, checks) -> None:
    import torch
    from transformers import AutoTokenizer, T5EncoderModel

    base = make_model(folder / "base")
    write_lines(folder / "pairs.jsonl", [{"query": row["source"], "passage": row["target"]} for row in rows()])
    run = folder / "vectors"
    diffora("train", "--model", base, "--task", folder / "pairs.jsonl", "--method", "lora", "--rank", 4, "--max-steps", 4, "--lr", 1e-2, "--threads", 1,
            "--output", run, "--overwrite")
    diffora("merge", "--adapter", run, "--output", folder / "vectors-merged", "--overwrite")
    texts = [row["source"] for row in rows()[:6]]
    (folder / "vectors.txt").write_text("".join(f"{text}\n" for text in texts))
    diffora("predict", "--adapter", run, "--input", folder / "vectors.txt", "--output", folder / "vectors.jsonl", "--overwrite")
    found = torch.tensor([json.loads(line)["embedding"] for line in (folder / "vectors.jsonl").read_text().splitlines()])
    model, tokenizer = T5EncoderModel.from_pretrained(folder / "vectors-merged").eval(), AutoTokenizer.from_pretrained(base)
    with torch.no_grad():
        means = torch.stack([model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0) for text in texts])
    checks.logits("vectors of the merged encoder", torch.nn.functional.normalize(means, dim=1), found, 1e-5)


def check(folder: Path) -> int:
    from interop import Checks
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    folder.mkdir(parents=True, exist_ok=True)
    checks = Checks()
    check_generation(folder, checks)
    check_adapters(folder, checks)
    check_vectors(folder, checks)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return int(checks.failed > 0)


if __name__ == "__main__":
    if sys.argv[1] == "--model":
        make_model(Path(sys.argv[2]))
    else:
        sys.exit(check(Path(sys.argv[1])))
