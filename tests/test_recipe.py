"""Recipes: the shipped ones are whole, and every mistake in one is a line that names file, key, value and what to write."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from polylect import languages
from polylect.errors import RecipeError
from polylect.recipe import Recipe, load, parse

ROOT = Path(__file__).parents[1]
SHIPPED = sorted((ROOT / "recipes").glob("*.yaml"))
SMALL: dict[str, Any] = {
    "name": "small",
    "languages": ["en", "tr", "ar"],
    "model": {"base": "gemma-3-270m"},
    "clusters": {"shared": ["en"], "groups": {"west": ["tr"], "east": ["ar"]}},
    "pool": {"west": {"kind": "cluster", "cluster": "west"}, "shots": {"kind": "local", "model": "base", "shots": 5}},
}


def changed(key: str, value: Any) -> dict[str, Any]:
    """Return the small recipe with a dotted key set; `...` leaves it out."""
    data: dict[str, Any] = copy.deepcopy(SMALL)
    *path, last = key.split(".")
    inner = data
    for part in path:
        inner = inner.setdefault(part, {})
    inner[last] = value
    if value is ...:
        del inner[last]
    return data


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_recipe_is_valid(path: Path) -> None:
    """Every recipe in recipes/ loads, is named like its file, and gives every language to a cluster."""
    recipe = load(path)
    assert recipe.name == path.stem
    assert {tag for tags in recipe.cluster_languages().values() for tag in tags} == set(recipe.languages)
    assert all(languages.canonical(tag) == tag for tag in recipe.languages)
    assert recipe.description


def test_both_recipes_are_shipped() -> None:
    """The quickstart and the paper's recipe are there; the second has its 23 languages (Chinese in both scripts)."""
    assert {path.stem for path in SHIPPED} >= {"quickstart", "aya-expanse-8b"}
    paper = load(ROOT / "recipes" / "aya-expanse-8b.yaml")
    assert len({tag.partition("-")[0] for tag in paper.languages}) == 23
    assert paper.clusters.shared == ("en", "es", "fr")
    assert paper.online.iterations == 3
    quick = load(ROOT / "recipes" / "quickstart.yaml")
    rows = [languages.get(tag) for tag in quick.languages]
    assert len(rows) == 8
    assert len({row.script for row in rows}) >= 4
    assert len({row.family for row in rows}) >= 5


