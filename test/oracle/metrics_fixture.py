"""Makes test/metrics/fixtures/metrics.json: what scikit-learn and scipy answer, degenerate cases included.

    python3 test/oracle/metrics_fixture.py
"""

import json
import math
import warnings
from pathlib import Path

import numpy as np
import scipy
import sklearn
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

OUTPUT = Path(__file__).resolve().parent.parent / "metrics" / "fixtures" / "metrics.json"


def plain(value: float):
    """JSON has no NaN: null stands for it."""
    return None if math.isnan(value) else float(value)


def classification(name: str, labels: int, expected, predicted) -> dict:
    expected, predicted = [int(v) for v in expected], [int(v) for v in predicted]
    average = "binary" if labels == 2 else "macro"
    return {
        "name": name,
        "numLabels": labels,
        "expected": expected,
        "predicted": predicted,
        "matthews": plain(matthews_corrcoef(expected, predicted)),
        "accuracy": plain(accuracy_score(expected, predicted)),
        "f1": plain(f1_score(expected, predicted, average=average, zero_division=0)),
    }


def regression(name: str, expected, predicted) -> dict:
    expected = [float(np.float32(v)) for v in expected]
    predicted = [float(np.float32(v)) for v in predicted]
    return {
        "name": name,
        "expected": expected,
        "predicted": predicted,
        "pearson": plain(pearsonr(expected, predicted).statistic),
        "spearman": plain(spearmanr(expected, predicted).statistic),
    }


def main() -> None:
    warnings.simplefilter("ignore")
    random = np.random.default_rng(7)
    truth2, truth4 = random.integers(0, 2, 60), random.integers(0, 4, 60)
    scores = np.round(random.uniform(0, 5, 60), 1)
    classes = [
        classification("random binary", 2, truth2, random.integers(0, 2, 60)),
        classification("mostly right binary", 2, truth2, np.where(random.uniform(size=60) < 0.8, truth2, 1 - truth2)),
        classification("all right", 2, truth2, truth2),
        classification("all wrong", 2, truth2, 1 - truth2),
        classification("always 0", 2, truth2, np.zeros(60)),
        classification("always 1", 2, truth2, np.ones(60)),
        classification("one class expected", 2, np.ones(10), random.integers(0, 2, 10)),
        classification("one class on both sides", 2, np.zeros(10), np.zeros(10)),
        classification("one row", 2, [1], [1]),
        classification("random of four", 4, truth4, random.integers(0, 4, 60)),
        classification("constant of four", 4, truth4, np.full(60, 2)),
        classification(
            "a class that neither side has", 4, np.where(truth4 == 3, 0, truth4), np.where(truth4 == 3, 1, truth4)
        ),
        classification("a class only predicted", 4, np.minimum(truth4, 1), truth4),
    ]
    rows = [
        regression("close", scores, scores + random.normal(size=60)),
        regression("unrelated", scores, random.normal(size=60)),
        regression("ties on both sides", np.round(scores), np.round(scores + random.normal(size=60))),
        regression("reversed", scores, -scores),
        regression("monotone, not linear", scores, np.exp(scores)),
        regression("constant prediction", scores, np.full(60, 2.5)),
        regression("constant truth", np.full(60, 2.5), scores),
        regression("far from zero", scores, 1000 + 0.01 * scores),
        regression("two rows", [1, 2], [3, 1]),
    ]
    versions = {"scikit-learn": sklearn.__version__, "scipy": scipy.__version__}
    body = [",\n".join(json.dumps(case, allow_nan=False) for case in group) for group in (classes, rows)]
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(
        f'{{"versions": {json.dumps(versions)},\n"classification": [\n{body[0]}\n],\n"regression": [\n{body[1]}\n]}}\n'
    )


if __name__ == "__main__":
    main()
