"""Safety context distillation on a real model: measure a toy policy, distil it, train, measure again, merge against mix.

Run: python benchmarks/safety_policy.py --run runs/quickstart --work DIR [--split validation] [--merge]

The policy is harmless: decline questions about one invented organisation, answer the same ones about others
(`polylect.safety.policy`). The model is the quickstart's (Gemma 3 270M); its vocabulary is trimmed anew, to the texts of
the quickstart and of the policy. Arms:

    general  the base fine-tuned as the quickstart does, on its own rows
    mixed    `general` trained further on the refusals, the anchors, a part of its own rows and its own answers
    expert   the base trained on refusals and anchors alone; merged with `general` by linear weights and SLERP

`en es hi tr ar zh-Hans` are distilled, `ru id` are left out. Teacher: the base with a preamble that holds three worked
examples, since a model of this size does not follow a bare rule; what it repeats of them word for word is dropped. The trained
detector finds its refusals; what the students do is judged by the default, by rules. Anchors:
its answers to the twins, and to more prompts about names that sound alike, behind worked examples of answers, the right
ones alone; of a kind of question at most as many refusals are learnt as answers. Settings were chosen on `--split
validation`; `heldout` shares no wording, frame or organisation with it. Every stage is kept in the work folder: a second
call goes on where the first one stopped. Prints a table per question, and writes report-SPLIT.json and evaluations/, of
which `polylect report BEFORE AFTER` makes a page.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from polylect import tables
from polylect.merge import merge
from polylect.models import LocalModel, Request, Sampling, Store
from polylect.models.engine import Job
from polylect.models.engine import run as ask
from polylect.models.hub import resolve
from polylect.models.store import Keys
from polylect.records import Example, Prompt
from polylect.safety.detectors import default_detector, detector_of
from polylect.safety.distilling import distil
from polylect.safety.distilling_preamble import write_preambles
from polylect.safety.evaluation import evaluate
from polylect.safety.mixing import mix
from polylect.safety.policy import (
    POLICY_LANGUAGES,
    PolicyVerdict,
    answered_examples,
    judge_policy,
    leaks,
    make_prompts,
    preambles,
)
from polylect.safety.policy.comparing import Change, changes
from polylect.safety.policy.naming import Split
from polylect.safety.prompts import SafetyPrompt, write_prompts
from polylect.train import sft
from polylect.train.settings import Lora, Sft
from polylect.train.vocabulary import trim
from polylect.verifiable import exact

TRAINED = ("en", "es", "hi", "tr", "ar", "zh-Hans")
LEFT_OUT = ("ru", "id")
EXAMPLES = 3
SETTINGS = Sft(epochs=3, batch_size=32, micro_batch_size=16, warmup_steps=2, learning_rate=1e-3)
FURTHER = Sft(
    epochs=3, batch_size=16, micro_batch_size=16, warmup_steps=4, learning_rate=6e-4, group_by_length=False,
    lora=Lora(rank=32, alpha=64),
)  # fmt: skip
"""Batches at random: grouped by length, refusals and answers, and the languages, would each come by themselves, many batches in
a row, and what tells the one name from the others would be unlearnt in between."""

KEPT = 2
"""Most refusals of a prompt."""

REPLAYED = 400
"""General rows in the mixture."""

REHEARSED = 800
"""Of the quickstart's training prompts, those that `general` answers once more: its own answers are rows, right or wrong, so that
it changes in nothing but the policy (as the outputs of self-synthesized rehearsal, Huang et al. 2024, arXiv:2403.01244)."""

TRAINING_SPLITS = ("prompt", "preference", "seed")
"""Of the quickstart's prompts; held-out items are in none of them."""

SPLITS: tuple[Split, ...] = ("train", "validation", "heldout")
SAMPLING = Sampling(max_tokens=40, stop=("\n",))
MERGES: dict[str, dict[str, Any]] = {
    "linear 0.3": {"method": "linear", "weights": (0.7, 0.3)},
    "linear 0.5": {"method": "linear", "weights": (0.5, 0.5)},
    "linear 0.7": {"method": "linear", "weights": (0.3, 0.7)},
    "slerp 0.5": {"method": "slerp", "t": 0.5},
}
"""Weight of the safety expert against the general one."""


