"""Runs onnx's checker, shapes included, over every .onnx file below the folders given; closes with "N passed, N failed"."""

import sys
from pathlib import Path

import onnx


def problem(path: Path) -> str | None:
    """Operators of other domains have no schema here; the runtime that owns them checks those."""
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except onnx.checker.ValidationError as error:
        return str(error)
    except onnx.shape_inference.InferenceError as error:
        return str(error)
    return None


paths = [path for folder in sys.argv[1:] for path in sorted(Path(folder).rglob("*.onnx"))]
problems = {path: found for path in paths if (found := problem(path)) is not None}
for path, found in problems.items():
    print(f"{path}: {found}")
print(f"{len(paths) - len(problems)} passed, {len(problems) + (len(paths) == 0)} failed")
sys.exit(1 if problems or not paths else 0)
