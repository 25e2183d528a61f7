"""Invented documents of `polylect gap` of realistic shape. No number in them was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from polylect import languages
from polylect.records import content_hash

SCHEMA = "polylect.gap/1"
LEVELS = ("claimed", "trained", "evaluated", "human-checked", "safety-tested", "mitigated")
MODELS = ("aya-expanse-8b", "gemma-3-4b-it")
SOME = (
    "en",
    "zh-Hans",
    "hi",
    "es",
    "ar",
    "fr",
    "pt",
    "ru",
    "de",
    "ja",
    "fa",
    "tr",
    "ko",
    "he",
    "ur",
    "sw",
    "yo",
    "my",
    "km",
    "am",
)


def chance(*parts: object) -> float:
    """A repeatable number in [0, 1] that looks like noise."""
    return int(content_hash(*parts)[:8], 16) / 0xFFFFFFFF


def facts(tag: str) -> dict[str, Any]:
    """What rows say of a language."""
    found = languages.get(tag)
    return {
        "language": found.tag,
        "name": found.name,
        "script": found.script,
        "family": found.family,
        "resource_class": found.resource_class,
        "speakers": found.speakers,
    }


def document(kind: str, rows: list[dict[str, Any]], summary: dict[str, Any]) -> dict[str, Any]:
    """The envelope of all documents."""
    return {"schema": SCHEMA, "kind": kind, "rows": rows, "summary": summary, "notes": [f"A note of the {kind} document."]}


def tokenizer(tags: Sequence[str] = SOME, names: Sequence[str] = ("wide-bpe",), extra: int = 0) -> dict[str, Any]:
    """Premiums of `tags` and of `extra` languages that the table does not have (codes for private use), per tokenizer."""
    rows, rest = [], [f"q{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(extra)]
    for name in names:
        rows += [_cost(name, facts(tag)) for tag in tags]
        rows += [
            _cost(name, {**dict.fromkeys(facts("en")), "language": tag, "name": f"Language {tag}", "script": "Latn"})
            for tag in rest
        ]
    made = [_tokenizer_facts(name, [row for row in rows if row["tokenizer"] == name]) for name in names]
    corpus = {
        "name": "udhr",
        "source": "thirty invented articles",
        "languages": len(tags) + extra,
        "texts": 30 * (len(tags) + extra),
    }
    return document("tokenizer", rows, {"reference": "en", "seed": 0, "corpus": corpus, "tokenizers": made})


def _cost(tokenizer_name: str, known: dict[str, Any]) -> dict[str, Any]:
    tag = known["language"]
    premium = 1.0 if tag == "en" else round(0.9 + 8 * chance(tokenizer_name, tag) ** 3, 4)
    spread = 0.0 if tag == "en" else 0.06 * premium
    return {
        "tokenizer": tokenizer_name,
        "premium": premium,
        "low": premium - spread,
        "high": premium + spread,
        "byte_premium": 1.4,
        "fertility": 1.1 * premium,
        "continued": 0.4,
        "byte_fallback": 0.01,
        "characters_per_token": 4 / premium,
        "articles": 30,
        "notes": "",
        "cost": 0.003 * premium,
        "context_left": int(32768 / premium),
        "whole_words": 0.5,
        "nfd": 1.02,
        "unknown": 0.0,
        "lost": 0.0,
        "tokens": int(1500 * premium),
        "tokens_used": 600,
        "tokens_shared": 0.1,
        **known,
    }


def _tokenizer_facts(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for column in ("script", "family", "resource_class"):
        values = list(dict.fromkeys(row[column] for row in rows))
        groups[column] = [_group(value, [row for row in rows if row[column] == value]) for value in values]
        groups[column].sort(key=lambda entry: -entry["premium"])
    people = {"languages": 20, "speakers": 6_000_000_000, "premium": 1.5, "premium_without_reference": 1.7}
    return {
        "name": name,
        "kind": "huggingface",
        "fingerprint": "0123456789abcdef",
        "window": 32768,
        "price": 2.5,
        "reference_tokens": 1500,
        "reference_fertility": 1.1,
        "languages": len(rows),
        "not_measured": [],
        "median_premium": 1.7,
        "vocabulary": {"size": 64000, "scripts": {"Latn": 40000, "Cyrl": 9000, "Arab": 5000, "symbols": 900}},
        "groups": groups,
        "speakers": {**people, "share_at_least": {"1.5": 0.4, "2": 0.2, "3": 0.1, "5": 0.01}},
        "notes": [],
    }


def _group(value: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
    premiums = sorted(row["premium"] for row in rows)
    middle = premiums[len(premiums) // 2]
    ends = {"premium": middle, "lowest": premiums[0], "highest": premiums[-1]}
    return {"group": value, "languages": len(rows), **ends, "speakers": None, "weighted": None}


def coverage(tags: Sequence[str] = SOME) -> dict[str, Any]:
    """A ledger: all claimed, each further level with fewer languages, the last blank everywhere."""
    rows = []
    for tag in tags:
        for place, level in enumerate(LEVELS):
            there = place == 0 or chance("cover", tag) > place / 5
            state = "" if not there or level == "mitigated" else "stated" if place % 2 == 0 else "shown"
            link = (
                [f'README.md:{place + 7} "the phrase on {tag}"'] if state == "stated" else ["results.parquet, 120 rows: scores"]
            )
            rows.append(
                {
                    **facts(tag),
                    "speakers_source": "CLDR 48",
                    "level": level,
                    "state": state,
                    "sources": int(bool(state)),
                    "rows": 120 if state == "shown" else None,
                    "evidence": link if state else [],
                }
            )
    summary = {
        "sources": [{"path": "README.md", "kind": "card"}, {"path": "results.parquet", "kind": "results"}],
        "languages": len(tags),
        "levels": {level: _level([row for row in rows if row["level"] == level and row["state"]]) for level in LEVELS},
        "unresolved": [{"text": "Klingon", "source": "README.md", "line": 12, "reason": "no language of that name is known"}],
        "unspecific": [{"quote": "over 100 languages", "source": "README.md", "line": 3, "count": 100, "level": "claimed"}],
        "required": None,
        "evidence": [],
    }
    return document("coverage", rows, summary)


def _level(rows: list[dict[str, Any]]) -> dict[str, Any]:
    shown = [row for row in rows if row["state"] == "shown"]
    return {
        "languages": len(rows),
        "stated": len(rows) - len(shown),
        "shown": len(shown),
        "speakers": sum(row["speakers"] for row in rows),
        "speakers_shown": sum(row["speakers"] for row in shown),
        "speakers_unknown": [],
    }


def performance(tags: Sequence[str] = SOME, models: Sequence[str] = MODELS) -> dict[str, Any]:
    """Accuracy of models in `tags` on one benchmark."""
    rows = [row for model in models for row in _scores(model, tags)]
    names = {f"{x}_{y}": f"{x} class, {y} score" for x in ("high", "low") for y in ("high", "low")}
    axes = {"mode": "standing", "x": "resource class", "y": "share of English", "x_limit": 3.0, "y_limit": 0.9}
    groups = [_performance_group(model, [row for row in rows if row["model"] == model], list(names.values())) for model in models]
    summary = {
        "reference": "en",
        "theta": 0.9,
        "worst_k": 3,
        "seed": 0,
        "metrics_left_out": [],
        "sources": [{"source": "results.parquet", "kind": "results", "rows": 4000}],
        "models": list(models),
        "benchmarks": ["global-mmlu"],
        "rows_read": 4000,
        "unscored": 4,
        "unscored_reasons": {"no answer found": 4},
        "left_out": {},
        "unresolved": [],
        "premiums": None,
        "quadrants_axes": {**axes, "names": names, "source": "invented"},
        "groups": groups,
    }
    return document("performance", rows, summary)


def _scores(model: str, tags: Sequence[str]) -> list[dict[str, Any]]:
    scores = {tag: 0.66 if tag == "en" else 0.62 - 0.34 * chance("score", model[:3], tag) ** 1.5 for tag in tags}
    best = max(scores.values())
    rows = []
    for tag, score in scores.items():
        gap, far = scores["en"] - score, best - score
        share = score / scores["en"]
        there = tag != "en"
        rows.append(
            {
                "model": model,
                "benchmark": "global-mmlu",
                "metric": "accuracy",
                **facts(tag),
                "score": score,
                "low": score - 0.04,
                "high": score + 0.04,
                "n": 200,
                "items": 200,
                "unscored": 0,
                "gap_english": gap if there else None,
                "gap_english_low": gap - 0.03 if there else None,
                "gap_english_high": gap + 0.03 if there else None,
                "gap_best": far,
                "gap_best_low": far - 0.03,
                "gap_best_high": far + 0.03,
                "shared": 1.0,
                "absolute": share,
                "absolute_low": share - 0.05,
                "absolute_high": share + 0.05,
                "equivalent": "yes" if share > 0.95 else "no" if share < 0.85 else "open",
                "relative": 0.97,
                "relative_to": MODELS[0],
                "premium": None,
                "quadrant": None,
                "notes": "",
            }
        )
    return rows


def _performance_group(model: str, rows: list[dict[str, Any]], names: list[str]) -> dict[str, Any]:
    ordered = sorted(rows, key=lambda row: row["score"])

    def estimate(value: float, half: float = 0.03) -> dict[str, Any]:
        return {"value": value, "low": value - half, "high": value + half}

    english = next(row for row in rows if row["language"] == "en")
    others = [row["score"] for row in rows if row["language"] != "en"]
    mean = sum(others) / len(others)
    states = {state: [row["language"] for row in rows if row["equivalent"] == state] for state in ("yes", "no", "open")}
    ends = [{"language": row["language"], **estimate(row["score"])} for row in (ordered[-1], ordered[0])]
    return {
        "model": model,
        "benchmark": "global-mmlu",
        "metric": "accuracy",
        "bounds": [0, 1],
        "languages": len(rows),
        "scored_languages": len(rows),
        "n": 4000,
        "items": 200,
        "unscored": 4,
        "has_items": True,
        "design": "paired",
        "english": estimate(english["score"]),
        "macro": estimate(mean),
        "best": ends[0],
        "worst": ends[1],
        "worst_k": {"k": 3, "languages": [row["language"] for row in ordered[:3]], **estimate(ordered[1]["score"])},
        "gini": {**estimate(0.12, 0.02), "reason": None},
        "gap_english": {**estimate(english["score"] - mean), "reason": None},
        "equivalence": {"theta": 0.9, **states},
        "correlations": {
            "resource_class": {**estimate(0.61, 0.2), "languages": len(rows), "reason": None},
            "premium": {"value": None, "low": None, "high": None, "languages": 0, "reason": "no premiums given"},
        },
        "quadrants": {
            name: [row["language"] for n, row in enumerate(rows) if n % 4 == place] for place, name in enumerate(names)
        },
        "unscored_languages": [],
    }


def survey() -> dict[str, Any]:
    """A survey of 200 invented abstracts of ten years."""
    years = [_year(year) for year in range(2016, 2026)]
    counts = {name: sum(row[name] for row in years) for name in ("several", "one_other", "english_said", "claimed", "silent")}
    named = [{**facts(tag), "documents": 90 // (place + 1), "share": 0.9 / (place + 1)} for place, tag in enumerate(SOME)]
    never = sorted((row for row in languages.known() if row.tag not in SOME), key=lambda row: -row.speakers)
    listed = [{key: facts(row.tag)[key] for key in ("language", "name", "speakers", "resource_class")} for row in never]
    said, silent = counts["english_said"], counts["silent"]
    classes = [{"resource_class": n, "languages": 20, "named": 3 * n, "documents": 11 * n} for n in range(6)]
    row = {
        "document": "doe2020",
        "source": "papers.bib",
        "kind": "abstract",
        "title": "Parsing",
        "year": 2020,
        "venue": "ACL",
        "practice": "silent",
        **dict.fromkeys(facts("en")),
        "part": None,
        "mentions": 0,
        "quote": "",
        "line": None,
    }
    summary = {
        "documents": 200,
        "by_kind": {"abstract": 200},
        "practices": {**counts, "not_language": 20},
        "bender": {
            "english_only": said + silent,
            "said": said,
            "silent": silent,
            "share": said / (said + silent),
            "low": 0.2,
            "high": 0.4,
        },
        "years": years,
        "venues": [{**years[0], "venue": "ACL"}, {**years[-1], "venue": None}],
        "languages": named,
        "classes": classes,
        "never_named": {
            "languages": len(never),
            "of": len(languages.known()),
            "speakers": sum(r.speakers for r in never),
            "list": listed,
        },
        "unread": [],
        "unread_reasons": {},
        "unresolved": [{"text": "Elvish", "documents": 1}],
    }
    return document("survey", [row], summary)


def _year(year: int) -> dict[str, Any]:
    said = year - 2014
    counts = {
        "several": 2 + (year - 2016),
        "one_other": 3,
        "english_said": said,
        "claimed": 1,
        "silent": 22 - said,
        "not_language": 2,
    }
    return {"year": year, "documents": sum(counts.values()), **counts, "share": said / 22}
