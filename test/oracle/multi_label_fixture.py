"""Makes test/metrics/fixtures/multiLabel.json: scikit-learn's scores of several labels at once, degenerate cases included,
and the highest F1 of each label over all thresholds.

    python test/oracle/multi_label_fixture.py
"""

import json
import warnings
from pathlib import Path

import numpy as np
import sklearn
from sklearn.metrics import accuracy_score, f1_score, precision_recall_curve

OUTPUT = Path(__file__).resolve().parent.parent / "metrics" / "fixtures" / "multiLabel.json"


def scores(name: str, expected, predicted) -> dict:
    expected, predicted = np.asarray(expected, dtype=int), np.asarray(predicted, dtype=int)
    f1 = lambda average: f1_score(expected, predicted, average=average, zero_division=0)
    return {
        "name": name,
        "labels": expected.shape[1],
        "expected": expected.flatten().tolist(),
        "predicted": predicted.flatten().tolist(),
        "micro_f1": float(f1("micro")),
        "macro_f1": float(f1("macro")),
        "subset_accuracy": float(accuracy_score(expected, predicted)),
        "f1": f1(None).tolist(),
    }


def highest_f1(expected, probabilities) -> float:
    precision, recall, _ = precision_recall_curve(expected, probabilities)
    return float(np.max(2 * precision * recall / np.maximum(precision + recall, 1e-300)))


def thresholds(name: str, expected, probabilities) -> dict:
    expected, probabilities = np.asarray(expected, dtype=int), np.asarray(probabilities, dtype=float)
    columns = range(expected.shape[1])
    return {
        "name": name,
        "labels": expected.shape[1],
        "expected": expected.flatten().tolist(),
        "probabilities": probabilities.flatten().tolist(),
        "highestF1": [highest_f1(expected[:, k], probabilities[:, k]) if expected[:, k].any() else 0.0 for k in columns],
    }


def main() -> None:
    warnings.simplefilter("ignore")
    random = np.random.default_rng(18)
    truth = (random.uniform(size=(40, 5)) < [0.05, 0.2, 0.4, 0.6, 0.9]).astype(int)
    guess = random.integers(0, 2, truth.shape)
    right = np.where(random.uniform(size=truth.shape) < 0.85, truth, 1 - truth)
    none, all_ = np.zeros_like(truth), np.ones_like(truth)
    without = lambda matrix, label: np.where(np.arange(5) == label, 0, matrix)
    cases = [
        scores("random", truth, guess),
        scores("mostly right", truth, right),
        scores("all right", truth, truth),
        scores("all wrong", truth, 1 - truth),
        scores("nothing predicted", truth, none),
        scores("everything predicted", truth, all_),
        scores("nothing expected", none, guess),
        scores("nothing on both sides", none, none),
        scores("a label that neither side has", without(truth, 2), without(right, 2)),
        scores("a label only predicted", without(truth, 2), right),
        scores("a label only expected", truth, without(right, 2)),
        scores("one row", [[1, 0, 1]], [[1, 1, 0]]),
        scores("two labels", truth[:, 3:], right[:, 3:]),
    ]
    noisy = np.clip(0.3 * truth + random.uniform(0, 0.7, truth.shape), 0, 1)
    searched = [
        thresholds("noisy", truth, np.round(noisy, 6)),
        thresholds("many equal probabilities", truth, np.round(noisy, 1)),
        thresholds("unrelated", truth, np.round(random.uniform(size=truth.shape), 3)),
        thresholds("all equal", truth, np.full(truth.shape, 0.25)),
        thresholds("zeros and ones", truth, guess),
        thresholds("a label that no example has", without(truth, 2), np.round(noisy, 3)),
        thresholds("a label that every example has", np.where(np.arange(5) == 1, 1, truth), np.round(noisy, 3)),
    ]
    versions = {"scikit-learn": sklearn.__version__}
    body = [",\n".join(json.dumps(case, allow_nan=False) for case in group) for group in (cases, searched)]
    OUTPUT.write_text(
        f'{{"versions": {json.dumps(versions)},\n"scores": [\n{body[0]}\n],\n"thresholds": [\n{body[1]}\n]}}\n'
    )


if __name__ == "__main__":
    main()
