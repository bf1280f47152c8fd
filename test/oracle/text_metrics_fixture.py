"""Makes test/metrics/fixtures/textMetrics.json: tokens and BLEU of sacrebleu, NIST of nltk and ROUGE-L of pycocoevalcap,
for sentences of the E2E challenge against others of the same meaning and for the edges of the formulas.

    python test/oracle/text_metrics_fixture.py SHARED

NIST and ROUGE-L read sacrebleu's tokens of 13a. The E2E data are CC BY-SA 4.0 (Novikova et al., SIGDIAL 2017).
"""

import csv
import json
import random
import sys
from importlib.metadata import version
from itertools import zip_longest
from pathlib import Path

from nltk.translate.nist_score import corpus_nist
from pycocoevalcap.rouge.rouge import Rouge
from sacrebleu.metrics import BLEU
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

SHARED = Path(sys.argv[1])
OUTPUT = Path(__file__).resolve().parent.parent / "metrics" / "fixtures" / "textMetrics.json"
HARD = [
    "",
    " ",
    "It costs £20-25 (or $1,200.50), i.e. 3.5% more.",
    "It's a non-family-friendly pub; isn't it?",
    'say &quot;hi&quot; &amp;lt; a &lt;b&gt; & <skipped>c',
    "a line that breaks with a hy-\nphen\nand a text that ends with one-\n",
    "1990-1995, 3.14, .5, 5., 7,a b,8 9.. ...",
    "naïve café — “quoted” … 東京。 😀,😀 ½.½ ٣.٣",
    "tab\tno\u00a0break\u2003em\u0085next\u001cfile\ufeffmark",
    "[x]{y}~`^_\\|/@:;<=>?!\"#$%&'()*+",
    ".,. ,., a.b.c, 1.2.3",
]
PIECES = "a The 1 20 . , - -- ' \" & &amp; &lt; ( ] _ é 中 😀 ½ ٣ <skipped>".split(" ") + [" ", " ", " ", "\n", "\u00a0", "\u0085"]


def tokens(text: str) -> list[str]:
    return Tokenizer13a()(text.rstrip()).split()


def bleu(texts: list[str], references: list[list[str]], lowercase: bool) -> float:
    streams = [list(stream) for stream in zip_longest(*references)]
    return BLEU(smooth_method="none", tokenize="13a", lowercase=lowercase).corpus_score(texts, streams).score


def nist(texts: list[str], references: list[list[str]]) -> float | None:
    """None where nltk divides by zero: some order has no n-gram, or no reference a word."""
    try:
        return corpus_nist([[tokens(one) for one in group] for group in references], [tokens(text) for text in texts])
    except ZeroDivisionError:
        return None


def rouge(texts: list[str], references: list[list[str]]) -> list[float]:
    joined = lambda text: " ".join(tokens(text))
    return [
        float(Rouge().calc_score([joined(text)], [joined(one) for one in group]))
        for text, group in zip(texts, references)
    ]


def corpus(name: str, pairs: list[tuple[str, list[str]]]) -> dict:
    texts, references = [text for text, _ in pairs], [group for _, group in pairs]
    return {
        "name": name,
        "texts": texts,
        "references": references,
        "bleu": bleu(texts, references, lowercase=False),
        "lowerBleu": bleu(texts, references, lowercase=True),
        "nist": nist(texts, references),
        "rougeL": rouge(texts, references),
    }


def e2e(draw: random.Random) -> list[tuple[str, list[str]]]:
    """A sentence and one to six others for the same meaning."""
    groups: dict[str, list[str]] = {}
    with open(SHARED / "data" / "e2e" / "devset.csv", newline="") as file:
        for row in csv.DictReader(file):
            groups.setdefault(row["mr"], []).append(row["ref"])
    chosen = draw.sample([group for group in groups.values() if len(group) >= 3], 16)
    return [(group[0], group[1 : draw.randint(2, 7)]) for group in chosen]


def corpora(draw: random.Random) -> list[dict]:
    real = e2e(draw)
    half = lambda text: " ".join(text.split()[: len(text.split()) // 2])
    shuffled = lambda text: " ".join(draw.sample(text.split(), len(text.split())))
    empty = [(text if i % 3 else "", group) for i, (text, group) in enumerate(real[:9])]
    return [
        corpus("E2E", real),
        corpus("E2E, one reference", [(text, group[:1]) for text, group in real[:8]]),
        corpus("E2E, half of each text", [(half(text), group) for text, group in real[:8]]),
        corpus("E2E, words shuffled", [(shuffled(text), group) for text, group in real[:8]]),
        corpus("E2E, texts twice", [(f"{text} {text}", group) for text, group in real[:8]]),
        corpus("E2E, capitals", [(text.upper(), group) for text, group in real[:4]]),
        corpus("E2E, every third text empty", empty),
        corpus("the reference itself", [(group[0], group) for _, group in real[:4]]),
        corpus("another meaning", [(text, group) for (text, _), (_, group) in zip(real[:4], real[4:8])]),
        corpus("one word over and over", [("the the the the the the the", ["the cat is on the mat", "there is a cat on the mat"])]),
        corpus("closest length, the shorter of two", [("a b c d e f", ["a b c d e f g h", "a b c d", "a b c d x x x x"])]),
        corpus("no 4-gram shared", [("a b c x d e f y", ["a b c z d e f w"])]),
        corpus("nothing shared", [("a b c d e f", ["u v w x y z"])]),
        corpus("references shorter than n-grams", [("a b c d e f", ["a b", "c"]), ("g h i j k", ["g h i"])]),
        corpus("texts shorter than n-grams", [("a b", ["a b c d e f"]), ("g", ["g h i j k"])]),
        corpus("texts and references shorter", [("a b", ["a b"]), ("c", ["c"])]),
        corpus("all texts empty", [("", ["a b c d e"]), (" ", ["f", "g h"])]),
        corpus("all references empty", [("a b c d e", [""])]),
        corpus("an empty reference among others", [("a b c d e", ["", "a b c d e f"]), ("", ["", "a b"])]),
        corpus("nothing at all", [("", [""])]),
    ]


def main() -> None:
    draw = random.Random(5)
    texts = HARD + ["".join(draw.choices(PIECES, k=draw.randint(2, 14))) for _ in range(120)]
    versions = {name: version(name) for name in ("sacrebleu", "nltk", "pycocoevalcap")}
    rows = [[[text, tokens(text)] for text in texts], corpora(draw)]
    body = [",\n".join(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in group) for group in rows]
    OUTPUT.write_text(
        f'{{"versions": {json.dumps(versions)},\n'
        '"texts": "E2E challenge (Novikova et al. 2017), CC BY-SA 4.0",\n'
        f'"tokens": [\n{body[0]}\n],\n"corpora": [\n{body[1]}\n]}}\n'
    )


if __name__ == "__main__":
    main()
