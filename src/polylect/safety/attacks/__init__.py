"""Attacks on safety as transforms of a prompt set, and how much better they work than plain asking."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polylect.safety.attacks.base import Attack, Attacked, AttackOptions, attack_kinds, register
    from polylect.safety.attacks.comparing import compare_attack, success_gaps
    from polylect.safety.attacks.making import AttackRun, attack
    from polylect.safety.attacks.table import AttackedPrompt

__all__ = [
    "Attack",
    "AttackOptions",
    "AttackRun",
    "Attacked",
    "AttackedPrompt",
    "attack",
    "attack_kinds",
    "compare_attack",
    "register",
    "success_gaps",
]

_HOME = {
    "Attack": "base",
    "AttackOptions": "base",
    "AttackRun": "making",
    "Attacked": "base",
    "AttackedPrompt": "table",
    "attack": "making",
    "attack_kinds": "base",
    "compare_attack": "comparing",
    "register": "base",
    "success_gaps": "comparing",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562), so that `--help` stays fast."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