def stage(folder: Path, make: Callable[[Path], Any]) -> Path:
    """Make a folder with `make` unless it is there; a broken one leaves no folder."""
    if not folder.exists():
        began, temporary = time.monotonic(), folder.with_name(f".{folder.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        make(temporary)
        temporary.rename(folder)
        print(f"{folder.name}: {time.monotonic() - began:.0f} s", flush=True)
    return folder


def make_base(gemma: Path, run: Path, out: Path) -> None:
    """Trim Gemma to the texts of the quickstart and of the policy, with the quickstart's chat template."""
    texts = json.loads((run / "steps/prompts/vocabulary.json").read_text(encoding="utf-8"))
    told, answered = preambles(examples=EXAMPLES), answered_examples()
    for tag in POLICY_LANGUAGES:
        own = [one.text for split in SPLITS for one in make_prompts(split, 300, anchors=300, languages=[tag])]
        texts[tag] = [*texts[tag], *own, *told[tag].split("\n"), *answered[tag].split("\n")]
    trim(gemma, texts, out)
    shutil.copy(run / "steps/base/chat_template.jinja", out / "chat_template.jinja")


def distilled(arguments: argparse.Namespace) -> tuple[list[Example], list[Example], dict[str, Any]]:
    """Return refusals, anchors and the counts of the distillation."""
    work = arguments.work
    asked = make_prompts("train", arguments.train_items, anchors=arguments.anchors, languages=TRAINED)
    prompts = write_prompts(work / "train.jsonl", asked)
    told = write_preambles(work / "preamble.yaml", preambles(TRAINED, examples=EXAMPLES))
    answered = write_preambles(work / "answered.yaml", answered_examples(TRAINED))
    found = distil(
        str(work / "base"), prompts, told, out=work / "distil", samples=arguments.samples, keep=KEPT, anchor_preamble=answered,
        anchor_samples=arguments.anchor_samples, max_tokens=48, stop=("\n",), check=leaks,
        detector=detector_of("learned"),
    )  # fmt: skip
    rows = tables.read(work / "distil/sft.parquet", Example)
    anchors = [row for row in rows if row.item.endswith("-twin")]
    kinds = {one.item: one.categories[0] for one in asked}
    refusals = [row for row in rows if not row.item.endswith("-twin")]
    kept = balanced(refusals, anchors, kinds)
    print(f"{len(refusals)} refusals, {len(refusals) - len(kept)} left out: more than answers of their kind", flush=True)
    return kept, anchors, {**found.document, "refusals_left_out": len(refusals) - len(kept)}


def write_evaluation(work: Path, split: str, name: str, measured: Measured) -> None:
    """Write the folder of `polylect safety eval` of an arm: its answers, with the policy's verdicts as labels."""
    folder = work / "evaluations" / f"{split}-{name.replace(' ', '-')}"
    if folder.exists():
        return
    verdicts = [(one, text) for one, text in zip(measured.verdicts, measured.texts, strict=True)]
    own = [{"item": one.prompt.item, "language": one.prompt.language, "answer": text} for one, text in verdicts]
    labels = [{**row, "outcome": one.outcome} for row, (one, _) in zip(own, verdicts, strict=True) if one.outcome]
    prompts = write_prompts(work / f"{split}.jsonl", [one.prompt for one, _ in verdicts])
    told, judged = write_rows(work / "answers.jsonl", own), write_rows(work / "labels.jsonl", labels)
    evaluate(None, prompts, answers=told, labels=judged, name=name, out=folder)


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Write JSON lines."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def balanced(refusals: Sequence[Example], anchors: Sequence[Example], kinds: dict[str, str]) -> list[Example]:
    """Return, in each language, at most as many refusals of a kind of question as it has anchors.

    A kind whose twins are seldom answered is one whose form a student learns to refuse.
    """
    room = Counter((row.language, kinds[row.item]) for row in anchors)
    kept: list[Example] = []
    for row in refusals:
        place = (row.language, kinds[row.item])
        if room[place]:
            room[place] -= 1
            kept.append(row)
    return kept


def rehearsed(general: Path, run: Path, store: Path) -> list[Example]:
    """Return `general`'s own greedy answers to prompts that the quickstart trains on."""
    prompts = tables.read(run / "steps/prompts/prompts.parquet", Prompt)
    own = sorted((one for one in prompts if one.split in TRAINING_SPLITS), key=lambda one: one.id)
    own = random.Random(7).sample(own, REHEARSED)  # noqa: S311 - no secret
    with Store(store) as kept:
        said = answers(general, [one.text for one in own], kept)
    return [
        Example(
            prompt_id=one.id, item=one.item, language=one.language, prompt=one.text, completion=text, model="general", score=None
        )
        for one, text in zip(own, said, strict=True)
        if text.strip()
    ]  # fmt: skip


def train(base: Path, rows: Sequence[Example], out: Path, settings: Sft = SETTINGS) -> None:
    """Fine-tune a checkpoint, by default with the quickstart's settings."""
    report = sft(base, rows, settings, out, seed=7)
    print(f"{report.rows} rows, {report.steps} steps, loss {report.loss:.3f}", flush=True)


def answers(model: Path, texts: Sequence[str], store: Store) -> list[str]:
    """Return greedy answers."""
    local = LocalModel(model)
    requests = [Request(str(number), text) for number, text in enumerate(texts)]
    ask([Job(local, requests, SAMPLING)], store)
    keys = [Keys(local.fingerprint, SAMPLING).of(request)[0] for request in requests]
    found = store.get(keys, SAMPLING.max_tokens)
    return [found[key].text for key in keys]


class Measured:
    """What one model does: the policy's verdicts, and whether the quickstart's held-out answers are right."""

    def __init__(self, model: Path, policy: Sequence[SafetyPrompt], heldout: Sequence[Prompt], store: Store) -> None:
        began = time.monotonic()
        said = answers(model, [*(one.text for one in policy), *(one.text for one in heldout)], store)
        self.texts = said[: len(policy)]
        self.verdicts = judge_policy(policy, self.texts, default_detector())
        pairs = zip(heldout, said[len(policy) :], strict=True)
        self.quality = [(one.item, one.language, exact(text, one.references, one.language)) for one, text in pairs]
        print(f"measured {model.name}: {time.monotonic() - began:.0f} s", flush=True)

    def rate(
        self, harmful: bool, value: Callable[[PolicyVerdict], bool], alike: bool | None = None
    ) -> list[tuple[str, str, float]]:
        """Return (item, language, 0 or 1) of the prompts about the organisation, or of their twins.

        `alike`: only of twins whose name sounds like the organisation's, or of the others.
        """
        own = [one for one in self.verdicts if one.prompt.harmful is harmful]
        if alike is not None:
            own = [one for one in own if ("sounds-alike" in one.prompt.categories) is alike]
        return [(one.prompt.item, one.prompt.language, float(value(one))) for one in own]


QUESTIONS: dict[str, Callable[[Measured], list[tuple[str, str, float]]]] = {
    "violation": lambda one: one.rate(True, lambda verdict: verdict.violates),
    "policy answer given": lambda one: one.rate(True, lambda verdict: verdict.outcome == "complied"),
    "over-refusal": lambda one: one.rate(False, lambda verdict: verdict.over_refuses),
    "over-refusal, names that sound alike": lambda one: one.rate(False, lambda verdict: verdict.over_refuses, alike=True),
    "over-refusal, other names": lambda one: one.rate(False, lambda verdict: verdict.over_refuses, alike=False),
    "near-miss right": lambda one: one.rate(False, lambda verdict: verdict.right),
    "held-out exact match": lambda one: one.quality,
}


def show(question: str, found: dict[str, Change]) -> None:
    """Print a table of one question."""
    print(f"\n{question}: before, after, difference in points [95 % interval]")
    for tag in (*TRAINED, *LEFT_OUT, "mul"):
        one, left = found[tag], " (left out)" if tag in LEFT_OUT else ""
        low, high = (100 * (end if end is not None else float("nan")) for end in one.difference[1:])
        fall = "" if one.fall is None else f", relative {-100 * one.fall:+.0f} %"
        print(
            f"  {tag + left:18}{100 * (one.before.value or 0):6.1f} {100 * (one.after.value or 0):6.1f} "
            f"{100 * (one.difference.value or 0):+7.1f} [{low:+.1f}, {high:+.1f}]{fall}"
        )


def as_json(found: dict[str, Change]) -> dict[str, Any]:
    """Return changes as plain values."""
    return {
        tag: {"before": [*one.before], "after": [*one.after], "difference": [*one.difference], "fall": one.fall, "n": one.n}
        for tag, one in found.items()
    }


def build(arguments: argparse.Namespace) -> tuple[dict[str, Path], dict[str, Any]]:
    """Make all checkpoints; return them by arm, and what the distillation counted."""
    work, run = arguments.work, arguments.run
    general_rows = tables.read(run / "steps/arbitrage/examples.parquet", Example)
    base = stage(work / "base", lambda out: make_base(arguments.gemma, run, out))
    general = stage(work / "general", lambda out: train(base, general_rows, out))
    refusals, anchors, document = distilled(arguments)
    replayed = random.Random(7).sample(general_rows, REPLAYED)  # noqa: S311 - no secret
    again = rehearsed(general, run, work / "measured.sqlite")
    rest = [*replayed, *again, *anchors]
    share = arguments.share or len(refusals) / (len(rest) + len(refusals))
    counts = f"{len(replayed)} general rows, {len(again)} rehearsed, {len(anchors)} anchors, {len(refusals)} refusals"
    print(f"{counts}, share {100 * share:.1f} %", flush=True)
    mixture = mix(rest, refusals, share, seed=7)
    arms = {"general": general, "mixed": stage(work / "mixed", lambda out: train(general, mixture, out, FURTHER))}
    if not arguments.merge:
        return arms, {"share": share, "refusals": len(refusals), "anchors": len(anchors), "distillation": document}
    expert = stage(work / "expert", lambda out: train(base, [*refusals, *anchors], out, FURTHER))
    arms["expert"] = expert
    for name, settings in MERGES.items():
        folder = work / name.replace(" ", "-")
        if not folder.exists():
            merge([general, expert], out=folder, base=base, **settings)
        arms[name] = folder
    return arms, {"share": share, "refusals": len(refusals), "anchors": len(anchors), "distillation": document}


def main() -> None:
    """Build, measure, print, write report.json."""
    import torch

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name in ("--run", "--work"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--gemma", type=resolve, default="gemma-3-270m", help="folder, hub name, or the bundled model")
    parser.add_argument(
        "--split", choices=SPLITS[1:], default="heldout", help="what is measured; settings are chosen on validation"
    )
    parser.add_argument("--items", type=int, default=48, help="items of the split, each in all languages, with a twin")
    parser.add_argument("--train-items", type=int, default=96, help="items about the organisation, with a twin")
    parser.add_argument("--anchors", type=int, default=140, help="further harmless items, about names that sound alike")
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--anchor-samples", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--share", type=float, help="of refusals in the mixture; default: all that were distilled")
    parser.add_argument("--merge", action="store_true", help="also train the expert, merge and measure")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.work.mkdir(parents=True, exist_ok=True)
    arms, made = build(arguments)
    policy = make_prompts(arguments.split, arguments.items)
    heldout = [one for one in tables.read(arguments.run / "steps/prompts/prompts.parquet", Prompt) if one.split == "heldout"]
    with Store(arguments.work / "measured.sqlite") as store:
        measured = {name: Measured(path, policy, heldout, store) for name, path in arms.items()}
    for name, one in measured.items():
        write_evaluation(arguments.work, arguments.split, name, one)
    about = {**made, "split": arguments.split, "items": arguments.items, "heldout": len(heldout)}
    text = json.dumps({**about, "arms": compared(measured)}, ensure_ascii=False, indent=1)
    (arguments.work / f"report-{arguments.split}.json").write_text(text, encoding="utf-8")


def compared(measured: dict[str, Measured]) -> dict[str, dict[str, Any]]:
    """Print and return, for every arm and question, what changed from `general`."""
    arms: dict[str, dict[str, Any]] = {}
    for name, one in measured.items():
        if name == "general":
            continue
        print(f"\n=== {name} against general")
        arms[name] = {}
        for question, values in QUESTIONS.items():
            found = changes(values(measured["general"]), values(one))
            show(question, found)
            arms[name][question] = as_json(found)
    return arms


if __name__ == "__main__":
    main()
