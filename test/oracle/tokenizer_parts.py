"""Makes test/tokenize/fixtures/parts.json: what the tokenizers library makes of odd texts by each normalizer and
pre-tokenizer that a tokenizer.json may have.

    python3 test/oracle/tokenizer_parts.py
"""

import json
from pathlib import Path

import tokenizers
from tokenizers import Tokenizer, models

OUTPUT = Path(__file__).resolve().parent.parent / "tokenize" / "fixtures" / "parts.json"

# White space, marks, digits and controls on which JavaScript and Rust do not agree, between letters and at the ends.
ODD = "\t\n\x0b\x0c\r \x1c\x1f\x85\xa0\u1680\u180e\u2003\u200b\u2028\u202f\u205f\u2060\u3000\ufeff\x00\x01\x7f\xad\ufffd\ue000"
LETTERS = "Ab12\u0663\u00bd\u2167-_$\u00a9'\u0301\u00e9\u4e2d\u30d5\U00020000\U0001f600\u03a3\u0130\u200d\ufb01\u2581<"
TEXTS = [
    *[f"a {one}b{one} {one}" for one in ODD],
    *[f"x{one}y {one} {one}{one}z" for one in LETTERS],
    f"{ODD}word{ODD}",
    "\u039f\u0394\u039f\u03a3 \u03a3\u03a3 don't we'll IT'S",
    " lead  two   three\n\nfour \t five\r\n  ",
    "the-final--countdown- $1,234.56 (50%)!!! ...",
    "\u0661\u0662\u0663 12345 \u00bd\u00bc x\u00b2 \u2167\u2168",
]

PRE_TOKENIZERS = [
    {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
    {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
    {"type": "Whitespace"},
    {"type": "WhitespaceSplit"},
    {"type": "BertPreTokenizer"},
    {"type": "Digits", "individual_digits": True},
    {"type": "Digits", "individual_digits": False},
    *[
        {"type": "Punctuation", "behavior": behavior}
        for behavior in ["Isolated", "Removed", "Contiguous", "MergedWithPrevious", "MergedWithNext"]
    ],
    *[
        {"type": "Split", "pattern": {"String": "-"}, "behavior": behavior, "invert": False}
        for behavior in ["Isolated", "Removed", "Contiguous", "MergedWithPrevious", "MergedWithNext"]
    ],
    {"type": "Split", "pattern": {"Regex": r"(\s)(\d)?"}, "behavior": "Removed", "invert": False},
    {"type": "Split", "pattern": {"Regex": r"\w+|[^\w\s]+"}, "behavior": "Removed", "invert": True},
    {"type": "Split", "pattern": {"Regex": r"[a-z]+"}, "behavior": "Isolated", "invert": True},
    {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
    {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": False},
    {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "never", "split": True},
    {"type": "Metaspace", "replacement": "\u2581", "add_prefix_space": True},
    {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Digits", "individual_digits": True},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        ],
    },
    {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "WhitespaceSplit"},
            {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
        ],
    },
]

NORMALIZERS = [
    *[
        {
            "type": "BertNormalizer",
            "clean_text": clean,
            "handle_chinese_chars": chinese,
            "strip_accents": accents,
            "lowercase": lower,
        }
        for clean, chinese, accents, lower in [
            (True, True, None, True),
            (True, True, None, False),
            (True, False, False, True),
            (False, True, True, False),
        ]
    ],
    {"type": "Lowercase"},
    {"type": "Strip", "strip_left": True, "strip_right": True},
    {"type": "Strip", "strip_left": False, "strip_right": True},
    {"type": "Strip", "strip_left": True, "strip_right": False},
    {"type": "StripAccents"},
    {"type": "Replace", "pattern": {"String": "a"}, "content": "$& $$"},
    {"type": "Replace", "pattern": {"Regex": r"\s{2,}|[\n\r\t]"}, "content": " "},
    {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"}]},
]


def tokenizer_with(name: str, part: dict) -> Tokenizer:
    description = json.loads(Tokenizer(models.BPE()).to_str())
    description[name] = part
    return Tokenizer.from_str(json.dumps(description))


def pieces(part: dict) -> list[list[str]]:
    pre_tokenizer = tokenizer_with("pre_tokenizer", part).pre_tokenizer
    return [[piece for piece, _ in pre_tokenizer.pre_tokenize_str(text)] for text in TEXTS]


def normalized(part: dict) -> list[str]:
    normalizer = tokenizer_with("normalizer", part).normalizer
    return [normalizer.normalize_str(text) for text in TEXTS]


def main() -> None:
    result = {
        "tokenizers": tokenizers.__version__,
        "texts": TEXTS,
        "preTokenizers": [{"part": part, "pieces": pieces(part)} for part in PRE_TOKENIZERS],
        "normalizers": [{"part": part, "texts": normalized(part)} for part in NORMALIZERS],
    }
    OUTPUT.write_text(json.dumps(result, ensure_ascii=True, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
