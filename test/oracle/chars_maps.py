"""Makes test/tokenize/fixtures/chars-maps.json: SentencePiece's character maps, as Python's tokenizers apply them.

    python3 test/oracle/chars_maps.py

The map in the fixture is a small one of our own rules. With `--all OUTPUT` the five maps that SentencePiece has by name
are written, each with what it makes of every character below U+20000: 32 MB, for a check by hand.
"""

import argparse
import base64
import io
import json
import tempfile
from pathlib import Path

import sentencepiece
import tokenizers
from sentencepiece import sentencepiece_model_pb2
from tokenizers.normalizers import Precompiled

FIXTURE = Path(__file__).resolve().parent.parent / "tokenize" / "fixtures" / "chars-maps.json"
NAMED = ["nfkc", "nmt_nfkc", "nfkc_cf", "nmt_nfkc_cf", "identity"]

# Letters that fall together, grow, go away, and groups of two and three of which a shorter one has a rule of its own.
RULES = ["A\ta", "\u00df\tss", "\u200b\t", "\ufb03\tffi", "e\u0301\t\u00e9", "x\u0301\t(x)", "x\u0301\u0302\t(xx)", "\u0301\t'", "\u4e2d\tzhong", "\U0001f600\t:)"]
TEXTS = [
    "",
    "plain text, left as it is",
    "AAbB \u00df\u1e9e",
    "a\u200bb\u200b",
    "o\ufb03ce e\u0301 E\u0301 x\u0301 x\u0301\u0302 x\u0302\u0301 y\u0301 \u0301",
    "\u4e2d\u6587 \U0001f600\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea",
    "\r\n \r \n\t\u00a0\u2003\u3000 \ufeff \u0085",
    "e\u0301\u0301\u0301 A\u0301 A\u0301\u0302\u0303 \u1100\u1161\u11a8 \u0e01\u0e33 \u0915\u094d\u0937\u093f",
    "\u2581\uff5e\uff21\uff11 \u00bd \u2460 \ufdfa",
    "zero \x00 one \x01 A\x00A",
]


def map_of(**rules: object) -> bytes:
    """The map of a SentencePiece model that is trained for nothing else."""
    written = io.BytesIO()
    lines = iter(["the quick brown fox jumps over the lazy dog", "a b c d e f g"] * 20)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines, model_writer=written, vocab_size=30, hard_vocab_limit=False, minloglevel=3, **rules
    )
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(written.getvalue())
    return model.normalizer_spec.precompiled_charsmap


def own_map() -> bytes:
    points = lambda text: " ".join(f"{ord(one):X}" for one in text)  # noqa: E731
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        for rule in RULES:
            before, after = rule.split("\t")
            file.write(f"{points(before)}\t{points(after)}\n")
        file.flush()
        return map_of(normalization_rule_tsv=file.name)


def case(name: str, chars_map: bytes, texts: list[str]) -> dict:
    normalizer = Precompiled(chars_map) if chars_map else None
    made = [normalizer.normalize_str(text) if normalizer else text for text in texts]
    return {"name": name, "map": base64.b64encode(chars_map).decode(), "texts": texts, "made": made}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", type=Path)
    output = parser.parse_args().all
    if output is None:
        cases = [case("own", own_map(), TEXTS), case("empty", b"", TEXTS)]
    else:
        letters = [f"a{chr(code)}b {chr(code)}" for code in range(0x20000) if not 0xD800 <= code < 0xE000]
        cases = [case(name, map_of(normalization_rule_name=name), [*TEXTS, *letters]) for name in NAMED]
    result = {"tokenizers": tokenizers.__version__, "sentencepiece": sentencepiece.__version__, "cases": cases}
    (output or FIXTURE).write_text(json.dumps(result, ensure_ascii=True, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
