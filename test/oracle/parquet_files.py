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
