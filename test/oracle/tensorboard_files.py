"""TensorBoard's own reader on the event files of a run, held to the run's metrics.jsonl and run.json.

python tensorboard_files.py LOGS RUN
"""

import json
import struct
import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader


def float32(value: float) -> float:
    return struct.unpack("f", struct.pack("f", value))[0]


def main(logs: Path, run: Path) -> None:
    [file] = logs.glob("events.out.tfevents.*")
    # The loader checks the checksums and stops silently at the first wrong one, so the number of records is checked too.
    records = len(list(RawEventFileLoader(str(file)).Load()))
    accumulator = EventAccumulator(str(logs))
    accumulator.Reload()
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    train = [line for line in lines if line["phase"] == "train"]
    search = [line for line in lines if line["phase"] == "search"]
    scores = json.loads((run / "run.json").read_text())["scores"]["dev"]
    expected = {
        "train/loss": [(line["step"] + 1, line["loss"]) for line in train],
        "train/learning_rate": [(line["step"] + 1, line["learningRate"]) for line in train],
        "train/gradient_norm": [(line["step"] + 1, line["gradientNorm"]) for line in train],
        "search/train_loss": [(line["step"], line["trainLoss"]) for line in search],
        "search/validation_loss": [(line["step"], line["validationLoss"]) for line in search],
        "search/entropy": [(line["step"], line["entropy"]) for line in search],
        **{f"dev/{name}": [(len(train), score)] for name, score in scores.items()},
    }
    expected = {tag: values for tag, values in expected.items() if values}
    passed = failed = 0

    def check(what: str, found: object, wanted: object) -> None:
        nonlocal passed, failed
        if found == wanted:
            passed += 1
        else:
            failed += 1
            print(f"FAILED {what}: {found} is not {wanted}")

    check("records", records, 1 + len(train) + len(search) + 1)
    check("tags", set(accumulator.Tags()["scalars"]), set(expected))
    for tag, values in expected.items():
        events = [(event.step, event.value) for event in accumulator.Scalars(tag)]
        check(tag, events, [(step, float32(value)) for step, value in values])
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
