"""Parquet files as pyarrow 26 writes them: one for each compression in use on the hub (test/data/readers.test.ts), and
GLUE in small with the folders, columns, types and class numbers that it has there (test/data/hub).

    pip install pyarrow==26.0.1 && python test/oracle/parquet_files.py
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

FIXTURES = Path(__file__).resolve().parents[2] / "test/data/fixtures"
FOLDER = FIXTURES / "parquet"
ROWS = [
    {"text": 'A "quoted" line', "label": 1, "score": 0.5},
    {"text": "Café, naïve\nsecond line", "label": 0, "score": -1.25},
    {"text": "", "label": 1, "score": None},
]

FOLDER.mkdir(parents=True, exist_ok=True)
for compression in ["none", "snappy", "gzip", "zstd", "lz4", "brotli"]:
    schema = pa.schema([("text", pa.string()), ("label", pa.int64()), ("score", pa.float64())])
    pq.write_table(pa.Table.from_pylist(ROWS, schema), FOLDER / f"{compression}.parquet", compression=compression)

# Text columns and class names, in the order of their numbers, of the hub's nyu-mll/glue (its glue.py).
GLUE = {
    "cola": (["sentence"], ["unacceptable", "acceptable"]),
    "sst2": (["sentence"], ["negative", "positive"]),
    "mrpc": (["sentence1", "sentence2"], ["not_equivalent", "equivalent"]),
    "qqp": (["question1", "question2"], ["not_duplicate", "duplicate"]),
    "mnli": (["premise", "hypothesis"], ["entailment", "neutral", "contradiction"]),
    "qnli": (["question", "sentence"], ["entailment", "not_entailment"]),
    "rte": (["sentence1", "sentence2"], ["entailment", "not_entailment"]),
    "wnli": (["sentence1", "sentence2"], ["not_entailment", "entailment"]),
}


def write_glue(path: str, columns: list[str], rows: list[tuple], label=pa.int64()) -> None:
    """A file `<config>/<split>/<number>.parquet`: the texts of a row, then its label."""
    schema = pa.schema([*((name, pa.string()) for name in columns), ("label", label), ("idx", pa.int32())])
    values = [dict(zip([*columns, "label"], row, strict=True)) | {"idx": i} for i, row in enumerate(rows)]
    file = FIXTURES / "glue" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(values, schema), file)


for config, (columns, names) in GLUE.items():
    # A row for each class: its first text is the name of the class, its second names the split.
    for split in ["validation_matched", "validation_mismatched"] if config == "mnli" else ["validation"]:
        rows = [(*[name, f"of {split}"][: len(columns)], number) for number, name in enumerate(names)]
        write_glue(f"{config}/{split}/0000.parquet", columns, rows)
write_glue("cola/train/0000.parquet", ["sentence"], [("one", 1), ("two", 0)])
write_glue("cola/train/0001.parquet", ["sentence"], [("three", 1)])
write_glue("cola/test/0000.parquet", ["sentence"], [("held back", -1)])
write_glue("mrpc/test/0000.parquet", ["sentence1", "sentence2"], [("not_equivalent", "of test", 0)])
write_glue("stsb/validation/0000.parquet", ["sentence1", "sentence2"], [("a", "b", 3.8), ("c", "d", 0)], pa.float32())

# Rows of other sets with the columns and types that they have on the hub: `datasets/<repository>/<config>/<split>`.
ANSWERS = pa.struct([("text", pa.list_(pa.string())), ("answer_start", pa.list_(pa.int32()))])
CHOICES = pa.struct([("text", pa.list_(pa.string())), ("label", pa.list_(pa.string()))])
TYPES = {
    "answers": ANSWERS,
    "choices": CHOICES,
    "endings": pa.list_(pa.string()),
    "ind": pa.int32(),
    "fact": pa.bool_(),
    "number": pa.int64(),
}


def write_rows(path: str, rows: list[dict], **types: str) -> None:
    """A file of rows; a column is text, but for those of TYPES and those that `types` names one of TYPES for."""
    schema = pa.schema([(name, TYPES.get(types.get(name, name), pa.string())) for name in rows[0]])
    file = FIXTURES / "datasets" / path / "0000.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema), file)


def question(id: str, context: str, *answers: tuple[str, int], title: str | None = "Rivers") -> dict:
    spans = {"text": [text for text, _ in answers], "answer_start": [start for _, start in answers]}
    titled = {} if title is None else {"title": title}
    return {"id": id} | titled | {"context": context, "question": f"{id}?", "answers": spans}


# Two characters beyond U+FFFF stand before the answer: the hub counts code points.
FAR = question("far", "𝒳 and 𝒴: the Rhine", ("Rhine", 13))
NONE = question("none", "The Rhine.")
TWICE = question("twice", "The Rhine.", ("Rhine", 4), ("The Rhine", 0))
write_rows("rajpurkar/squad/plain_text/train", [FAR])
write_rows("rajpurkar/squad/plain_text/validation", [TWICE])
write_rows("rajpurkar/squad_v2/squad_v2/train", [NONE, FAR])
write_rows("rajpurkar/squad_v2/squad_v2/validation", [TWICE, NONE])
write_rows("google/xquad/xquad.en/validation", [question("en", "The Rhine.", ("Rhine", 4), title=None)])

problems = [{"question": f"{i} + {i}?", "answer": f"It is {2 * i}.\n#### {2 * i}"} for i in range(3)]
write_rows("openai/gsm8k/main/train", problems[:2])
write_rows("openai/gsm8k/main/test", problems[2:])

PUB = "name[Blue Spice], eatType[pub]"
texts = [(PUB, "A pub."), ("name[Cotto]", "Cotto."), (PUB, "Blue Spice, a pub.")]
told = [{"meaning_representation": mr, "human_reference": ref} for mr, ref in texts]
for split in ["train", "validation", "test"]:
    write_rows(f"tuetschek/e2e_nlg/default/{split}", told)

# First rows of the commonsense sets, but for the passage of BoolQ. With -1 and "" labels are held back.
boolq = {"question": "do iran and afghanistan speak the same language", "answer": True, "passage": "Persian …"}
write_rows("google/boolq/default/train", [boolq, boolq | {"answer": False}], answer="fact")
write_rows("google/boolq/default/validation", [boolq], answer="fact")
piqa = {
    "goal": "When boiling butter, when it's ready, you can",
    "sol1": "Pour it onto a plate",
    "sol2": "Pour it into a jar",
    "label": 1,
}
write_rows("ybisk/piqa/plain_text/validation", [piqa], label="number")
write_rows("ybisk/piqa/plain_text/train", [piqa, piqa | {"label": -1}], label="number")
siqa = {
    "context": "Tracy didn't go home that evening and resisted Riley's attacks.",
    "question": "What does Tracy need to do before this?",
    "answerA": "make a new plan",
    "answerB": "Go home and see Riley",
    "answerC": "Find somewhere to go",
}
# The hub's first version of the set left the line end of its file in the label.
write_rows("allenai/social_i_qa/default/validation", [siqa | {"label": "3"}, siqa | {"label": "3\n"}])
hellaswag = {
    "ind": 24,
    "activity_label": "Roof shingle removal",
    "ctx_a": "A man is sitting on a roof.",
    "ctx_b": "he",
    "ctx": "A man is sitting on a roof. he",
    "endings": [
        "is using wrap to wrap a pair of skis.",
        "is ripping level tiles off.",
        "is holding a rubik's cube.",
        "starts pulling up roofing on a roof.",
    ],
    "source_id": "activitynet~v_-JhWjGDPHMY",
    "split": "val",
    "split_type": "indomain",
    "label": "3",
}
write_rows("Rowan/hellaswag/default/validation", [hellaswag])
write_rows("Rowan/hellaswag/default/train", [hellaswag, hellaswag | {"label": "4"}])
winogrande = {
    "sentence": "Sarah was a much better surgeon than Maria so _ always got the easier cases.",
    "option1": "Sarah",
    "option2": "Maria",
    "answer": "2",
}
write_rows("allenai/winogrande/winogrande_xl/validation", [winogrande])


def lettered(stem: str, asked: str, key: str, labels: str, *texts: str) -> dict:
    return {"id": "1", stem: asked, "choices": {"text": texts, "label": list(labels)}, "answerKey": key}


george = "George wants to warm his hands quickly by rubbing them. Which skin surface will produce the most heat?"
palms = ["dry palms", "wet palms", "palms covered with oil", "palms covered with lotion"]
fever = "Which factor will most likely cause a person to develop a fever?"
causes = [
    "a leg muscle relaxing after exercise",
    "a bacterial population in the bloodstream",
    "several viral particles on the skin",
    "carbohydrates being digested in the stomach",
]
sun = [
    "puppies learning new tricks",
    "children growing up and getting old",
    "flowers wilting in a vase",
    "plants sprouting, blooming and wilting",
]
# Choices go by letters or by numbers.
write_rows("allenai/ai2_arc/ARC-Challenge/test", [lettered("question", george, "A", "ABCD", *palms)])
write_rows("allenai/ai2_arc/ARC-Easy/test", [lettered("question", fever, "2", "1234", *causes)])
write_rows("allenai/openbookqa/main/test", [lettered("question_stem", "The sun is responsible for", "D", "ABCD", *sun)])
