"""The text of a PDF, through poppler's `pdftotext`: a process of its own with a limit on time, since PDFs come from anywhere."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from polylect.errors import DataError

__all__ = ["pdf_text", "require_pdftotext"]

_SECONDS = 60
_PAGES = 60
_LARGEST = 8 << 20
_REASONS = (
    ("incorrect password", "encrypted: it needs a password"),
    ("encrypted", "encrypted: it needs a password"),
    ("copying of text from this document is not allowed", "protected: its text may not be copied"),
)


def require_pdftotext() -> str:
    """Return the path of `pdftotext`.

    Raises:
        DataError: it is not installed.
    """
    found = shutil.which("pdftotext")
    if found is None:
        raise DataError(
            "PDFs are read with poppler's `pdftotext`, which is not installed. Install it (Debian, Ubuntu: apt install "
            "poppler-utils; macOS: brew install poppler; conda install -c conda-forge poppler), or leave PDFs out with --no-pdf."
        )
    return found


def pdf_text(path: Path, program: str) -> tuple[str | None, str | None]:
    """Return (text of the first 60 pages, None), or (None, the reason why there is none).

    Args:
        path: of the PDF.
        program: path of `pdftotext`.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "text"
        command = [program, "-q", "-enc", "UTF-8", "-nopgbrk", "-l", str(_PAGES), str(path.resolve()), str(out)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return None, f"pdftotext took more than {_SECONDS} s"
        message = done.stderr.strip().lower()
        if done.returncode or not out.is_file():
            reason = next((reason for sign, reason in _REASONS if sign in message), None)
            return None, reason or "broken: pdftotext cannot read it"
        with out.open("rb") as file:
            text = file.read(_LARGEST).decode("utf-8", errors="replace")
    return (text, None) if text.strip() else (None, "no text: perhaps scanned pages")
