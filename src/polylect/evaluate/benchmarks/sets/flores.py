"""FLORES-200: sentences to translate, in both directions with English."""

from __future__ import annotations

import re
from collections.abc import Iterator

from polylect import languages
from polylect.errors import DataError, nearest
from polylect.evaluate.benchmarks.base import Column, Question, Row
from polylect.evaluate.benchmarks.registry import benchmark
from polylect.evaluate.task_types import Item

__all__: list[str] = []

_PREFIX = "sentence_"
_VARIETY = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}_[a-z]{4}\d{4}")
_CONFIGS = (
    "afr_Latn amh_Ethi arb_Arab asm_Beng ben_Beng bul_Cyrl cat_Latn ceb_Latn ces_Latn cym_Latn dan_Latn deu_Latn "
    "ell_Grek eng_Latn est_Latn eus_Latn fin_Latn fra_Latn gle_Latn glg_Latn guj_Gujr hat_Latn hau_Latn heb_Hebr "
    "hin_Deva hrv_Latn hun_Latn hye_Armn ibo_Latn ind_Latn isl_Latn ita_Latn jav_Latn jpn_Jpan kan_Knda kat_Geor "
    "kaz_Cyrl khm_Khmr kor_Hang lao_Laoo lit_Latn lvs_Latn mal_Mlym mar_Deva mkd_Cyrl mlt_Latn mya_Mymr nld_Latn "
    "nob_Latn npi_Deva pan_Guru pbt_Arab pes_Arab plt_Latn pol_Latn por_Latn ron_Latn rus_Cyrl sin_Sinh slk_Latn "
    "slv_Latn sna_Latn som_Latn spa_Latn srp_Cyrl swe_Latn swh_Latn tam_Taml tel_Telu tgl_Latn tha_Thai tur_Latn "
    "ukr_Cyrl urd_Arab vie_Latn xho_Latn yor_Latn zho_Hans zho_Hant zsm_Latn zul_Latn"
)


def _ask(item: Item, tag: str) -> Question:
    source, target = (languages.get(name).name for name in (item.source_language, item.target_language))
    return Question(
        text=f"Translate the following sentence from {source} into {target}. Answer with the translation only.\n\n{item.text}",
        answer=item.references[0],
    )


@benchmark(
    name="flores-200",
    hub_ids=("openlanguagedata/flores_plus", "facebook/flores"),
    kind="translate",
    metrics=("chrf++",),
    configs=tuple(_CONFIGS.split()),
    columns={
        "id": Column("int", required=False),
        "text": Column(required=False),
        "sentence": Column(required=False),
        "iso_639_3": Column(required=False),
        "iso_15924": Column(required=False),
    },
    test="devtest",
    dev="dev",
    prompt_language="en",
    prompt_languages=("en",),
    ask=_ask,
    language_in="either",
    paired_with="en",
    items="the split and the column id, or the line number: the same sentence in every language; `subset` is the direction",
    subsets="from English, into English",
    licence="CC-BY-SA-4.0",
    citation="NLLB Team 2022, 'No Language Left Behind', arXiv 2207.04672; Goyal et al. 2022; Maillard et al. 2024 (FLORES+)",
    source="chrF++ as sacrebleu's chrF with word_order=2 (Popović 2017)",
)
def _read(row: Row) -> Iterator[Item]:
    """Read either layout: one language per row (`text` or `sentence`), or a column `sentence_xxx_Xxxx` per language."""
    identifier = str(row.get("id", row.number))
    wide = {name.removeprefix(_PREFIX): value for name, value in row.values.items() if name.startswith(_PREFIX)}
    sentences = wide or {_code(row): row.get("text") or row.get("sentence")}
    for code, sentence in sentences.items():
        if not isinstance(sentence, str) or not sentence.strip():
            expected = ("text", "sentence", f"{_PREFIX}eng_Latn")
            raise DataError(
                f"{row.where}: no sentence in {code or 'any language'} ({sentence!r}); expected one of the columns "
                f"{', '.join(map(repr, expected))}; found {', '.join(map(repr, row.values))}.{nearest('text', row.values)}"
            )
        yield Item(benchmark="flores-200", item=f"{row.split}:{identifier}", language=code, text=sentence.strip("\n"))


def _code(row: Row) -> str:
    """Return the code of the row's language: of its own columns where it has them, else what its path names.

    A file named after a variety (`cat_Latn_vale1252`) is not taken for the language: its sentences are there as well.
    """
    code = f"{row.get('iso_639_3')}_{row.get('iso_15924')}" if row.get("iso_639_3") and row.get("iso_15924") else ""
    if _VARIETY.fullmatch(row.config):
        return row.config
    return code or row.language or row.config
