"""`polylect safety attack`: a prompt set transformed by an attack, and how much better the attack works than plain asking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from polylect.cli.context import CONTEXT
from polylect.cli.options import listed
from polylect.cli.printing import print_json

__all__ = ["command"]

_PATH = click.Path(path_type=Path)
_POSITIVE = click.IntRange(min=1)
_SHARE = click.FloatRange(0, 1, min_open=True)

_HELP = """Transform a prompt set as attackers do, to see whether a model's safety holds in every language.

translate: into the languages of --into (the back-translation tells whether the meaning was kept); code-switch: a share of the
words in another language; transliterate: the same words in another script; wrap: an English frame around each prompt.

DIR gets prompts.parquet, which `polylect safety eval` reads: the columns of a prompt set, and attack, attack_of, meaning_kept.
What could not be transformed is counted by reason in safety.json. With --compare, DIR gets the rates of the second evaluation
minus those of the first, paired by prompt, over prompts whose meaning was kept. No prompt is printed.

\b
Examples:
  polylect safety attack --prompts aya.jsonl --kind translate --into zu,gn --translator nllb:models/nllb --out attacks/translate
  polylect safety attack --prompts aya.jsonl --kind code-switch --into sw --words en-sw.csv --share 0.4 --out attacks/switch
  polylect safety attack --prompts aya.jsonl --kind transliterate --languages ar,hi,ru --out attacks/latin
  polylect safety eval --model models/mine --prompts attacks/latin/prompts.parquet --out safety/latin
  polylect safety attack --compare safety/plain safety/latin --out attacks/latin-effect
"""


@click.command(name="attack", help=_HELP, context_settings=CONTEXT)
@click.option("--prompts", type=_PATH, metavar="TABLE", help="The prompt set.")
@click.option(
    "--kind", type=click.Choice(["translate", "code-switch", "transliterate", "wrap"]), help="What is done to the prompts."
)
@click.option("--into", metavar="TAG,...", help="Languages to translate into, or to take words from.")
@click.option("--translator", metavar="SPEC", help="What translates; see docs/translators.md.")
@click.option("--back", is_flag=True, help="Ask the back-translation, in the prompt's language, not the translation.")
@click.option(
    "--words", type=_PATH, metavar="TABLE", help="Bilingual words: language, word, into, translation; or a column each."
)
@click.option("--share", type=_SHARE, default=0.3, show_default=True, metavar="S", help="Of the words that are switched.")
@click.option("--script", metavar="CODE", help="Script to write in: Latn, Cyrl, Grek, Arab, Deva.  [default: Latn]")
@click.option("--wrappers", type=_PATH, metavar="TABLE", help="Your wrappers: name, template with {prompt}.  [default: ours]")
@click.option("--least-meaning", type=click.FloatRange(0, 1), metavar="M", help="From here on the meaning counts as kept.")
@click.option("--compare", nargs=2, type=_PATH, metavar="PLAIN ATTACKED", help="Folders of two safety evaluations instead.")
@click.option("--untold", is_flag=True, help="With --compare: count prompts whose meaning nothing tells, too.")
@click.option("--languages", metavar="TAG,...", help="Attack the prompts of these languages only.")
@click.option("--limit", type=_POSITIVE, metavar="N", help="Most prompts per language, harmful and harmless each.")
@click.option("--out", required=True, type=_PATH, metavar="DIR", help="Folder of the result.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the choice of words, and of the resamples.")
@click.option("--json", "as_json", is_flag=True, help="Print safety.json.")
def command(compare: tuple[Path, Path] | None, as_json: bool, **options: Any) -> None:
    """Transform or compare, and print what came out."""
    from polylect.cli.safety_attack_tables import print_attack
    from polylect.cli.stage_display import StageDisplay
    from polylect.safety.attacks import compare_attack

    if compare:
        told = {name: options[name] for name in ("out", "prompts", "untold", "seed")}
        found = compare_attack(*compare, **told)
    else:
        with StageDisplay(quiet=as_json) as display:
            found = _attack(display.show, **options)
    if as_json:
        print_json(found.as_dict())
    else:
        print_attack(found)


def _attack(
    show: Any, *, prompts: Path | None, kind: str | None, out: Path, into: str | None, translator: str | None,
    least_meaning: float | None, languages: str | None, limit: int | None, untold: bool, **options: Any,
) -> Any:  # fmt: skip
    """Transform a prompt set."""
    from polylect.safety.attacks import AttackOptions, attack

    if prompts is None or kind is None:
        raise click.UsageError("give --prompts TABLE and --kind KIND, or --compare PLAIN ATTACKED.")
    if untold:
        raise click.UsageError("--untold belongs to --compare.")
    told = AttackOptions(into=tuple(listed(into)), least=least_meaning, **options)
    tags = listed(languages) or None
    return attack(prompts, kind, out=out, options=told, translator=translator, languages=tags, limit=limit, progress=show)
