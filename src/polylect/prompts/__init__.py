"""Where prompts come from: parallel world facts made from CLDR, and the user's own files."""

from __future__ import annotations

from polylect.prompts.facts import WorldFacts, few_shot, world_facts
from polylect.prompts.files import from_file
from polylect.prompts.kinds import Drop, Fact, Kind, kind, known_kinds
from polylect.prompts.names import Names
from polylect.prompts.packs import TEMPLATES, Pack, load_pack, load_packs

__all__ = [
    "TEMPLATES",
    "Drop",
    "Fact",
    "Kind",
    "Names",
    "Pack",
    "WorldFacts",
    "few_shot",
    "from_file",
    "kind",
    "known_kinds",
    "load_pack",
    "load_packs",
    "world_facts",
]
