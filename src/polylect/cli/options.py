"""Options that several commands have, and how they are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from polylect.models.engine import Limits, Retries

__all__ = ["SAFETY_SETS", "detector_option", "dtype_option", "endpoint_options", "limits_of", "listed", "retries_of", "valued"]

_Command = Callable[..., Any]

SAFETY_SETS = ("own", "aya", "multijail", "xstest", "polyguard", "advbench")
"""Kinds of safety prompt sets that are there to be answered; written out, for `--help` loads no part of the library."""

detector_option = click.option(
    "--detector", metavar="NAME", help="Reads answers: rules, learned, or a file of weights.  [default: rules]"
)
dtype_option = click.option("--dtype", type=click.Choice(["float32", "bfloat16", "float16"]), help="Of a local model's weights.")


def endpoint_options(command: _Command) -> _Command:
    """Add the options about requests to an endpoint; `limits_of` and `retries_of` read them."""
    for option in (
        click.option("--timeout", type=float, metavar="SECONDS", help="Of one request to an endpoint.  [default: 120]"),
        click.option("--max-in-flight", type=click.IntRange(min=1), metavar="N", help="Requests at a time per endpoint."),
    ):
        command = option(command)
    return command


def limits_of(max_in_flight: int | None) -> Limits | None:
    """Return the engine's limits; None: it finds them out."""
    from polylect.models.engine import Limits

    return Limits(in_flight=max_in_flight) if max_in_flight else None


def retries_of(timeout: float | None) -> Retries | None:
    """Return how the engine tries again, with the time limit given; None: as it usually does."""
    from polylect.models.engine import Retries

    return Retries(timeout=timeout) if timeout else None


def listed(text: str | None) -> list[str]:
    """Return the parts of a list with commas between them, none where it was not given."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def valued(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that have a value: what was not given keeps the default of the function that is called."""
    return {name: value for name, value in options.items() if value is not None}
