"""The command group: loads a command's module only when that command is called, and turns errors into exit codes."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

import click

from polylect import __version__
from polylect.cli.context import CONTEXT
from polylect.errors import PolylectError

__all__ = ["LazyGroup", "gap_group", "import_group", "main", "prompts_group", "safety_group", "train_group"]

_COMMANDS = {
    "run": ("run", "Run a recipe: from a base model to a better multilingual one, with the evidence."),
    "why": ("why", "Say why a step of a run would run again, or would not."),
    "report": ("report", "Write a run's report again: HTML, JSON, CSV."),
    "languages": ("languages", "What is known of a language: codes, script, family, speakers, resource class."),
    "merge": ("merge", "Merge models: linear, SLERP, TIES, DARE and more; adapters and vocabularies too."),
    "merge search": ("merge_search", "Find the weights of a merge on per-language validation items."),
    "merge extract": ("extract", "Write the difference of two models as a LoRA adapter."),
    "arbitrage": ("arbitrage", "Ask a pool of teachers and keep the best answer to each prompt."),
    "generate": ("generate", "Let one model answer a table of prompts."),
    "eval": ("eval", "Evaluate a model on benchmarks, per language, with intervals."),
    "compare": ("compare", "Compare two models on the same items, regressions first."),
    "power": ("power", "How many prompts and judge calls a difference needs."),
    "card": ("card", "Write a model card's metadata and the section on languages that cards lack."),
    "import": ("imports", "Bring in results of other tools: lm-evaluation-harness."),
    "export": ("export", "Write results for other tools: results JSON, model card."),
    "gap": ("gap", "The language gap: what each language costs, who is covered, how far behind."),
    "survey": ("survey", "Which languages papers and cards study, and whether they say so."),
    "safety": ("safety", "Safety per language: harm, refusals, answers beside the point, over-refusal."),
    "prompts": ("prompts", "Make prompts: translate a set, ground in passages, grow from seeds."),
    "train": ("train", "Single training steps: trim a vocabulary, train a reward model."),
}
_TRAIN = {
    "trim": ("trim", "Cut a model's vocabulary down to the tokens that some texts need."),
    "reward": ("train_reward", "Train a reward model on preference pairs."),
}
_IMPORT = {
    "lm-eval": ("import_lm_eval", "Per-item results of lm-evaluation-harness (--log_samples)."),
}
_GAP = {
    "tokenizer": ("gap_tokenizer", "What each of 460 languages costs with a tokenizer."),
    "coverage": ("gap_coverage", "Who is claimed, trained, evaluated, human-checked, safety-tested."),
    "performance": ("gap_performance", "How far each language is behind English and the best one."),
}
_SAFETY = {
    "eval": ("safety_eval", "How a model answers harmful prompts and harmless twins, per language."),
    "distil": ("safety_distil", "Training rows: refusals that a safety preamble draws from the model itself."),
    "mix-or-merge": ("safety_mix_or_merge", "Safety data mixed in, or a safety expert merged in: harm against quality."),
    "attack": ("safety_attack", "Prompts translated, code-switched, transliterated, wrapped; the effect."),
    "drift": ("safety_drift", "Expected maximum toxicity over samples, with dated prompts and lexicons."),
}
_PROMPTS = {
    "translate": ("prompts_translate", "Translate a prompt set into other languages, code and numbers kept."),
    "ground": ("prompts_ground", "Questions and answers from passages, in the passage's language."),
    "instruct": ("prompts_instruct", "New instructions in each language from a few seeds."),
}


class LazyGroup(click.Group):
    """A group that knows its commands' names and summaries, and imports a command when it is used.

    Args:
        lazy: name -> (module in polylect.cli, one-line summary); the module's `command` is the command.
    """

    def __init__(self, *, lazy: Mapping[str, tuple[str, str]], name: str | None = None, help: str | None = None) -> None:  # noqa: A002
        super().__init__(name=name, help=help, context_settings=CONTEXT)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the recipe's life."""
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if cmd_name not in self.lazy:
            return None
        command: click.Command = import_module(f"polylect.cli.{self.lazy[cmd_name][0]}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the summaries, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in self.lazy.items()])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve a command of one or two words; an unknown one names the nearest."""
        from polylect.errors import nearest

        both = " ".join(args[:2])
        if len(args) > 1 and both in self.lazy:
            # Of two words, since the first is a command of its own: `polylect merge A B` and `polylect merge search A B`.
            return both, self.get_command(ctx, both), args[2:]
        if args and args[0] not in self.lazy and not args[0].startswith("-"):
            raise click.UsageError(f"no command {args[0]!r}.{nearest(args[0], self.lazy)} See polylect --help.", ctx)
        return super().resolve_command(ctx, args)


def _group() -> LazyGroup:
    text = (
        "Post-train one language model for many languages, and show whom it serves.\n\n"
        "\b\nStart here:\n"
        "  polylect run recipes/quickstart.yaml            the whole recipe on 2 cores, no account\n"
        "  polylect run recipes/quickstart.yaml --dry-run  what it would do, with time and disk\n"
        "  polylect languages tr                           what is known of a language"
    )
    group = LazyGroup(lazy=_COMMANDS, name="polylect", help=text)
    return click.version_option(__version__, prog_name="polylect")(group)


def train_group() -> LazyGroup:
    """Return the group `polylect train`."""
    return LazyGroup(lazy=_TRAIN, name="train", help="Single training steps.")


def import_group() -> LazyGroup:
    """Return the group `polylect import`."""
    return LazyGroup(lazy=_IMPORT, name="import", help="Bring in results of other tools.")


def gap_group() -> LazyGroup:
    """Return the group `polylect gap`."""
    return LazyGroup(lazy=_GAP, name="gap", help="The language gap: what each language costs, who is covered, how far behind.")


def safety_group() -> LazyGroup:
    """Return the group `polylect safety`."""
    return LazyGroup(lazy=_SAFETY, name="safety", help="Safety in every language: measure it, improve it, show what it costs.")


def prompts_group() -> LazyGroup:
    """Return the group `polylect prompts`."""
    return LazyGroup(lazy=_PROMPTS, name="prompts", help="Make prompts in many languages.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0 done, 1 our bug, 2 the user's mistake, 3 a service failed, 130 interrupted."""
    try:
        _group().main(args=list(arguments) if arguments is not None else None, prog_name="polylect", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return 2
    except PolylectError as error:
        _say(f"Error: {error}")
        return error.exit_code
    except (KeyboardInterrupt, click.Abort) as error:
        # click wraps the interrupt; one with a message comes from the runner, which has said it already.
        if not (error.__cause__ or error).args:
            _say("Interrupted.")
        return 130
    except SystemExit:
        # Only click and rich leave like this: when the reader of the output has gone, as in `polylect languages | head`.
        return 0
    return 0


def _say(message: str) -> None:
    sys.stderr.write(f"{message}\n")
