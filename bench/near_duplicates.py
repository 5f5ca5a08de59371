"""Near duplicates: what is found and what is wrongly taken for one, by banding and by threshold: a curve, no bound.

`python -m bench.near_duplicates` makes conversations in seven languages, plants edits of some of them, and prints how
alike the edited ones are, which share of them each banding compares and each threshold takes, and how many pairs that
were never edited it takes too. Among these are rows of one template with other words filled in, the hard case.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ftops.dataset.columns import SKETCH_WIDTH, Columns, ColumnWriter
from ftops.dataset.scan import scan
from ftops.dataset.sketch import shingles, sketches
from ftops.dataset.tokens.base import Base, Counting
from ftops.dataset.whole.alike import find_alike
from ftops.dataset.whole.likeness import template_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

ROWS = 4_000
PLANTED = 1_500
SEED = 11

# ruff: noqa: RUF001  # Cyrillic letters and full-width punctuation are what is meant
PATTERNS = {
    "en": (
        "The {n} for your {a} was changed on day {d} because the {b} did not fit the {c}.",
        "Please open the {a} and compare the {b} with the {c} before you send order {d} back.",
        "We are sorry that the {b} arrived late, and have refunded {d} dollars for the {a}.",
        "Our {c} team will look at the {n} of your {b} within {d} hours.",
    ),
    "de": (
        "Bitte prüfen Sie zuerst {a} und {b}, bevor Sie {c} nach {d} Tagen zurückschicken.",
        "Leider ist {n} bei der Lieferung von {a} beschädigt worden; wir erstatten {d} Euro.",
        "Für {b} gilt eine Frist von {d} Wochen, sofern {c} nicht geöffnet wurde.",
    ),
    "ru": (
        "Пожалуйста, проверьте {a} и сообщите номер {d}, чтобы мы могли заменить {b}.",
        "К сожалению, {n} задержали на складе, поэтому {c} придёт через {d} дней.",
        "Мы вернули {d} рублей за {a}, так как {b} не подошёл.",
    ),
    "ja": (
        "{a}の設定を確認してから、注文番号{d}の{b}を返送してください。",
        "申し訳ございませんが、{n}の在庫がないため、{c}は{d}日後に届きます。",
        "{b}の修理には{d}時間かかりますので、{a}をお使いください。",
    ),
    "zh": (
        "请先检查{a}和{b}，然后在{d}天内把{c}寄回给我们。",
        "很抱歉，{n}的库存不足，您的{b}将在{d}天后送达。",
        "我们已经为{a}退款{d}元，因为{c}不符合要求。",
    ),
    "ko": (
        "{a} 설정을 확인한 다음 주문 번호 {d}의 {b}을 반송해 주세요.",
        "죄송하지만 {n} 재고가 없어서 {c}은 {d}일 뒤에 도착합니다.",
        "{b} 수리에는 {d}시간이 걸리므로 {a}을 사용해 주시기 바랍니다.",
    ),
    "code": (
        "def {a}_{b}(value, {c}):\n    return value * {d} + {n}[{c}]\n",
        "for {a} in {b}.{c}(limit={d}):\n    print({a}.{n})\n",
        "SELECT {a}, {b} FROM {c} WHERE {n} > {d} ORDER BY {a};\n",
    ),
}
LETTERS = {
    "en": "abcdefghilmnoprstuvw",
    "de": "abdefghiklmnorstuäöü",
    "ru": "абвгдежзиклмнопрстуя",
    "ja": "商品設定画面電池部品本体料金配送保証住所電話確認機能通信言語速度音量接続更新情報管理記録",
    "zh": "订单屏幕电池配件主机价格地址保修说明书软件版本账户密码网络速度音量语言颜色尺寸材料质量",
    "ko": "주문화면전지부품본체가격주소보증설명서계정암호속도음량언어색상크기재료품질연결갱신",
    "code": "abcdefghilmnoprstuvw",
}
WORD_LENGTHS = {"ja": (2, 4), "zh": (2, 4), "ko": (2, 4)}


class Text(NamedTuple):
    """The question and the answer of a row, as sentences."""

    language: str
    asked: tuple[str, ...]
    answered: tuple[str, ...]

    @property
    def joined(self) -> str:
        return f"{blank(self.language).join(self.asked)}\n{blank(self.language).join(self.answered)}"

    @property
    def line(self) -> bytes:
        """As a row of a file, with a system prompt that all rows have."""
        asked, answered = self.joined.split("\n", 1)
        roles = (("system", "Answer kindly and briefly."), ("user", asked), ("assistant", answered))
        messages = [{"role": role, "content": content} for role, content in roles]
        return json.dumps({"messages": messages}, ensure_ascii=False).encode()


def columns_of(lines: Sequence[bytes], method: str = "supervised") -> Columns:
    """Take rows apart into columns, in the pass that checks a file."""
    kept = BytesIO()
    writer = ColumnWriter(kept)
    with tempfile.TemporaryFile() as stream:
        stream.write(b"\n".join(lines))
        stream.seek(0)
        scan(stream, "rows.jsonl", method, writer, counting=Counting(Base(tokenizer="o200k_base"), Path()))
    writer.finish()
    return Columns(kept)


def blank(language: str) -> str:
    return "" if language in {"ja", "zh", "code"} else " "


def make_text(chance: random.Random, language: str | None = None) -> Text:
    """A conversation of 3 to 12 sentences, with words that are made up for it."""
    language = language or chance.choice(list(PATTERNS))
    return Text(
        language,
        tuple(_sentence(chance, language) for _ in range(chance.randint(1, 4))),
        tuple(_sentence(chance, language) for _ in range(chance.randint(2, 8))),
    )


def make_templated(chance: random.Random, template: Text) -> Text:
    """The question is *template*'s, with one word and a short answer of its own."""
    asked = (*template.asked, _word(chance, template.language), *template.answered)
    return Text(template.language, asked, (_sentence(chance, template.language),))


