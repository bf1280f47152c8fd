"""Makes test/tokenize/fixtures/files.json and small SentencePiece models beside it: what transformers answers for
folders without tokenizer.json. One sha256 over the ids of a whole data set, all ids and the decoded text for odd texts.

    python3 test/oracle/tokenizer_files.py [--shared ../shared]
"""

import argparse
import hashlib
import json
import shutil
import struct
import tempfile
from pathlib import Path

import sentencepiece
import transformers
from transformers import AutoTokenizer

from tokenizer_fixture import ODD

OUTPUT = Path(__file__).resolve().parent.parent / "tokenize" / "fixtures"

# Files of the shared folder, under the names that transformers looks for, and the model they belong to.
SHARED = {
    "bert": ({"vocab.txt": "bert_uncased_tokenizer/vocab.txt"}, "bert"),
    "roberta": (
        {"vocab.json": "roberta_tokenizer/vocab.json", "merges.txt": "roberta_tokenizer/merges.txt"},
        "roberta",
    ),
    "gpt2": ({"vocab.json": "gpt2_tokenizer/vocab.json", "merges.txt": "gpt2_tokenizer/vocab.bpe"}, "gpt2"),
    "deberta-v3": ({"spm.model": "deberta_v3_tokenizer/spm.model"}, "deberta-v2"),
    "albert": ({"spiece.model": "albert_tokenizer/spiece.model"}, "albert"),
}

SENTENCES = """The quick brown fox jumps over the lazy dog. Pack my box with five dozen liquor jugs!
How vexingly quick daft zebras jump; bright vixens jump, dozy fowl quack. Sphinx of black quartz, judge my vow.
She sells sea shells by the sea shore, and the shells she sells are sea shells for sure.
A journey of a thousand miles begins with a single step. To be or not to be, that is the question.
All that glitters is not gold. The early bird catches the worm, but the second mouse gets the cheese.
Money does not grow on trees. When in Rome, do as the Romans do. Practice makes perfect, they say.
The cat sat on the mat and the rat ran. It was 1984 or 2025, at 10:45, for $3.50 (about 20%).""".splitlines()


def train(folder: Path, kind: str) -> bytes:
    """A model over the sentences above, without a thread's chance."""
    corpus = folder / "corpus.txt"
    corpus.write_text("\n".join(SENTENCES * 3))
    options = {"input": str(corpus), "model_prefix": str(folder / kind), "num_threads": 1, "minloglevel": 2}
    if kind == "bpe":
        options |= {"model_type": "bpe", "vocab_size": 460, "byte_fallback": True, "split_digits": True}
        options |= {"normalization_rule_name": "identity", "remove_extra_whitespaces": False}
    else:
        options |= {"model_type": "unigram", "vocab_size": 120}
    sentencepiece.SentencePieceTrainer.train(**options)
    return (folder / f"{kind}.model").read_bytes()


# Small models that are committed: the file's name in the folder, the model type, tokenizer_config.json.
SMALL = {
    "llama": ("bpe", "tokenizer.model", "llama", {"tokenizer_class": "LlamaTokenizer", "legacy": False}),
    "llama-legacy": (
        "bpe",
        "tokenizer.model",
        "llama",
        {"tokenizer_class": "LlamaTokenizer", "legacy": True, "add_bos_token": True, "add_eos_token": True},
    ),
    "llama-no-prefix": (
        "bpe",
        "tokenizer.model",
        "llama",
        {"tokenizer_class": "LlamaTokenizer", "add_prefix_space": False, "add_bos_token": True},
    ),
    "xlm-roberta": ("unigram", "sentencepiece.bpe.model", "xlm-roberta", {}),
}


def texts(shared: Path) -> dict[str, list[tuple[str, str | None]]]:
    def rows(path, skip=0):
        return [line.split("\t") for line in (shared / "data" / path).read_text("utf-8").split("\n")[skip:] if line]

    squad = json.loads((shared / "data/xquad/xquad.en.json").read_text("utf-8"))["data"]
    paragraphs = [paragraph for article in squad for paragraph in article["paragraphs"]]
    return {
        "cola": [(row[3], None) for split in ("train", "dev") for row in rows(f"cola/{split}.tsv")],
        "rte": [(row[1], row[2]) for split in ("train", "dev") for row in rows(f"rte/{split}.tsv", 1)],
        "xquad": [(one["context"], None) for one in paragraphs]
        + [(question["question"], one["context"]) for one in paragraphs for question in one["qas"]],
    }


def ids_of(tokenizer, text: str, pair: str | None) -> list[int]:
    return (tokenizer(text) if pair is None else tokenizer(text, pair))["input_ids"]


def digest(tokenizer, rows) -> str:
    """Number of ids and the ids of each row, as little-endian int32."""
    hash = hashlib.sha256()
    for text, pair in rows:
        ids = ids_of(tokenizer, text, pair)
        hash.update(struct.pack(f"<{len(ids) + 1}i", len(ids), *ids))
    return hash.hexdigest()


def odd(tokenizer) -> list:
    rows = []
    for text in ODD:
        ids = ids_of(tokenizer, text, None)
        decoded = [tokenizer.decode(ids, skip_special_tokens=skip, clean_up_tokenization_spaces=False) for skip in (False, True)]
        rows.append({"text": text, "ids": ids, "decoded": decoded[0], "decodedWithoutSpecial": decoded[1]})
    return rows


def folder_with(root: Path, name: str, files: dict[str, bytes], model_type: str, config: dict) -> Path:
    folder = root / name
    folder.mkdir()
    for file, content in files.items():
        (folder / file).write_bytes(content)
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    if config:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path(__file__).resolve().parents[3] / "shared")
    shared = parser.parse_args().shared
    data = texts(shared)
    result = {"transformers": transformers.__version__, "shared": {}, "small": {}}
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        for name, (files, model_type) in SHARED.items():
            contents = {file: (shared / "models" / source).read_bytes() for file, source in files.items()}
            tokenizer = AutoTokenizer.from_pretrained(folder_with(root, name, contents, model_type, {}))
            hashes = {task: digest(tokenizer, rows) for task, rows in data.items()}
            result["shared"][name] = {"files": files, "modelType": model_type, "sha256": hashes, "odd": odd(tokenizer)}
        result["rows"] = {task: len(rows) for task, rows in data.items()}
        models = {kind: train(root, kind) for kind in ("bpe", "unigram")}
        (OUTPUT / "sentencepiece").mkdir(parents=True, exist_ok=True)
        for kind, content in models.items():
            (OUTPUT / "sentencepiece" / f"{kind}.model").write_bytes(content)
        for name, (kind, file, model_type, config) in SMALL.items():
            tokenizer = AutoTokenizer.from_pretrained(folder_with(root, name, {file: models[kind]}, model_type, config))
            result["small"][name] = {"source": kind, "file": file, "modelType": model_type, "config": config, "odd": odd(tokenizer)}
    (OUTPUT / "files.json").write_text(json.dumps(result, ensure_ascii=True, indent=None, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
