"""Makes every fixture under test/fixtures/oracle (see README.md). The same versions write the same bytes."""

import argparse
import shutil
from pathlib import Path

import torch
from transformers.utils import logging

import adamw
import bert_cases
import check_fixtures
import checkpoint_files
import config_cases
import config_keys
import decay_groups
import double_backward
import families
import gates
import gguf_cases
import gguf_export
import merged_types
import method_steps
import odd_checkpoints
import own_heads
import placement
import primitives
import tiny_bert

MAKERS = {
    "primitives": primitives.make,
    "doubleback": double_backward.make,
    "tiny-bert": tiny_bert.make,
    "bert": bert_cases.make,
    "adamw": adamw.make,
    "gates": gates.make,
    "placement": placement.make,
    "methods": method_steps.make,
    "families": families.make,
    "checkpoints": checkpoint_files.make,
    "gguf": gguf_cases.make,
    "merged-types": merged_types.make,
    "decay-groups": decay_groups.make,
    "config-keys": config_keys.make,
    "own-heads": own_heads.make,
    "config-cases": config_cases.make,
    "odd-checkpoints": odd_checkpoints.make,
    "gguf-export": gguf_export.make,
}
SIZE_LIMIT = 10_000_000


def main() -> None:
    repository = Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=repository / "test/fixtures/oracle", help="folder to write")
    parser.add_argument("--only", choices=MAKERS, nargs="+", default=list(MAKERS), help="fixtures to make")
    options = parser.parse_args()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    if set(options.only) == set(MAKERS):
        shutil.rmtree(options.output, ignore_errors=True)
    for name in options.only:
        MAKERS[name](options.output)
        print(f"made {name}")
    size = sum(path.stat().st_size for path in options.output.rglob("*") if path.is_file())
    print(f"{size} bytes in {options.output}")
    if size > SIZE_LIMIT:
        raise SystemExit(f"{options.output} holds {size} bytes, more than the {SIZE_LIMIT} that fixtures may take")
    if set(options.only) == set(MAKERS):
        check_fixtures.main(options.output)


if __name__ == "__main__":
    main()
