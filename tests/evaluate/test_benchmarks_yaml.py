"""A user's own benchmark in one YAML file: what it gives, and errors that name file and key."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from polylect.errors import DataError, EvaluationError, RecipeError
from polylect.evaluate import benchmarks
from polylect.evaluate.prompting import Prompter, load_examples
from polylect.evaluate.task_types import ChoiceTask, GenerateTask

FIXTURES = Path(__file__).parent / "fixtures"
ROWS = [
    {"lang": "sw", "q": "Mbili na mbili?", "options": ["nne", "tano"], "right": 0, "note": "x"},
    {"lang": "en", "q": "Two and two? {right}", "options": ["four", "five"], "right": 0, "note": "y"},
]
FILE = {
    "name": "sums",
    "kind": "choice",
    "data": "rows.jsonl",
    "columns": {"language": "lang"},
    "prompt": "{q}\n{options}\n?",
    "options": "options",
    "score": "letters",
    "answer": "right",
    "licence": "CC0-1.0",
}


def described(folder: Path, rows: list[dict[str, Any]] | None = None, **changes: Any) -> Path:
    """Write a description and its rows; a change to None takes a key out."""
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows or ROWS), encoding="utf-8")
    file = folder / "sums.yaml"
    file.write_text(
        yaml.safe_dump({key: value for key, value in {**FILE, **changes}.items() if value is not None}), encoding="utf-8"
    )
    return file


def test_the_documented_example_works() -> None:
    """The example of the documentation: options as templates, a prompt of its own for one language."""
    entry = benchmarks.resolve(FIXTURES / "own/quiz.yaml")
    tasks = Prompter(entry).tasks(entry.load())
    assert [(task.item.language, task.options[0], task.gold) for task in tasks if isinstance(task, ChoiceTask)] == [
        ("en", ("What do gulls eat?\nAnswer:", " fish"), 0),
        ("sw", ("Shakwe hula nini?\nJibu:", " samaki"), 0),
        ("tr", ("Martılar ne yer?\nAnswer:", " balık"), 0),
    ]
    assert [task.item.item for task in tasks] == ["q0", "q1", "q2"]
    assert {task.item.subset for task in tasks} == {"sea"}


def test_options_in_a_column_scored_by_letter(tmp_path: Path) -> None:
    """`{options}` writes them with letters, and the letters are scored; a value that looks like a field stays text."""
    entry = benchmarks.resolve(described(tmp_path))
    task = Prompter(entry).tasks(entry.load(languages=["en"]))[0]
    assert isinstance(task, ChoiceTask)
    assert task.contexts[0] == "Two and two? {right}\nA. four\nB. five\n?"
    assert task.continuations == (" A", " B")


def test_options_are_compared_per_token_where_the_file_says_so(tmp_path: Path) -> None:
    """`normalise` reaches the tasks and what the manifest says of the prompts; without it nothing is divided."""
    for value, expected in (("tokens", "tokens"), (None, "none")):
        prompter = Prompter(entry := benchmarks.resolve(described(tmp_path, normalise=value)))
        assert {task.normalise for task in prompter.tasks(entry.load()) if isinstance(task, ChoiceTask)} == {expected}
        assert prompter.describe()["normalise"] == expected


def test_examples_and_english_prompt(tmp_path: Path) -> None:
    """A development split gives examples; an English prompt allows the prompt language en."""
    (tmp_path / "set/sw").mkdir(parents=True)
    for split, rows in (("test", ROWS[:1]), ("dev", [{**ROWS[0], "q": "Moja na tatu?"}])):
        (tmp_path / f"set/sw/{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    prompt = {"sw": "Swali: {q}\n{options}", "en": "Question: {q}\n{options}"}
    file = described(tmp_path, data="set", columns=None, dev="dev", shots=1, prompt=prompt)
    entry = benchmarks.resolve(file)
    tasks = Prompter(entry, prompt_language="en", examples=load_examples(entry, None, ["sw"])).tasks(entry.load(languages=["sw"]))
    assert isinstance(tasks[0], ChoiceTask)
    assert tasks[0].contexts[0] == "Question: Moja na tatu?\nA. nne\nB. tano A\n\nQuestion: Mbili na mbili?\nA. nne\nB. tano"


def test_questions_answered_by_text(tmp_path: Path) -> None:
    """For the kind generate the answer's column becomes the reference."""
    file = described(
        tmp_path, kind="generate", prompt="{q}", options=None, score=None, answer="note", metric="exact_match", stop=["\n"]
    )
    entry = benchmarks.resolve(file)
    task = Prompter(entry).tasks(entry.load(languages=["sw"]))[0]
    assert isinstance(task, GenerateTask)
    assert (task.request.text, task.item.references, task.stop) == ("Mbili na mbili?", ("x",), ("\n",))
    assert entry.metrics == ("exact_match",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"promt": "{q}"}, "key 'promt': unknown. Did you mean 'prompt'"),
        ({"licence": None}, "key 'licence': missing"),
        ({"kind": "quiz"}, "key 'kind': 'quiz' is none of choice, consistency, generate, pairwise"),
        ({"metric": "acuracy"}, "key 'metric': 'acuracy' is none of accuracy. Did you mean 'accuracy'"),
        ({"shots": -1}, "key 'shots': -1 is not a whole number from 0"),
        ({"shots": "5"}, "key 'shots': '5' is not a whole number"),
        ({"prompt": "{q.__class__}"}, "is more than the name of a column"),
        ({"prompt": "{q[0]}"}, "is more than the name of a column"),
        ({"prompt": "{q!r}"}, "or has a conversion or format"),
        ({"prompt": "{q:>1000000000}"}, "or has a conversion or format"),
        ({"prompt": "{q"}, "is not a template"),
        ({"prompt": {"klingon": "{q}"}}, "'klingon' names no known language"),
        ({"prompt": 3}, "3 is no text"),
        ({"options": ["{q}"]}, "a list of two or more templates"),
        ({"options": None}, "a list of two or more templates"),
        ({"score": "words"}, "key 'score': 'words' is none of letters, texts"),
        ({"normalise": "token"}, "key 'normalise': 'token' is none of none, tokens, characters, bytes. Did you mean 'tokens'"),
        ({"columns": {"lang": "lang"}}, "'lang' is none of language, item, subset, group. Did you mean 'language'"),
        ({"language": "sw"}, "Keep one of the two"),
        ({"kind": "generate", "prompt": "{q}", "options": None}, "key 'score': belongs to the kinds choice and consistency"),
        ({"answer": None}, "key 'answer': None is no text"),
    ],
)
def test_a_faulty_description_names_file_and_key(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    """The message says which file, which key, what is wrong and what would be right."""
    file = described(tmp_path, **changes)
    with pytest.raises(EvaluationError, match=re.escape(message)) as caught:
        benchmarks.load_yaml(file)
    assert str(file) in str(caught.value)


def test_a_template_that_names_no_column(tmp_path: Path) -> None:
    """A column that the rows lack is found when they are read."""
    entry = benchmarks.load_yaml(described(tmp_path, prompt="{question}"))
    with pytest.raises(DataError, match="column 'question' is missing"):
        list(entry.load())


def test_an_answer_that_is_no_option(tmp_path: Path) -> None:
    """The right answer must be one of the options, by index, letter or text."""
    entry = benchmarks.load_yaml(described(tmp_path, rows=[{**ROWS[0], "right": "six"}]))
    with pytest.raises(DataError, match="the answer 'six' names none of the choices"):
        list(entry.load())


def test_a_file_that_is_no_yaml(tmp_path: Path) -> None:
    """A broken or missing file is a user's mistake."""
    (tmp_path / "a.yaml").write_text("name: [", encoding="utf-8")
    with pytest.raises(RecipeError, match="not readable as YAML"):
        benchmarks.resolve(tmp_path / "a.yaml")
    with pytest.raises(RecipeError, match="no such file"):
        benchmarks.resolve(tmp_path / "b.yaml")
