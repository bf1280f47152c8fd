"""Parquet files for test/data/readers.test.ts, as pyarrow 26 writes them: one for each compression in use on the hub.

    pip install pyarrow==26.0.1 && python test/oracle/parquet_files.py
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = Path(__file__).resolve().parents[2] / "test/data/fixtures/parquet"
ROWS = [
    {"text": 'A "quoted" line', "label": 1, "score": 0.5},
    {"text": "Café, naïve\nsecond line", "label": 0, "score": -1.25},
    {"text": "", "label": 1, "score": None},
]

FOLDER.mkdir(parents=True, exist_ok=True)
for compression in ["none", "snappy", "gzip", "zstd", "lz4", "brotli"]:
    schema = pa.schema([("text", pa.string()), ("label", pa.int64()), ("score", pa.float64())])
    pq.write_table(pa.Table.from_pylist(ROWS, schema), FOLDER / f"{compression}.parquet", compression=compression)
