"""The few words that prompts add to an item, by language.

Written by us; German, Spanish and French agree with the words that lm-evaluation-harness 0.4.13 gives MGSM (tasks/mgsm/utils.py).
"""

from __future__ import annotations

from polylect.errors import EvaluationError

__all__ = ["answer_label"]

# "Answer" with the colon in the script's own form, as it stands before an answer.
_ANSWER = {
    "am": "መልስ:",
    "ar": "الإجابة:",
    "az": "Cavab:",
    "be": "Адказ:",
    "bg": "Отговор:",
    "bn": "উত্তর:",
    "cs": "Odpověď:",
    "cy": "Ateb:",
    "da": "Svar:",
    "de": "Antwort:",
    "el": "Απάντηση:",
    "en": "Answer:",
    "es": "Respuesta:",
    "et": "Vastus:",
    "eu": "Erantzuna:",
    "fa": "پاسخ:",
    "fi": "Vastaus:",
    "fil": "Sagot:",
    "fr": "Réponse :",
    "ha": "Amsa:",
    "he": "תשובה:",
    "hi": "उत्तर:",
    "hr": "Odgovor:",
    "ht": "Repons:",
    "hu": "Válasz:",
    "hy": "Պատասխան:",
    "id": "Jawaban:",
    "ig": "Azịza:",
    "it": "Risposta:",
    "ja": "答え:",
    "ka": "პასუხი:",
    "kk": "Жауап:",
    "ko": "정답:",
    "ky": "Жооп:",
    "lt": "Atsakymas:",
    "mg": "Valiny:",
    "mk": "Одговор:",
    "ml": "ഉത്തരം:",
    "ms": "Jawapan:",
    "my": "အဖြေ:",
    "nb": "Svar:",
    "ne": "उत्तर:",
    "nl": "Antwoord:",
    "ny": "Yankho:",
    "pl": "Odpowiedź:",
    "pt": "Resposta:",
    "ro": "Răspuns:",
    "ru": "Ответ:",
    "si": "පිළිතුර:",
    "sn": "Mhinduro:",
    "so": "Jawaab:",
    "sq": "Përgjigja:",
    "sr-Cyrl": "Одговор:",
    "sr-Latn": "Odgovor:",
    "sv": "Svar:",
    "sw": "Jibu:",
    "ta": "விடை:",
    "te": "సమాధానం:",
    "th": "คำตอบ:",
    "tr": "Cevap:",
    "uk": "Відповідь:",
    "ur": "جواب:",
    "uz": "Javob:",
    "vi": "Trả lời:",
    "yo": "Ìdáhùn:",
    "zh-Hans": "答案：",
    "zh-Hant": "答案：",
}


def answer_label(tag: str) -> str:
    """Return the word for "answer" with its colon.

    Raises:
        EvaluationError: it is not known in this language.
    """
    if tag not in _ANSWER:
        raise EvaluationError(
            f"the word for 'answer' is not known in {tag!r}, so that a prompt in this language cannot be made. Ask in English "
            "(prompt language en), or describe the prompt in a YAML file of your own (docs/benchmarks.md)."
        )
    return _ANSWER[tag]
