"""A small arbitrage of fakes, with everything that its page shows: a translation baseline, prices, refused and failed answers."""

from __future__ import annotations

import json
from pathlib import Path

from polylect.arbitrage import arbitrate

QUESTIONS = {
    "en": "How much is {0} plus {1}?",
    "tr": "{0} artı {1} kaç eder?",
    "ar": "كم يساوي {0} زائد {1}؟",
    "he": "כמה זה {0} ועוד {1}?",
}
POOL = """
members:
  west:
    spec: fake:mixed?quality.en=0.65&quality.mul=0.3&wrong_language=0.1&known={prompts}
    price: {{input: 1, output: 3}}
  east:
    spec: fake:mixed?quality.tr=0.65&quality.mul=0.2&400=0.1&known={prompts}
    price: {{input: 2, output: 4}}
  semitic:
    spec: fake:good?quality.ar=0.8&quality.he=0.8&quality.mul=0.1&known={prompts}
    languages: [ar, he, en]
    may_train: false
  through-english:
    spec: pivot:fake:wrong?quality=0.4&known={prompts}
    settings: {{translator: "llm:fake:good"}}
"""


def write_arbitrage(folder: Path, router: str = "reward", *, items: int = 25) -> Path:
    """Run an arbitrage over sums in four languages; return its output folder."""
    rows = [
        {"item": f"sum:{n}", "language": tag, "text": text.format(n, 3 * n), "reference": str(4 * n)}
        for n in range(items)
        for tag, text in QUESTIONS.items()
    ]
    prompts = folder / "prompts.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    prompts.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    (folder / "pool.yaml").write_text(POOL.format(prompts=prompts), encoding="utf-8")
    arbitrate(prompts, folder / "pool.yaml", {"kind": "verifiable"}, router, out=folder / "out", repeats="off")
    return folder / "out"
