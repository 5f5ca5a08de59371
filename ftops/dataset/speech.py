"""Heuristics about answers as speech: refusals, answers that break off, and remains of web pages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftops.dataset.rule import Finding, content_rule
from ftops.dataset.said import ARGUMENTS
from ftops.diagnostics import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftops.dataset.said import Said

REFUSAL_CHARS = 200
"""A refusal comes at once; later in an answer the same words mostly quote or advise."""

_CANNOT = r"\bI(?: can(?:no|['\u2019])t| won['\u2019]t|(?: am|['\u2019]m) (?:sorry, )?(?:unable to|not able to))"
_REFUSALS = re.compile(
    "|".join(
        (
            # English
            rf"{_CANNOT} (?:assist|help(?: you)? with|comply|fulfill|provide|engage in|generate)\b",
            r"\bAs an AI(?: language model| model| assistant)?,? I\b",
            r"\bI(?:['\u2019]m| am) an AI (?:language model|assistant)\b",
            # German
            r"\bAls KI[\w-]*(?:-Sprachmodell| Sprachmodell)?,? (?:kann|bin|habe|darf) ich\b",
            r"\bkann ich (?:dir |Ihnen )?(?:leider )?(?:dabei |damit )?(?:leider )?nicht (?:helfen|behilflich)",
            # French
            r"\b[Ee]n tant (?:qu'IA|qu'assistant IA|que modèle de langage|qu'intelligence artificielle)\b",
            r"\bje ne peux pas (?:vous aider|t'aider|répondre à cette|fournir)",
            # Spanish
            r"\b[Cc]omo (?:una )?(?:IA|inteligencia artificial|(?:un )?modelo de lenguaje)\b,? (?:no|yo)",
            r"\bno puedo ayudar(?:te|le|lo)? con (?:eso|esa|esta|ese|este)",
            # Japanese
            r"お(?:答え|手伝い)(?:すること(?:は|が))?(?:でき(?:ません|かねます))",
            r"言語モデルとして(?:は|、)",
            # Chinese
            r"(?:我|抱歉|对不起).{0,3}无法(?:协助|回答|满足|提供)",
            r"作为(?:一个|一名)?(?:AI|人工智能|大型?)*(?:人工智能|语言模型)",
            # Korean
            r"(?:도와드릴|답변드릴|답변할) 수 없",
            r"(?:인공지능|언어 모델)(?:로서|으로서|이므로|이기 때문에)",
        )
    )
)
_FENCE = re.compile(r"^[ \t]{0,3}```", re.MULTILINE)
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|nbsp|#x?[0-9a-fA-F]{2,5});")
_MARKUP = re.compile(r"</?[A-Za-z][^<>\n]{0,200}>|```|`[^`\n]*&[^`\n]*`|<\?xml|&amp;\w+=")


def _encoded(*texts: str) -> Iterator[bytes]:
    return (text.encode() for text in texts)


_REFUSAL_CLUES = (
    *(b"I can't ", b"I cannot ", b"I can\xe2\x80\x99t ", rb"I can\u2019t ", b"I won't ", b"I won\xe2\x80\x99t "),
    *(b"m unable to ", b"m not able to ", b"an AI lang", b"an AI assi", b"As an AI"),
    *(b"Als KI", b"nicht helfen", b"nicht behilflich", b"tant qu'", b"tant que mod", b"peux pas "),
    *(b"omo IA", b"omo una IA", b"ligencia artif", b"elo de leng", b"no puedo ayudar"),
    *_encoded("答えでき", "答えすること", "手伝いでき", "手伝いすること", "言語モデルとして"),
    *_encoded("无法协助", "无法回答", "无法满足", "无法提供", "人工智能", "语言模型"),
    *_encoded("드릴 수 없", "답변할 수 없", "인공지능", "언어 모델"),
)
_REFUSAL_WORDS = tuple(clue.decode() for clue in _REFUSAL_CLUES)


@content_rule(
    "data-refusal",
    clues=_REFUSAL_CLUES,
    threshold=f"a known phrase of seven languages in the first {REFUSAL_CHARS} characters of a trained answer",
    why="a model learns to say what it is shown, also what another model refused while the data was made",
    fix="remove the row or write the answer; where refusals are meant, switch this check off and say so",
)
def answers_do_not_refuse(said: tuple[Said, ...]) -> Iterator[Finding]:
    """An answer that is trained does not refuse, or speak of itself as an AI, in its beginning."""
    for each in _answers(said):
        beginning = each.text[:REFUSAL_CHARS]
        # The words first: all phrases together take a hundred times as long.
        if any(word in beginning for word in _REFUSAL_WORDS) and _REFUSALS.search(beginning):
            yield Finding(each.where, "looks like a refusal")


@content_rule(
    "data-open-fence",
    forms=("fence",),
    threshold="an odd number of lines that begin with three backticks",
    why="the answer was probably cut at a limit of tokens, and the model learns to break off",
    fix="generate the answer again with a higher limit, or remove the row",
)
def answers_close_their_fences(said: tuple[Said, ...]) -> Iterator[Finding]:
    """Every block of code that a trained answer opens is closed."""
    for each in _answers(said):
        if "```" in each.text and len(_FENCE.findall(each.text)) % 2:
            yield Finding(each.where, "opens a block of code and does not close it")


@content_rule(
    "data-html-entity",
    clues=(b"&amp;", b"&lt;", b"&gt;", b"&quot;", b"&nbsp;", b"&#"),
    threshold="an entity in a text without markup or code",
    why="the text was taken from a web page and not decoded, so that the model learns to write `&amp;` for `&`",
    fix="decode the text: `html.unescape(text)`",
    severity=Severity.NOTE,
)
def text_is_not_escaped_for_the_web(said: tuple[Said, ...]) -> Iterator[Finding]:
    """No text that is not markup holds HTML entities."""
    for each in said:
        count = len(_ENTITY.findall(each.text))
        if count and not _MARKUP.search(each.text):
            yield Finding(each.where, f"holds {count:,} HTML entit{'y' if count == 1 else 'ies'}")


def _answers(said: tuple[Said, ...]) -> Iterator[Said]:
    return (each for each in said if each.is_trained and not each.where.endswith(ARGUMENTS))


SPEECH_RULES = (answers_do_not_refuse, answers_close_their_fences, text_is_not_escaped_for_the_web)
