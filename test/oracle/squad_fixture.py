"""Makes test/metrics/fixtures/squad.json: what SQuAD's evaluation of v2.0 answers for answers of XQuAD and what may be
written instead of them, for letters and spaces that languages treat differently, and for no-answer scores.

    pip download --no-deps transformers==4.57.1
    python test/oracle/squad_fixture.py SHARED transformers-4.57.1-py3-none-any.whl

The evaluation is transformers' copy of the official script, which version 5 no longer has: that one file of the wheel
is run, nothing is installed. XQuAD is CC BY-SA 4.0 (Artetxe et al., ACL 2020).
"""

import json
import random
import sys
import zipfile
from pathlib import Path
from types import ModuleType, SimpleNamespace

SHARED, WHEEL = Path(sys.argv[1]), Path(sys.argv[2])
OUTPUT = Path(__file__).resolve().parent.parent / "metrics" / "fixtures" / "squad.json"
PIECES = (
    "a an the The AN a- -the tea é Ω ΑΣ Σ' İ ß ǅ _ - ' ’ “ … ٣ ½ Ⅷ 中 の \u0301 😀 . , x 1 10 $ \u200b \ufeff".split(" ")
    + " |\u00a0|\u2003|\u0085|\u001c|\u001f|\t|\n".split("|") * 2
)
HARD = [
    ("The  Denver\tBroncos!", ["Denver Broncos", "the Broncos"]),
    ("", []),
    ("", ["answer"]),
    ("the", []),
    ("a", ["The"]),
    ("anything", []),
    ("the", ["the", "a", "Denver"]),
    ("...", ["!"]),
    ("theatre", ["atre"]),
    ("the-atre", ["theatre"]),
    ("a_the", ["athe"]),
    ("the\u0301 end", ["\u0301 end"]),
    ("ΟΔΟΣ", ["οδος", "οδοσ"]),
    ("İstanbul", ["i̇stanbul", "istanbul"]),
    ("STRASSE", ["straße"]),
    ("new\u00a0york\u0085city", ["New York City"]),
    ("new\ufeffyork", ["New York"]),
    ("new\u001cyork", ["New York"]),
    ("to be or not to be", ["be to be", "not be not be not"]),
    ("“design build” contract", ['"design build" contract']),
    ("$1,200.50", ["1200.50", "120050 dollars"]),
]


def official_script() -> ModuleType:
    name = "transformers.data.metrics.squad_metrics"
    module = ModuleType(name)
    module.__package__ = name.rpartition(".")[0]
    source = zipfile.ZipFile(WHEEL).read(f"{name.replace('.', '/')}.py")
    exec(compile(source, name, "exec"), module.__dict__)
    return module


def variants(answer: str, other: str) -> list[str]:
    """What may be written instead of an answer."""
    words = answer.split()
    return [
        answer,
        f"The {answer.upper()}.",
        f"an '{answer}' or {other}",
        " ".join(words[: (len(words) + 1) // 2]),
        " ".join([*words[len(words) // 2 :], "a", words[-1]]),
        "\u00a0".join(reversed(words)),
        other,
    ]


def written_cases(answers: list[str], draw: random.Random) -> list[tuple[str, list[str]]]:
    cases = list(HARD)
    for answer in draw.sample([a for a in answers if len(a) < 60], 40):
        other, second = draw.choice(answers), draw.choice(answers)
        golds = draw.choice([[answer], [second, answer], [f"the {answer}", second], []])
        cases += [(text, golds) for text in variants(answer, other)]
    for _ in range(120):
        text, gold = ("".join(draw.choices(PIECES, k=draw.randint(1, 9))) for _ in range(2))
        cases.append((text, [gold, text.swapcase()] if draw.random() < 0.5 else [gold]))
    return cases


def example(key: str, golds: list[str]) -> SimpleNamespace:
    return SimpleNamespace(qas_id=key, answers=[{"text": text} for text in golds])


def written(script: ModuleType, cases: list[tuple[str, list[str]]]) -> list[dict]:
    examples = [example(str(i), golds) for i, (_, golds) in enumerate(cases)]
    exact, f1 = script.get_raw_scores(examples, {str(i): text for i, (text, _) in enumerate(cases)})
    return [
        {"text": text, "golds": golds, "normal": script.normalize_answer(text), "exact": exact[key], "f1": f1[key]}
        for key, (text, golds) in zip(exact, cases)
    ]


def question_sets(answers: list[str], draw: random.Random) -> dict[str, list[tuple]]:
    """Lists of (text, right answers, no-answer score)."""

    def questions(count: int, score, answerable: float = 0.5, empty: float = 0.0) -> list[tuple]:
        rows = []
        for _ in range(count):
            gold = draw.choice(answers)
            text = "" if draw.random() < empty else draw.choice(variants(gold, draw.choice(answers)))
            has_answer = draw.random() < answerable
            rows.append((text, [gold] if has_answer else [], score(has_answer)))
        return rows

    telling = lambda has_answer: draw.gauss(-2 if has_answer else 2, 2)
    return {
        "scores that tell": questions(40, telling),
        "scores that do not": questions(40, lambda _: draw.gauss(0, 3)),
        "equal scores": questions(40, lambda has_answer: round(telling(has_answer) / 2)),
        "some texts empty": questions(40, telling, empty=0.3),
        "all with an answer": questions(12, telling, answerable=1),
        "none with an answer, scores below 0": questions(12, lambda _: -draw.random(), answerable=0),
        "one question": [("right", ["right"], 3.5)],
        "an article for no answer": [("the", [], -1), ("right", ["right"], 0), ("", [], -2), ("wrong", ["right"], 1)],
    }


def thresholds(script: ModuleType, name: str, rows: list[tuple]) -> dict:
    texts, scores = ({str(i): row[field] for i, row in enumerate(rows)} for field in (0, 2))
    has_answer = {str(i): bool(golds) for i, (_, golds, _) in enumerate(rows)}
    exact, f1 = script.get_raw_scores([example(str(i), golds) for i, (_, golds, _) in enumerate(rows)], texts)
    best = {}
    script.find_all_best_thresh(best, texts, exact, f1, scores, has_answer)
    applied = []
    for threshold in sorted({-1.0, 0.0, 1.0, best["best_exact_thresh"], best["best_f1_thresh"]}):
        at = [script.apply_no_ans_threshold(raw, scores, has_answer, threshold) for raw in (exact, f1)]
        applied.append({"threshold": threshold, "exact": list(at[0].values()), "f1": list(at[1].values())})
    questions = [[exact[key], f1[key], scores[key], has_answer[key], not texts[key]] for key in exact]
    return {"name": name, "questions": questions, "best": best, "applied": applied}


def main() -> None:
    draw, script = random.Random(13), official_script()
    data = json.loads((SHARED / "data" / "xquad" / "xquad.en.json").read_text())["data"]
    answers = [qa["answers"][0]["text"] for article in data for p in article["paragraphs"] for qa in p["qas"]]
    cases = written(script, written_cases(answers, draw))
    sets = [thresholds(script, name, rows) for name, rows in question_sets(answers, draw).items()]
    head = {"script": "transformers 4.57.1 squad_metrics.py", "texts": "XQuAD (Artetxe et al. 2020), CC BY-SA 4.0"}
    body = [",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) for rows in (cases, sets)]
    OUTPUT.write_text(f'{{"made from": {json.dumps(head)},\n"answers": [\n{body[0]}\n],\n"thresholds": [\n{body[1]}\n]}}\n')


if __name__ == "__main__":
    main()
