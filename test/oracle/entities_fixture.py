"""Makes test/metrics/fixtures/entities.json: the entities that seqeval finds in sequences of tags of IOB1, IOB2 and BIOES,
whole and broken, which schemes each keeps, and its scores of predicted against expected tags.

    python test/oracle/entities_fixture.py

Needs requirements-text.txt.
"""

import json
import random
import warnings
from importlib.metadata import version
from pathlib import Path

from seqeval.metrics import accuracy_score, f1_score, precision_score, recall_score
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB1, IOB2, IOBES, Tokens

OUTPUT = Path(__file__).resolve().parent.parent / "metrics" / "fixtures" / "entities.json"
SCHEMES = {"IOB1": IOB1, "IOB2": IOB2, "BIOES": IOBES}
TYPES = ["PER", "LOC", "A-B"]


def spans(draw: random.Random, length: int, types: list[str]) -> list[tuple[str, int, int]]:
    """Entities that do not overlap, neighbours among them; the end is exclusive."""
    found, at = [], 0
    while at < length:
        end = min(length, at + draw.randint(1, 3))
        if draw.random() < 0.6:
            found.append((draw.choice(types), at, end))
        at = end
    return found


def tagged(entities: list[tuple[str, int, int]], length: int, scheme: str) -> list[str]:
    tags, before = ["O"] * length, (None, None)
    for kind, start, end in entities:
        follows = before == (kind, start)
        for i in range(start, end):
            if scheme == "BIOES":
                prefix = "S" if end - start == 1 else "B" if i == start else "E" if i == end - 1 else "I"
            else:
                prefix = "B" if i == start and (scheme == "IOB2" or follows) else "I"
            tags[i] = f"{prefix}-{kind}" if kind else prefix
        before = (kind, end)
    return tags


def any_tag(draw: random.Random, prefixes: str, types: list[str]) -> str:
    prefix, kind = draw.choice(prefixes), draw.choice(types)
    return "O" if prefix == "O" else f"{prefix}-{kind}" if kind else draw.choice([prefix, f"{prefix}-"])


def broken(draw: random.Random, tags: list[str], prefixes: str, types: list[str]) -> list[str]:
    return [any_tag(draw, prefixes, types) if draw.random() < 0.25 else tag for tag in tags]


def keeps(tags: list[str], scheme: str) -> bool:
    """Whether seqeval, read strictly, has an entity for every tag but O."""
    try:
        found = Tokens(tags, SCHEMES[scheme]).entities
    except ValueError:  # a prefix that the scheme has not
        return False
    covered = {i for entity in found for i in range(entity.start, entity.end)}
    return covered == {i for i, tag in enumerate(tags) if tag != "O"}


def sequence(tags: list[str]) -> dict:
    return {
        "tags": " ".join(tags),
        "entities": [[kind, start, end + 1] for kind, start, end in get_entities(tags)],
        "keeps": [scheme for scheme in SCHEMES if keeps(tags, scheme)],
    }


def scores(name: str, expected: list[list[str]], predicted: list[list[str]]) -> dict:
    return {
        "name": name,
        "expected": [" ".join(tags) for tags in expected],
        "predicted": [" ".join(tags) for tags in predicted],
        "precision": float(precision_score(expected, predicted)),
        "recall": float(recall_score(expected, predicted)),
        "f1": float(f1_score(expected, predicted)),
        "accuracy": float(accuracy_score(expected, predicted)),
    }


def main() -> None:
    warnings.simplefilter("ignore")
    draw = random.Random(18)
    whole = {
        scheme: [tagged(spans(draw, length, TYPES), length, scheme) for length in draw.choices(range(1, 13), k=40)]
        for scheme in SCHEMES
    }
    bare = [tagged(spans(draw, 8, [""]), 8, scheme) for scheme in SCHEMES for _ in range(5)]
    prefixes = {"IOB1": "OIB", "IOB2": "OIB", "BIOES": "OIBES"}
    marred = {scheme: [broken(draw, tags, prefixes[scheme], TYPES) for tags in whole[scheme]] for scheme in SCHEMES}
    wild = [[any_tag(draw, "OBIES", TYPES[:2] + [""]) for _ in range(draw.randint(1, 12))] for _ in range(120)]
    lists = [*whole.values(), *marred.values(), bare, wild]
    nothing = [["O"] * len(tags) for tags in whole["IOB2"]]
    pairs = [
        *(scores(f"{scheme}, predictions that break it", whole[scheme], marred[scheme]) for scheme in SCHEMES),
        *(scores(f"{scheme}, expected tags that break it", marred[scheme], whole[scheme]) for scheme in SCHEMES),
        *(scores(f"{scheme}, all right", whole[scheme], whole[scheme]) for scheme in SCHEMES),
        scores("anything at all", wild, [broken(draw, tags, "OBIES", TYPES) for tags in wild]),
        scores("nothing predicted", whole["IOB2"], nothing),
        scores("nothing expected", nothing, whole["IOB2"]),
        scores("nothing on both sides", nothing, nothing),
        scores("right spans of wrong types", [["B-PER", "I-PER", "O"]], [["B-LOC", "I-LOC", "O"]]),
        scores("one token", [["B-PER"]], [["B-PER"]]),
    ]
    versions = {"seqeval": version("seqeval")}
    rows = [[sequence(tags) for group in lists for tags in group], pairs]
    body = [",\n".join(json.dumps(row) for row in group) for group in rows]
    OUTPUT.write_text(
        f'{{"versions": {json.dumps(versions)},\n"sequences": [\n{body[0]}\n],\n"scores": [\n{body[1]}\n]}}\n'
    )


if __name__ == "__main__":
    main()
