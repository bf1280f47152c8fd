"""Makes test/fixtures/tiny-tokenizer/ (a small WordPiece tokenizer for tests without a model at hand) and
test/tokenize/fixtures/*.json: what transformers answers, in odd cases for the tiny tokenizer and for BERT's, and as one
sha256 over the ids of whole data sets.

    python3 test/oracle/tokenizer_fixture.py [--shared ../shared]
"""

import argparse
import gzip
import hashlib
import json
import string
from pathlib import Path

import tokenizers
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer

TEST = Path(__file__).resolve().parent.parent
TINY = TEST / "fixtures" / "tiny-tokenizer"
OUTPUT = TEST / "tokenize" / "fixtures"

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = """the a an of to in is was were be been are am and or but not no it its this that these those he she they we
you i his her their our your my me him them us who what which when where why how all any some one two three good bad
great best worst film movie mail free money offer click win list send sent reply time day year people man woman cat dog
bird house book read write play run walk see saw go went come came make made take took give gave get got say said know
think thought want like love hate very really too so more most less than then now here there up down out over under on
off with without from for at by about into after before between new old big small long short high low first last same
other never always""".split()
SUFFIXES = "ing ed s es er est ly tion ment ness able ful less ous al ive y e n d t r".split()

ODD = [
    "",
    " ",
    "a",
    "The cat sat on the mat.",
    "UPPER lower MiXeD",
    "don't won't it's O'Neil's",
    "caf\u00e9 na\u00efve r\u00e9sum\u00e9 \u00c5ngstr\u00f6m",
    "cafe\u0301 combining a\u030a",
    "\u4f60\u597d\u4e16\u754c mixed\u4e2dtext",
    "\u3053\u3093\u306b\u3061\u306f \ud55c\uad6d\uc5b4",
    "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd",
    "emoji \U0001f600\U0001f469\u200d\U0001f469\u200d\U0001f467 end",
    "tab\tnew\nline\r\nreturn",
    "nbsp\u00a0thin\u2009zero\u200bwidth\ufeffbom",
    "control\x00\x01\x7f\ufffdchars",
    "[CLS] special [SEP] tokens [MASK] in text [PAD]",
    "[unk] [UNK] [sep] ##ing ##s",
    "pneumonoultramicroscopicsilicovolcanoconiosis",
    "x" * 120,
    "$1,234.56 (50%) #tag @user http://a.b/c?d=e&f=g",
    "\u201ccurly\u201d \u2018quotes\u2019 \u2014 dash \u2026",
    "\u0130stanbul stra\u00dfe \ufb01ne \u2168",
    "a_b-c/d\\e|f~g`h^i<j>k",
    "...!!!???",
    "word " * 40,
]
PAIRS = [
    ("a b c d e f g h", "one two"),
    ("one two", "a b c d e f g h"),
    ("a b c d e f g", "h i j k l m n"),
    ("a b c d e f g h", "h i j k l m n"),
    ("", "only the pair"),
    ("only the text", ""),
    ("word " * 30, "the " * 30),
    ("word " * 30, "the"),
    ("the", "word " * 30),
    ("[SEP] in text", "and [CLS] in the pair"),
]
LENGTHS = [None, 3, 4, 7, 8, 16, 17]


def build_tiny() -> None:
    characters = string.ascii_lowercase + string.digits + string.punctuation
    vocabulary = list(dict.fromkeys([*SPECIAL, *characters, *WORDS]))
    continued = [f"##{piece}" for piece in dict.fromkeys([*string.ascii_lowercase, *string.digits, *SUFFIXES])]
    vocab = {token: index for index, token in enumerate([*vocabulary, *continued])}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])],
    )
    tokenizer.add_special_tokens(SPECIAL)
    # As all-MiniLM-L6-v2's file has them: a caller's own limits must win over these.
    tokenizer.enable_truncation(16)
    tokenizer.enable_padding(length=16)
    TINY.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(TINY / "tokenizer.json"), pretty=False)
    names = {f"{name.strip('[]').lower()}_token": name for name in SPECIAL}
    write(TINY / "special_tokens_map.json", names)
    config = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "strip_accents": None}
    write(TINY / "tokenizer_config.json", {**config, "tokenize_chinese_chars": True, "model_max_length": 128, **names})
    (TINY / "vocab.txt").write_text("".join(f"{token}\n" for token in vocab))


def write(path: Path, value) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=True) + "\n")


def ask(tokenizer, text: str, pair: str | None, length: int | None):
    """As a batch of one: called with plain strings, transformers takes an empty pair for no pair; in a batch, not."""
    limits = {} if length is None else {"truncation": True, "max_length": length}
    encoded = tokenizer([text], None if pair is None else [pair], **limits)
    return encoded["input_ids"][0], encoded["token_type_ids"][0]


def odd_cases(tokenizer) -> list:
    questions = [(text, None, length) for text in ODD for length in ([None] if len(text) < 100 else [None, 3, 9])]
    questions += [(text, "the pair", None) for text in ODD[3:8]]
    questions += [(text, pair, length) for text, pair in PAIRS for length in LENGTHS]
    rows = []
    for text, pair, length in questions:
        ids, types = ask(tokenizer, text, pair, length)
        rows.append({"text": text, "pair": pair, "maxLength": length, "ids": ids, "tokenTypeIds": types})
    return rows


def rows_of(path: Path, columns: list[int], skip: int) -> list[list[str]]:
    opened = gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb")
    with opened as file:
        lines = file.read().decode("utf-8-sig").split("\n")
    return [[line.split("\t")[column] for column in columns] for line in lines[skip:] if line != ""]


DATASETS = {
    "cola/train.tsv": ([3], 0),
    "cola/dev.tsv": ([3], 0),
    "rte/train.tsv": ([1, 2], 1),
    "rte/dev.tsv": ([1, 2], 1),
    "mrpc/dev.tsv": ([3, 4], 1),
    "stsb/sts-dev.tsv": ([5, 6], 0),
}


def digest(tokenizer, rows, length: int | None) -> str:
    sha = hashlib.sha256()
    for row in rows:
        ids, types = ask(tokenizer, row[0], row[1] if len(row) > 1 else None, length)
        sha.update(f"{','.join(map(str, ids))}|{','.join(map(str, types))}\n".encode())
    return sha.hexdigest()


def dump_rows(name: str, tokenizer, extra: dict) -> None:
    versions = {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__}
    head = {"versions": versions, "vocabSize": len(tokenizer), "padTokenId": tokenizer.pad_token_id, **extra}
    lines = ",\n".join(json.dumps(row, ensure_ascii=True) for row in odd_cases(tokenizer))
    text = json.dumps(head, indent=1)[:-2] + ',\n "cases": [\n' + lines + "\n]}\n"
    OUTPUT.mkdir(parents=True, exist_ok=True)
    (OUTPUT / f"{name}.json").write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, default=TEST.parent.parent / "shared")
    shared = parser.parse_args().shared
    build_tiny()
    dump_rows("tiny", AutoTokenizer.from_pretrained(TINY), {})
    bert = AutoTokenizer.from_pretrained(shared / "models" / "bert_uncased_tokenizer")
    digests = {}
    for path, (columns, skip) in DATASETS.items():
        rows = rows_of(shared / "data" / path, columns, skip)
        digests[path] = {"rows": len(rows), "whole": digest(bert, rows, None), "at48": digest(bert, rows, 48)}
    dump_rows("bert", bert, {"datasets": digests})


if __name__ == "__main__":
    main()
