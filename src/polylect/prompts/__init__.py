"""Where prompts come from: world facts from CLDR, the user's files, translation, passages, and seeds."""

from __future__ import annotations

from polylect.prompts.facts import WorldFacts, few_shot, world_facts
from polylect.prompts.files import from_file
from polylect.prompts.ground import ground
from polylect.prompts.instruct import instruct
from polylect.prompts.kinds import Drop, Fact, Kind, kind, known_kinds
from polylect.prompts.names import Names
from polylect.prompts.packs import TEMPLATES, Pack, load_pack, load_packs
from polylect.prompts.translate import translate

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
    "ground",
    "instruct",
    "kind",
    "known_kinds",
    "load_pack",
    "load_packs",
    "translate",
    "world_facts",
]
