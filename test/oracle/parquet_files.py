"""Parquet files as pyarrow 26 writes them: one for each compression in use on the hub and one of every type (test/data), and
GLUE in small with the folders, columns, types and class numbers that it has there (test/data/hub).

    pip install pyarrow==26.0.1 && python test/oracle/parquet_files.py
"""

import datetime
import decimal
import json
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


# A column of each type, with its values as JSON would have them: those of pyarrow, dates and times by Python's isoformat.
def moment(text: str, zone: str | None = None) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc if zone else None)


LATE, EARLY = "2024-02-29T23:30:00.123456", "1969-12-31T23:59:59.999000"
COLUMNS = {
    "mark": (pa.string(), ["\ufefftext", "\ufeff\ufeff"]),
    "large": (pa.large_string(), ["a", "\ufeffb"]),
    "dictionary": (pa.dictionary(pa.int32(), pa.string()), ["one", "\ufefftwo"]),
    "date32": (pa.date32(), [datetime.date(2024, 2, 29), datetime.date(1969, 12, 31)]),
    "date64": (pa.date64(), [datetime.date(2024, 2, 29), datetime.date(1, 1, 1)]),
    "seconds": (pa.timestamp("s"), [moment("2024-02-29T23:30:00"), moment("1969-12-31T23:59:59")]),
    "milliseconds": (pa.timestamp("ms"), [moment(EARLY), moment("2024-02-29T00:00:00")]),
    "microseconds": (pa.timestamp("us"), [moment(LATE), moment(EARLY)]),
    "utc": (pa.timestamp("us", tz="UTC"), [moment(LATE, "UTC"), moment(EARLY, "UTC")]),
    "berlin": (pa.timestamp("ms", tz="Europe/Berlin"), [moment("2024-02-29T23:30:00", "UTC"), moment(EARLY, "UTC")]),
    "time32": (pa.time32("ms"), [datetime.time(1, 2, 3, 4000), datetime.time(23, 59)]),
    "time64": (pa.time64("us"), [datetime.time(1, 2, 3, 4), datetime.time(0, 0)]),
    "decimal": (pa.decimal128(10, 2), [decimal.Decimal("0.57"), decimal.Decimal("-1.10")]),
    "long_decimal": (pa.decimal128(38, 3), [decimal.Decimal("-0.005"), decimal.Decimal("12345678901234567890123456789012345.678")]),
    "whole_decimal": (pa.decimal128(20, 0), [decimal.Decimal("100"), decimal.Decimal("-7")]),
    "int64": (pa.int64(), [2**53 + 1, -5]),
    "uint64": (pa.uint64(), [2**64 - 1, 7]),
    "uint32": (pa.uint32(), [2**32 - 1, 0]),
    "int8": (pa.int8(), [-128, 127]),
    "float32": (pa.float32(), [0.5, -2.25]),
    "float16": (pa.float16(), [0.5, -2.25]),
    "boolean": (pa.bool_(), [True, False]),
    "binary": (pa.binary(), [b"caf\xc3\xa9", b"\xff\xfe"]),
    "nothing": (pa.null(), [None, None]),
    "integers": (pa.list_(pa.int64()), [[1, 2**53 + 1, None], []]),
    "dates": (pa.list_(pa.date32()), [[datetime.date(2024, 2, 29)], None]),
    "struct": (
        pa.struct([("day", pa.date32()), ("price", pa.decimal128(5, 2)), ("n", pa.int64())]),
        [{"day": datetime.date(2024, 2, 29), "price": decimal.Decimal("1.50"), "n": 3}, None],
    ),
    "structs": (
        pa.list_(pa.struct([("at", pa.timestamp("ms")), ("text", pa.string())])),
        [[{"at": moment("2024-02-29T23:30:00"), "text": "\ufeffx"}, {"at": None, "text": None}], []],
    ),
    "map": (pa.map_(pa.string(), pa.date32()), [[("a", datetime.date(2024, 2, 29))], []]),
}


def told(value, kind: pa.DataType):
    if value is None:
        return None
    if pa.types.is_timestamp(kind):
        digits = {"s": 3, "ms": 3, "us": 6}[kind.unit]
        whole, fraction = value.strftime("%Y-%m-%dT%H:%M:%S"), f"{value.microsecond:06}"[:digits]
        return whole + (f".{fraction}" if int(fraction) else "") + ("Z" if kind.tz else "")
    if pa.types.is_time(kind):
        return value.isoformat(timespec="auto" if value.microsecond % 1000 or not value.microsecond else "milliseconds")
    if pa.types.is_date(kind):
        return value.isoformat()
    if pa.types.is_decimal(kind):
        return format(value, "f")
    if pa.types.is_map(kind):
        return {key: told(one, kind.item_type) for key, one in value}
    if pa.types.is_list(kind):
        return [told(one, kind.value_type) for one in value]
    if pa.types.is_struct(kind):
        return {field.name: told(value[field.name], field.type) for field in kind}
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"bytes": list(value)}
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53:
        return {"bigint": str(value)}
    return value


def write_types(name: str, columns: dict, **options) -> None:
    schema = pa.schema([(column, kind) for column, (kind, _) in columns.items()])
    table = pa.Table.from_arrays([pa.array(values, kind) for kind, values in columns.values()], schema=schema)
    pq.write_table(table, FOLDER / f"{name}.parquet", **options)
    rows = [{column: told(values[i], kind) for column, (kind, values) in columns.items()} for i in range(2)]
    if options.get("use_deprecated_int96_timestamps"):  # which are stored as nanoseconds
        rows = [row | {"microseconds": f"{row['microseconds']}000"} for row in rows]
    (FOLDER / f"{name}.json").write_text(json.dumps(rows, separators=(",", ":")) + "\n")


write_types("types", COLUMNS)
write_types("types-plain", COLUMNS, use_dictionary=False, version="1.0", store_decimal_as_integer=True)
INT96 = {"microseconds": COLUMNS["microseconds"], "decimal": COLUMNS["decimal"]}
write_types("int96", INT96, use_deprecated_int96_timestamps=True)

# A chat in the columns that data sets on the hub have: every key in every turn, null where there is none.
TURN = pa.struct([("role", pa.string()), ("content", pa.string()), ("name", pa.string()), ("tool_calls", pa.list_(pa.string()))])
turn = lambda role, content: {"role": role, "content": content, "name": None, "tool_calls": None}
chats = [
    {"prompt_id": str(i), "messages": [turn("system", "be kind"), turn("user", f"say {letter}"), turn("assistant", letter * 3)]}
    for i, letter in enumerate("abab")
]
chat_schema = pa.schema([("prompt_id", pa.string()), ("messages", pa.list_(TURN))])
pq.write_table(pa.Table.from_pylist(chats, chat_schema), FOLDER / "chats.parquet")
