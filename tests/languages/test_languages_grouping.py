"""Clusters of languages by family, with shared languages in every cluster."""

import itertools

import pytest

from polylect import languages
from polylect.errors import LanguageError

QUICKSTART = ["en", "es", "ru", "hi", "tr", "ar", "id", "zh-Hans"]
AYA_EXPANSE = ["ar", "zh-Hans", "zh-Hant", "cs", "nl", "en", "fr", "de", "el", "he", "hi", "id"]
AYA_EXPANSE += ["it", "ja", "ko", "fa", "pl", "pt", "ro", "ru", "es", "tr", "uk", "vi"]


def test_quickstart_languages_form_three_clusters_with_english_in_each() -> None:
    """One cluster is a family, two pool lone languages with their nearest; English is in all three."""
    assert languages.clusters(QUICKSTART) == {
        "afro-asiatic-and-turkic": ("ar", "en", "tr"),
        "austronesian-and-sino-tibetan": ("en", "id", "zh-Hans"),
        "indo-european": ("en", "es", "hi", "ru"),
    }


def test_aya_expanse_clusters_share_english_spanish_and_french() -> None:
    """With the paper's shared languages every cluster has all three, and the clusters cover all languages once else."""
    shared = ("en", "es", "fr")
    clusters = languages.clusters(AYA_EXPANSE, shared)
    assert list(clusters) == ["afro-asiatic-and-turkic", "indo-european", "japonic-and-koreanic", "sino-tibetan-and-others"]
    assert all(set(shared) <= set(tags) for tags in clusters.values())
    own = [tag for tags in clusters.values() for tag in tags if tag not in shared]
    assert sorted(own + list(shared)) == sorted(AYA_EXPANSE)


def test_members_of_a_family_stay_together() -> None:
    """No family is split between clusters, whatever the selection of languages."""
    family = {row.tag: row.family for row in languages.known()}
    for start, step in itertools.product(range(5), range(2, 10)):
        tags = sorted(family)[start::step]
        clusters = languages.clusters(tags, shared=())
        for a, b in itertools.combinations(clusters.values(), 2):
            assert not {family[tag] for tag in a} & {family[tag] for tag in b}


def test_no_language_is_alone_when_that_can_be_avoided() -> None:
    """Every cluster has at least two languages of its own; two scripts of Chinese are one language."""
    iso = {row.tag: row.iso639_3 for row in languages.known()}
    for start, step in itertools.product(range(7), range(3, 20)):
        tags = sorted(iso)[start::step]
        assert all(len({iso[tag] for tag in group}) > 1 for group in languages.clusters(tags, shared=()).values())
    assert len(languages.clusters(["zh-Hans", "zh-Hant", "en", "es", "ja"], shared=())) == 2


def test_lone_language_is_left_alone_when_nothing_else_is_there() -> None:
    """A single language, or a single language beside the shared ones, is a cluster."""
    assert languages.clusters(["tr"]) == {"turkic": ("tr",)}
    assert languages.clusters(["en", "tr"]) == {"turkic": ("en", "tr")}
    assert languages.clusters(["en"]) == {"indo-european": ("en",)}


def test_shared_relative_is_company() -> None:
    """A language whose only relative is shared is not pooled with another family."""
    assert "indo-european" in languages.clusters(["en", "es", "tr", "az"])


def test_order_and_spelling_of_the_tags_do_not_matter() -> None:
    """Shuffled, repeated and differently spelt tags give the same clusters."""
    spelt = ["zh_CN", "ENG", "in", "ar-EG", *reversed(QUICKSTART)]
    assert languages.clusters(spelt) == languages.clusters(QUICKSTART)


def test_shared_languages_that_are_not_trained_are_not_added() -> None:
    """A shared language appears only if it is among the tags."""
    assert "en" not in itertools.chain(*languages.clusters(["es", "fr", "tr", "az"]).values())


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_number_of_clusters_can_be_limited(limit: int) -> None:
    """`max_clusters` is kept and no language is lost."""
    clusters = languages.clusters(AYA_EXPANSE, max_clusters=limit)
    assert len(clusters) == limit
    assert set(itertools.chain(*clusters.values())) == set(AYA_EXPANSE)


def test_names_are_lower_case_ascii_and_distinct() -> None:
    """Names of clusters can be used as names of folders."""
    clusters = languages.clusters([row.tag for row in languages.known()])
    assert all(name.isascii() and name.replace("-", "").islower() and name.replace("-", "").isalpha() for name in clusters)
    assert sum(len(tags) - ("en" in tags) for tags in clusters.values()) + 1 == len(languages.known())


def test_bad_input_names_the_value() -> None:
    """No language, an unknown one and a limit below one are refused."""
    with pytest.raises(LanguageError, match="no language to group"):
        languages.clusters([])
    with pytest.raises(LanguageError, match="'klingon'"):
        languages.clusters(["en", "klingon"])
    with pytest.raises(LanguageError, match="'klingon'"):
        languages.clusters(["en"], shared=["klingon"])
    with pytest.raises(LanguageError, match="max_clusters is 0"):
        languages.clusters(["en"], max_clusters=0)
