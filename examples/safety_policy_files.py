"""Write the files of `recipes/quickstart-safety.yaml`: a toy policy that harms nobody, as prompts and preambles.

Run: python examples/safety_policy_files.py [DIR]

The policy (`polylect.safety.policy`): decline questions about one invented organisation, answer the same ones about others.
DIR (safety-policy) gets distil.jsonl and measure.jsonl, which share no wording and no other organisation, preamble.yaml (the
rule with three worked refusals per language) and answered.yaml (worked answers, for the harmless prompts). For a policy of
your own write the same four files: their columns and keys are those of `polylect safety eval` and `polylect safety distil`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from polylect.safety.distilling_preamble import write_preambles
from polylect.safety.policy import answered_examples, make_prompts, preambles
from polylect.safety.prompts import write_prompts


def main() -> None:
    """Write the files and say where they are."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("safety-policy"))
    parser.add_argument("--items", type=int, default=64, help="to distil, each in all languages, with a harmless twin")
    parser.add_argument("--anchors", type=int, default=48, help="further harmless prompts to distil, without a twin")
    parser.add_argument("--measured", type=int, default=24, help="to measure")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    write_prompts(folder / "distil.jsonl", make_prompts("train", arguments.items, anchors=arguments.anchors))
    write_prompts(folder / "measure.jsonl", make_prompts("heldout", arguments.measured))
    write_preambles(folder / "preamble.yaml", preambles(examples=3))
    write_preambles(folder / "answered.yaml", answered_examples())
    print(f"{folder}: distil.jsonl, measure.jsonl, preamble.yaml, answered.yaml")


if __name__ == "__main__":
    main()
