"""sentence-transformers' vectors of texts, held to those that `diffora serve` gives for /v1/embeddings.

python embeddings.py MODEL VECTORS, a line of {"text", "vector"} each
"""

import json
import sys
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer

# float32 in another order of sums; the numbers of a vector are below 1.
TOLERANCE = 1e-5


def main(folder: str, vectors: Path) -> None:
    rows = [json.loads(line) for line in vectors.read_text().splitlines()]
    expected = SentenceTransformer(folder, device="cpu").encode([row["text"] for row in rows])
    passed = failed = 0
    for row, wanted in zip(rows, expected, strict=True):
        distance = float(np.abs(np.asarray(row["vector"]) - wanted).max())
        if distance <= TOLERANCE:
            passed += 1
        else:
            failed += 1
            print(f"FAILED {row['text']!r}: {distance} apart")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