def _sentence(chance: random.Random, language: str) -> str:
    words = {slot: _word(chance, language) for slot in "abcn"}
    return chance.choice(PATTERNS[language]).format(d=chance.randint(2, 9_999), **words)


def _word(chance: random.Random, language: str) -> str:
    return "".join(chance.choices(LETTERS[language], k=chance.randint(*WORD_LENGTHS.get(language, (4, 11)))))


def mistyped(text: Text, chance: random.Random) -> Text:
    """One to three letters replaced."""
    answered = list(text.answered)
    for _ in range(chance.randint(1, 3)):
        which = chance.randrange(len(answered))
        at = chance.randrange(len(answered[which]))
        answered[which] = answered[which][:at] + chance.choice(LETTERS[text.language]) + answered[which][at + 1 :]
    return text._replace(answered=tuple(answered))


def renumbered(text: Text, chance: random.Random) -> Text:
    """The first number is another one."""
    answered = list(text.answered)
    digits = [at for at, letter in enumerate(answered[0]) if letter.isdigit()]
    answered[0] = f"{answered[0][: digits[0]]}{chance.randint(10_000, 99_999)}{answered[0][digits[-1] + 1 :]}"
    return text._replace(answered=tuple(answered))


def appended(text: Text, chance: random.Random) -> Text:
    """A sentence more at the end."""
    return text._replace(answered=(*text.answered, _sentence(chance, text.language)))


def reordered(text: Text, chance: random.Random) -> Text:
    """The sentences of the answer in another order."""
    order = text.answered
    while order == text.answered:
        order = tuple(chance.sample(text.answered, len(text.answered)))
    return text._replace(answered=order)


def reworded(text: Text, chance: random.Random) -> Text:
    """One sentence of the answer said anew."""
    answered = list(text.answered)
    answered[chance.randrange(len(answered))] = _sentence(chance, text.language)
    return text._replace(answered=tuple(answered))


def rewritten(text: Text, chance: random.Random) -> Text:
    """The whole answer anew: no near duplicate."""
    return text._replace(answered=tuple(_sentence(chance, text.language) for _ in text.answered))


EDITS: dict[str, Callable[[Text, random.Random], Text]] = {
    "letters": mistyped,
    "number": renumbered,
    "appended": appended,
    "reordered": reordered,
    "reworded": reworded,
}
"""Which ought to be found."""