def test_recipe_survives_its_own_dump() -> None:
    """What a run stores of its recipe is that recipe again, and a recipe cannot be changed."""
    for path in SHIPPED:
        recipe = load(path)
        assert parse(recipe.model_dump(mode="json")) == recipe
    with pytest.raises(ValueError, match="frozen"):
        recipe.seed = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("languges", ["en"], r"unknown key 'languges'\. Did you mean 'languages'\?"),
        ("xyzzy", 1, r"unknown key 'xyzzy'\. Known keys: arbiter, arbitrage, baseline, "),
        ("sft.learning_rte", 1, r"unknown key 'sft\.learning_rte'\. Did you mean 'learning_rate'\?"),
        ("sft.lora.rang", 8, r"unknown key 'sft\.lora\.rang'\. Did you mean 'rank'\?"),
        ("offline.lora.rang", 8, r"unknown key 'offline\.lora\.rang'\. Did you mean 'rank'\?"),
        ("online.train.btea", 1, r"unknown key 'online\.train\.btea'\. Did you mean 'beta'\?"),
        ("prompts.items.sed", 1, r"unknown key 'prompts\.items\.sed'\. Did you mean 'seed'\?"),
        ("pool.shots.modell", "base", r"unknown key 'pool\.shots\.modell'\. Did you mean 'model'\?"),
        ("pool.shots.languages", ["fr"], r"pool\.shots\.languages: fr is not among the recipe's languages"),
        ("pool.shots.languages", ["trr"], r"pool\.shots\.languages: 'trr' is not .* Did you mean 'tr'\?"),
        ("pool.west.cluster", "wst", r"pool\.west\.cluster: 'wst' is no cluster; there are west, east\. Did you mean 'west'\?"),
        ("pool.west.model", "base", r"pool\.west: a teacher of kind `cluster` needs `cluster` and no `model`"),
        ("pool.shots.kind", "served", r"pool\.shots: `url` is needed for a teacher of kind `served`"),
        ("pool", {}, r"pool: Dictionary should have at least 1 item.* \(found \{\}\)"),
        ("model.base", ..., r"key 'model\.base' is required"),
        ("seed", "many", r"seed: .*valid integer.* \(found 'many'\)\."),
        ("online.top_p", 1.5, r"online\.top_p: .*less than or equal to 1 \(found 1\.5\)\."),
        ("name", "../up", r"name: .*\(found '\.\./up'\)\."),
        ("languages", ["en", "turkisch"], r"languages: 'turkisch' is not the tag of a known language.* write 'tr'"),
        ("languages", ["en", "tr", "tur", "ar"], r"languages: \['en', 'tr', 'tur', 'ar'\] names a language twice"),
        ("languages", [], r"languages: .*at least 1 item"),
        ("languages", ["en", False], r"languages\.1: .*\(found False\)\. YAML reads a bare no as false: write 'no' in quotes"),
        ("clusters.groups.east", ["fr"], r"clusters\.groups: fr is not among the recipe's languages"),
        ("clusters.groups.east", ["xx"], r"clusters\.groups: 'xx' is not the tag of a known language"),
        ("clusters.groups.east", ["tr"], r"clusters\.groups: no cluster holds ar"),
        ("clusters.shared", ["fr"], r"clusters\.shared: fr is not among the recipe's languages"),
        ("merge.weights", {"wst": 1.0}, r"merge\.weights: 'wst' is no cluster; there are west, east\. Did you mean 'west'\?"),
        ("merge", {"weights": {"west": 1}, "search": {}}, r"merge: `search` finds the weights; leave out `weights`"),
        (
            "merge",
            {"method": "linear", "density": 0.2},
            r"merge: method `linear` does not use `density`; leave it out, or choose ties or",
        ),
        ("merge", {"method": "ties", "lamda": 0.2}, r"unknown key 'merge\.lamda'\. Did you mean 'lambda'\?"),
        (
            "merge",
            {"search": {"budget": 4}, "branch_and_merge": {"branches": 2}},
            r"merge\.search\.budget: 2 clusters of 2 branches and their uniform average alone need 5 evaluations",
        ),
        (
            "merge",
            {"method": "slerp", "branch_and_merge": {"branches": 2}},
            r"merge\.method: slerp merges two checkpoints; the recipe has 2 clusters of 2 branches",
        ),
        ("merge.branch_and_merge", {"branches": 0}, r"merge\.branch_and_merge\.branches: .*greater than or equal to 1"),
        ("sft.micro_batch_size", 24, r"sft: batch_size 32 is no multiple of micro_batch_size 24"),
        ("prompts.files", {"prompt": "p"}, r"prompts: `files` is needed with `source: files`"),
        (
            "prompts",
            {"source": "files", "files": {"promt": "p"}},
            r"prompts: files: 'promt' is no split\. Did you mean 'prompt'\?",
        ),
        ("prompts", {"source": "files", "files": {"prompt": "p"}}, r"prompts: `files` needs the splits .* missing: heldout"),
        (
            "prompts",
            {"source": "files", "files": {"prompt": "p", "heldout": "h"}},
            r"prompts\.files: the split seed is missing; cluster teachers and few-shot examples are made of it",
        ),
        ("arbiter.kind", "reward_model", r"arbiter: `model` is needed with `kind: reward_model`, and only there"),
        ("evaluation.model", "x", r"evaluation: `model` is needed with `judge: llm`, and only there"),
        ("pool.a/b", {"kind": "local", "model": "base"}, r"pool\.a/b\.\[key\]: .*\(found 'a/b'\)"),
        ("prompts.source", "files", r"prompts: `files` is needed with `source: files`, and only there"),
    ],
)
def test_mistake_is_named(key: str, value: Any, says: str) -> None:
    """The message has the source, the dotted key, what was found and, where there is one, the nearest known name."""
    with pytest.raises(RecipeError, match=rf"^mine\.yaml: {says}"):
        parse(changed(key, value), source="mine.yaml")


def test_all_mistakes_are_told_at_once() -> None:
    """Two mistakes are two lines, each with the file."""
    data = {**changed("sed", 1), "model": {"bse": "x"}}
    with pytest.raises(RecipeError) as caught:
        parse(data, source="mine.yaml")
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert all(line.startswith("mine.yaml: ") for line in lines)


def test_long_values_are_cut() -> None:
    """A value of a page is not printed whole."""
    with pytest.raises(RecipeError) as caught:
        parse(changed("seed", "x" * 1000))
    assert len(str(caught.value)) < 250


