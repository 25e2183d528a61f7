"""Rule-based translation by Apertium (Forcada et al. 2011), as Debian and others package it: fast, no weights, few pairs."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from polylect.errors import ModelError
from polylect.languages import canonical
from polylect.models.translators.base import Failure, Translated, by_part, three_letter_codes
from polylect.records import content_hash

__all__ = ["Apertium"]

_BLANK = "\n\n"
"""Apertium ends the sentence at a blank line, so that no rule reaches from one text into the next."""
_BATCH = 200
"""Lines per process: starting one costs some 0.1 s, and one bad line loses the others' work."""
_EXTRA = {"hr": ("hbs_HR", "hbs"), "bs": ("hbs_BS", "hbs"), "sr-Latn": ("hbs_SR", "hbs"), "ms": ("zlm",), "zh-Hans": ("zho",)}
"""Codes of Apertium's own: Serbo-Croatian with its varieties, Malay."""
_LOOSE = re.compile(r"[ \t]+(?=[.,;:!?…])")
_WIDE = re.compile(r"(?<=\S)[ \t]{2,}")


class Apertium:
    """A translator that runs the `apertium` program once per batch of lines.

    Args:
        program: name or path of the program.
        data: folder of linguistic data (`apertium -d`); None: what is installed.
        timeout: seconds that a batch of lines may take.
        licence: of its translations; Apertium's data are under the GPL, which does not extend to what they translate.
        may_train: whether its translations may train models.

    Raises:
        ModelError: the program is not installed.
    """

    name = "apertium"

    def __init__(
        self,
        *,
        program: str = "apertium",
        data: Path | None = None,
        timeout: float = 60.0,
        licence: str | None = "",
        may_train: bool | None = True,
    ) -> None:
        found = shutil.which(program)
        if found is None:
            raise ModelError(
                f"{program!r}: no such program. Install Apertium and a pair of languages (Debian: apt-get install apertium "
                "apertium-eng-spa), or choose another translator."
            )
        self._program, self._data, self.timeout = found, data, timeout
        self.licence, self.may_train = licence, may_train

    @cached_property
    def modes(self) -> tuple[str, ...]:
        """The directions that are installed, as Apertium names them: `eng-spa`."""
        return tuple(self._call(["-l"], "").split())

    @cached_property
    def fingerprint(self) -> str:
        """The hash of the program's version and of the names and sizes of the data that its directions use."""
        folder = (self._data or Path("/usr/share/apertium")) / "modes"
        used = []
        for path in sorted(folder.glob("*.mode")):
            files = sorted({Path(name) for name in re.findall(r"'(/[^']+)'", path.read_text(encoding="utf-8"))})
            used.append((path.name, [(file.name, file.stat().st_size) for file in files if file.is_file()]))
        return content_hash(self._call(["-V"], "").strip(), self.modes, used)

    def mode(self, source: str, target: str) -> str | None:
        """Return the installed direction between two languages; None where there is none."""
        for first in _codes(canonical(source)):
            for second in _codes(canonical(target)):
                if f"{first}-{second}" in self.modes:
                    return f"{first}-{second}"
                # A variety of the target, such as eng_US, where the language has no direction of its own.
                varieties = [mode for mode in self.modes if mode.startswith(f"{first}-{second}_")]
                if varieties:
                    return min(varieties)
        return None

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translated]:
        """Translate texts line by line; see `polylect.models.translators.Translator`. Unknown words stay as they are."""
        mode = self.mode(source, target)
        if mode is None:
            reason = f"apertium: {canonical(source)} to {canonical(target)} is not installed"
            return [Failure(reason)] * len(texts)
        return by_part(texts, lambda line: [line] if line else [], "", lambda lines: list(self._lines(lines, mode)))

    def _lines(self, lines: Sequence[str], mode: str) -> Iterator[Translated]:
        for start in range(0, len(lines), _BATCH):
            yield from self._batch(lines[start : start + _BATCH], mode)

    def _batch(self, lines: Sequence[str], mode: str) -> list[Translated]:
        """Translate lines in one process; where that fails, each in one of its own, so that one bad line fails alone."""
        reason = ""
        try:
            # NUL ends a text inside Apertium's pipes.
            out = self._call(["-u", mode], _BLANK.join(line.replace("\0", " ") for line in lines) + "\n")
            parts = [part.strip() for part in out.strip("\n").split(_BLANK)]
            if len(parts) == len(lines) and all(parts):
                return [_tidy(part, line) for part, line in zip(parts, lines, strict=True)]
            reason = f"apertium {mode}: {len(lines)} lines went in, {len([part for part in parts if part])} came out"
        except subprocess.TimeoutExpired:
            reason = f"apertium {mode}: no reply within {self.timeout:g} s"
        except ModelError as error:
            reason = str(error)
        if len(lines) == 1:
            return [Failure(reason)]
        return [one for line in lines for one in self._batch([line], mode)]

    def _call(self, arguments: Sequence[str], text: str) -> str:
        """Run the program; return what it prints.

        Raises:
            ModelError: it failed.
            TimeoutExpired: it took too long; all of its pipe was killed.
        """
        data = ["-d", str(self._data)] if self._data else []
        process = subprocess.Popen(
            [self._program, *data, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # a script that starts a pipe of programs, which end together
        )
        try:
            out, problem = process.communicate(text, timeout=self.timeout)
        except BaseException:
            _kill(process)
            raise
        if process.returncode != 0 and "-l" not in arguments and "-V" not in arguments:
            last = (problem.strip().splitlines() or out.strip().splitlines() or ["no message"])[-1]
            raise ModelError(f"apertium {arguments[-1]}: {last.strip()[:200]} (exit code {process.returncode})")
        return out

    def close(self) -> None:
        """Nothing is held: every batch has a process of its own."""


def _kill(process: subprocess.Popen[str]) -> None:
    import os
    import signal

    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        process.kill()
    process.communicate()


def _codes(tag: str) -> list[str]:
    """Return how Apertium may name a language: ISO 639-3 today, two letters in old pairs."""
    return list(dict.fromkeys([*_EXTRA.get(tag, ()), *three_letter_codes(tag), tag.partition("-")[0]]))


def _tidy(translation: str, line: str) -> str:
    """Take out spaces that Apertium leaves before punctuation and where a word falls away, if the original has none such."""
    if not _LOOSE.search(line):
        translation = _LOOSE.sub("", translation)
    return translation if _WIDE.search(line) else _WIDE.sub(" ", translation)