def jaccard(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> float:
    shared = int(np.isin(one, other, assume_unique=True).sum())
    return shared / (one.size + other.size - shared)


def main() -> int:
    chance = random.Random(SEED)  # rows for a measurement, no secrets
    texts = [make_text(chance) for _ in range(ROWS)]
    template = make_text(chance, "en")
    templated = [make_templated(chance, template) for _ in range(PLANTED)]
    kinds = [chance.choice(list(EDITS)) for _ in range(PLANTED)]
    edited = [EDITS[kind](text, chance) for kind, text in zip(kinds, texts, strict=False)]
    anew = [rewritten(text, chance) for text in texts[:PLANTED]]

    originals = texts[:PLANTED]
    print(f"\nNear duplicates: {PLANTED:,} edits of {ROWS:,} conversations in {len(PATTERNS)} languages, seed {SEED}")
    everything = [text.line for text in (*texts, *templated)]
    common = template_of(everything.__getitem__, range(len(everything))).shingles
    nothing = common[:0]
    for what, without in (("of all text", nothing), ("without what 5 % of the rows have", common)):
        thresholds = (0.5, 0.6, 0.7, 0.8, 0.9)
        planted = _similarities(originals, edited, without)
        print(f"\nTaken at a threshold of Jaccard similarity {what}")
        print(f"  {'':<24}" + "".join(f"{threshold:>8}" for threshold in thresholds) + f"{'median':>8}")
        for kind in EDITS:
            _print_shares(kind, planted[[each == kind for each in kinds]], thresholds)
        _print_shares("all edits", planted, thresholds)
        _print_shares("answer written anew", _similarities(originals, anew, without), thresholds)
        _print_shares("same language, unrelated", _similarities(*_unrelated(texts), without), thresholds)
        _print_shares("same template", _similarities(templated[1:], templated[:-1], without), thresholds)

    print("\nCompared by a banding of the 16 values of a sketch (share of pairs, by their Jaccard similarity)")
    pairs = (*zip(originals, edited, strict=True), *zip(originals, anew, strict=True))
    pairs += (*zip(*_unrelated(texts), strict=True), *zip(templated[1:], templated[:-1], strict=True))
    exact = _similarities([one for one, _ in pairs], [other for _, other in pairs], nothing)
    equal = sketches([one.joined for one, _ in pairs]) == sketches([other.joined for _, other in pairs])
    _print_bandings(exact, equal)

    print("\nFound in one file of originals, edits and templated rows, by reading those that seem alike")
    print(f"  {'':<24}{'planted':>9}{'found':>9}{'wrong':>9}{'recall':>9}{'precision':>11}")
    for share in (0.0, 0.1, 0.5, 0.9):
        _print_found(texts, edited, templated, share)
    return 0


def _print_found(texts: Sequence[Text], edited: Sequence[Text], templated: Sequence[Text], share: float) -> None:
    """Print what is found in a file of which *share* is templated."""
    others = [text for text, _ in zip(templated, range(int(share * PLANTED)), strict=False)]
    planted = edited[: int((1 - share) * PLANTED / 3)]
    kept = texts[: max(len(planted), int((1 - share) * PLANTED))]
    lines = [text.line for text in (*kept, *planted, *others)]
    alike = find_alike(columns_of(lines), lines.__getitem__)
    wanted = {(at, len(kept) + at) for at in range(len(planted))}
    found = {pair for cluster in alike.clusters for pair in pairwise(cluster)}
    recall = len(found & wanted) / len(wanted)
    precision = len(found & wanted) / len(found) if found else 1.0
    wrong = len(found - wanted)
    what = f"{len(others) / len(lines):.0%} of rows templated"
    print(f"  {what:<24}{len(wanted):>9,}{len(found & wanted):>9,}{wrong:>9,}{recall:>9.1%}{precision:>11.1%}")


def _print_bandings(exact: NDArray[np.float64], equal: NDArray[np.bool_]) -> None:
    edges = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.01)
    buckets = [(exact >= low) & (exact < high) for low, high in pairwise(edges)]
    print(f"  {'':<24}" + "".join(f"{f'≥ {low}':>8}" for low in edges[:-1]))
    print(f"  {'pairs':<24}" + "".join(f"{int(bucket.sum()):>8,}" for bucket in buckets))
    for width in (2, 3, 4):
        bands = equal[:, : SKETCH_WIDTH // width * width].reshape(len(equal), -1, width)
        for agreeing in (0, 9, 11):
            is_compared = (bands.sum(axis=2) == width).any(axis=1) & (equal.sum(axis=1) >= agreeing)
            name = f"{bands.shape[1]} bands of {width}" + (f", ≥ {agreeing} agree" if agreeing else "")
            print(f"  {name:<24}" + "".join(f"{is_compared[bucket].mean():>8.1%}" for bucket in buckets))


def _similarities(ones: Sequence[Text], others: Sequence[Text], without: NDArray[np.uint64]) -> NDArray[np.float64]:
    def own(text: Text) -> NDArray[np.uint64]:
        return np.setdiff1d(shingles(text.joined), without, assume_unique=True)

    return np.array([jaccard(own(one), own(other)) for one, other in zip(ones, others, strict=True)])


def _unrelated(texts: Sequence[Text]) -> tuple[list[Text], list[Text]]:
    by_language = sorted(texts, key=lambda text: text.language)
    pairs = [pair for pair in pairwise(by_language) if pair[0].language == pair[1].language]
    return [one for one, _ in pairs], [other for _, other in pairs]


def _print_shares(what: str, similarities: NDArray[np.float64], thresholds: Sequence[float]) -> None:
    shares = "".join(f"{(similarities >= threshold).mean():>8.1%}" for threshold in thresholds)
    print(f"  {what:<24}{shares}{np.median(similarities):>8.2f}")


if __name__ == "__main__":
    sys.exit(main())
