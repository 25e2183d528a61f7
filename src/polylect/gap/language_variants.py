"""Names of languages that cards use beside those of CLDR and of the reviewed table, as data.

Common English variants, endonyms in Latin letters, and older spellings; each with the tag that it means.
"""

from __future__ import annotations

__all__ = ["REGIONS", "SCRIPTS", "VARIANTS"]

VARIANTS = {
    "Afaan Oromo": "om", "Akan Twi": "tw", "Azeri": "az", "Bahasa Indonesia": "id", "Bahasa Malaysia": "ms",
    "Bahasa Melayu": "ms", "Belorussian": "be", "Bengali": "bn", "Bokmål": "nb", "Cambodian": "km", "Castilian": "es",
    "Catalan; Valencian": "ca", "Central Khmer": "km", "Chewa": "ny", "Chichewa": "ny", "Chinese": "zh-Hans",
    "Chinese Mandarin": "zh-Hans", "Dhivehi": "dv", "Farsi": "fa", "Fijian Hindi": "hif", "Frisian": "fy", "Fulah": "ff",
    "Fulani": "ff", "Fulfulde": "ff", "Gaelic": "gd", "Greenlandic": "kl", "Haitian": "ht", "Hokkien": "nan",
    "Ilocano": "ilo", "Irish Gaelic": "ga", "isiXhosa": "xh", "isiZulu": "zu", "Kazak": "kk", "Kirghiz": "ky", "Kiswahili": "sw",
    "Kirundi": "rn", "Kurdish": "ku", "Kurmanji": "ku", "Laotian": "lo", "Luganda": "lg", "Malaysian": "ms",
    "Maldivian": "dv", "Mandarin": "zh-Hans", "Mandarin Chinese": "zh-Hans", "Meitei": "mni", "Modern Greek": "el",
    "Moldovan": "ro", "Myanmar": "my", "Ndebele": "nd", "Norwegian": "nb", "Nynorsk": "nn", "Oriya": "or", "Panjabi": "pa",
    "Pedi": "nso", "Persian Farsi": "fa", "Pushto": "ps", "Sepedi": "nso", "Serbian": "sr-Cyrl", "Sesotho": "st",
    "Setswana": "tn", "Sinhalese": "si", "Siswati": "ss", "Slovene": "sl", "Sorani": "ckb", "Sorani Kurdish": "ckb",
    "Sotho": "st", "Standard Arabic": "ar", "Standard Chinese": "zh-Hans", "Swazi": "ss", "Tagalog": "fil",
    "Taiwanese Mandarin": "zh-Hant", "Tshivenda": "ve", "Uighur": "ug", "Valencian": "ca", "Xitsonga": "ts",
}  # fmt: skip
"""Name -> tag."""

REGIONS = frozenset(
    {"american", "argentinian", "australian", "austrian", "belgian", "brazil", "brazilian", "british", "canada", "canadian"}
    | {"castilian", "european", "france", "germany", "iberian", "india", "iran", "iranian", "italy", "japan", "latin american"}
    | {
        "mexican",
        "mexico",
        "modern",
        "modern standard",
        "peninsular",
        "portugal",
        "quebec",
        "spain",
        "standard",
        "swiss",
        "taiwan",
    }
    | {"uk", "us", "usa", "united kingdom", "united states", "eastern", "western", "northern", "southern", "msa"}
)
"""Words that say which variety of a language is meant, where the reviewed table has one row for all of them."""

SCRIPTS = {
    "arabic": "Arab", "bengali": "Beng", "cyrillic": "Cyrl", "devanagari": "Deva", "gurmukhi": "Guru", "han": "Hans",
    "hans": "Hans", "hant": "Hant", "latin": "Latn", "latin script": "Latn", "cyrillic script": "Cyrl", "romanized": "Latn",
    "roman": "Latn", "shahmukhi": "Arab", "simplified": "Hans", "simplified han": "Hans", "simp": "Hans", "tifinagh": "Tfng",
    "traditional": "Hant", "traditional han": "Hant", "trad": "Hant", "perso arabic": "Arab",
}  # fmt: skip
"""Names of scripts as they stand in brackets behind a language -> ISO 15924 code."""