def test_tags_become_canonical() -> None:
    """Languages may be written in any known spelling, everywhere in a recipe."""
    data = {
        **SMALL,
        "languages": ["eng", "TR", "zh_TW"],
        "clusters": {"shared": ["EN"], "groups": {"a": ["tur"], "b": ["zh-TW"]}},
        "pool": {"x": {"kind": "local", "model": "base", "languages": ["tur"]}},
    }
    recipe = parse(data)
    assert recipe.languages == ("en", "tr", "zh-Hant")
    assert recipe.cluster_languages() == {"a": ("en", "tr"), "b": ("en", "zh-Hant")}
    assert recipe.pool["x"].languages == ("tr",)


def test_clusters_by_family_when_none_are_given() -> None:
    """Without groups the languages are clustered by family, the shared ones in each, at most `max_clusters`."""
    data = {**changed("clusters", {"shared": ["en"]}), "languages": ["en", "tr", "az", "ja", "ar", "he"], "pool": SMALL["pool"]}
    data["pool"] = {"x": {"kind": "local", "model": "base"}}
    found = parse(data).cluster_languages()
    assert len(found) > 1
    assert all("en" in tags for tags in found.values())
    data["clusters"] = {"shared": ["en"], "max_clusters": 1}
    assert len(parse(data).cluster_languages()) == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: [", r"r\.yaml: not valid YAML"),
        ("- a\n- b", r"r\.yaml: a recipe is a mapping of keys; found list"),
        ("", r"r\.yaml: a recipe is a mapping of keys; found NoneType"),
        ("name: \xff".encode("latin-1"), r"r\.yaml: not valid YAML"),
        ("x: !!python/object/apply:os.mkdir [{folder}]", r"r\.yaml: not valid YAML .*python/object/apply"),
    ],
)
def test_file_that_is_no_recipe(tmp_path: Path, text: str | bytes, says: str) -> None:
    """What is not a YAML mapping is refused in one line, and nothing in it is ever carried out."""
    trap = tmp_path / "made"
    content = text if isinstance(text, bytes) else text.format(folder=trap).encode()
    (tmp_path / "r.yaml").write_bytes(content)
    with pytest.raises(RecipeError, match=says) as caught:
        load(tmp_path / "r.yaml")
    assert "\n" not in str(caught.value)
    assert not trap.exists()


def test_missing_file_is_named(tmp_path: Path) -> None:
    """A path without a file says so."""
    with pytest.raises(RecipeError, match=r"none\.yaml: no such recipe\. Shipped ones lie in recipes/"):
        load(tmp_path / "none.yaml")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The small recipe as a file, without preference training."""
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump({**SMALL, "offline": None}))
    return path


def test_settings_are_overridden(file: Path) -> None:
    """Dotted keys reach any depth, values are YAML, a part that was switched off is switched on, the last word wins."""
    recipe = load(
        file,
        ["seed=3", "online.train.lora.rank=2", "languages=[en, tr, ar]", "offline.beta=0.3", "sft.steps=5", "sft.steps=null"],
    )
    assert (recipe.seed, recipe.online.train.lora.rank, recipe.sft.steps) == (3, 2, None)
    assert recipe.offline is not None
    assert recipe.offline.beta == 0.3
    assert load(file).offline is None
    assert load(file, ["generation.stop=['=', b]"]).generation.stop == ("=", "b")


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("seed", r"--set seed: expected key=value"),
        ("=3", r"--set =3: expected key=value"),
        ("seed=[", r"--set seed=\[: the value is not valid YAML"),
        ("seed=!!python/name:os.system", r"--set seed=.*: the value is not valid YAML"),
        ("name.first=x", r"--set name\.first=x: 'name' is no section of the recipe"),
        ("online.iteration=1", r"small\.yaml: unknown key 'online\.iteration'\. Did you mean 'iterations'\?"),
        ("online.iterations=many", r"small\.yaml: online\.iterations: .*found 'many'"),
    ],
)
def test_bad_override_is_named(file: Path, override: str, says: str) -> None:
    """An override that cannot be read, or that sets what is not there, names itself or the key."""
    with pytest.raises(RecipeError, match=says):
        load(file, [override])


def test_every_setting_is_described() -> None:
    """Each key of a recipe, however deep, has a description for the reference in docs/."""

    def walk(model: Any, where: str) -> list[str]:
        missing = []
        for name, field in model.model_fields.items():
            inner = field.annotation
            if hasattr(inner, "model_fields"):
                missing += walk(inner, f"{where}.{name}")
            elif not field.description:
                missing.append(f"{where}.{name}")
        return missing

    assert walk(Recipe, "recipe") == []
