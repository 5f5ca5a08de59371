"""Make a data file to measure with: `python -m bench.corpus FILE ROWS SEED`.

Chats in English, Japanese, Korean and code. Half of the lines are written with escapes for all that is not ASCII, as
many exporters do. The same rows for the same seed, on any machine.
"""

from __future__ import annotations

import json
import random
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

_ENGLISH = """
    order parcel refund invoice courier address window delay kettle charger warranty update account password button
    screen report table value error model sample batch loss curve token threshold label split seed answer question
    please check send open close wait find keep write read the a an and or but if then when while with without for from
    into over under after before again never always today tomorrow soon late early new old small large broken ready
"""
ENGLISH = _ENGLISH.split()
JAPANESE = (
    "注文した品物がまだ届いていないので、配送の状況を確認してもらえますか。お手数ですが、会員番号と電話番号を教えてください。"
    "設定の画面を開いて、通知の項目をもう一度選び直してから再起動してください。評価の結果は昨日より少し良くなりましたが、"
    "学習に使った例がまだ足りないようです。来週の会議までに報告書をまとめて送ります。"
)
_KOREAN = """
    주문한 상품이 아직 도착하지 않아서 배송 상태를 확인하고 싶습니다 회원 번호와 전화번호를 알려 주시겠어요 설정 화면을
    열고 알림 항목을 다시 선택한 뒤 재시작해 주세요 평가 결과가 어제보다 조금 좋아졌지만 학습 예제가 더 필요합니다
"""
KOREAN = _KOREAN.split()
CODE = (
    "def {word}(left, right):\n    return left * {number} + right\n",
    "for item in {word}s[:{number}]:\n    print(item.name)\n",
    "SELECT {word}, count(*) FROM orders WHERE total > {number} GROUP BY 1;\n",
    '{{"{word}": [{number}, null, true]}}\n',
    "const {word} = await fetch(`/api/{word}/${{id}}`, {{ timeout: {number} }});\n",
)
SIGNS = ("🙂", "🚚", "✅", "👩‍🔧", "…", "—", "“so”", "°C")
SYSTEM = (
    "You are a helpful assistant.",
    "You answer for an online shop, in two sentences at most.",
    "あなたは店の窓口で丁寧に答えます。",
    "당신은 친절한 상담원입니다.",
)


def write_chats(stream: TextIO, rows: int, seed: int) -> None:
    """Write that many lines, of about 750 bytes each."""
    stream.writelines(
        json.dumps({"messages": messages}, ensure_ascii=number % 2 == 0) + "\n"
        for number, messages in enumerate(_chats(rows, random.Random(seed)))
    )


def _chats(rows: int, chance: random.Random) -> Iterator[list[dict[str, str]]]:
    for _ in range(rows):
        messages = [{"role": "system", "content": chance.choice(SYSTEM)}]
        for _ in range(1 if chance.random() < 0.8 else 2):
            messages.append({"role": "user", "content": _text(chance, 1)})
            messages.append({"role": "assistant", "content": _text(chance, 3)})
        yield messages


def _text(chance: random.Random, length: int) -> str:
    kinds: list[Callable[[random.Random, int], str]] = [_english, _japanese, _korean, _code]
    (kind,) = chance.choices(kinds, (50, 20, 12, 18))
    return kind(chance, length)


def _english(chance: random.Random, length: int) -> str:
    sentences = []
    for _ in range(chance.randint(1, 2)):
        words = chance.choices(ENGLISH, k=chance.randint(6, 18) * length)
        words[len(words) // 2] += ","
        sign = f" {chance.choice(SIGNS)}" if chance.random() < 0.1 else ""
        number = f" {chance.randrange(10**6)}" if chance.random() < 0.1 else ""
        sentences.append(" ".join(words).capitalize() + number + "." + sign)
    return "\n".join(sentences)


def _japanese(chance: random.Random, length: int) -> str:
    start = chance.randrange(len(JAPANESE))
    return (JAPANESE + JAPANESE)[start : start + chance.randint(15, 60) * length]


def _korean(chance: random.Random, length: int) -> str:
    return " ".join(chance.choices(KOREAN, k=chance.randint(4, 16) * length)) + "."


def _code(chance: random.Random, length: int) -> str:
    lines = (
        chance.choice(CODE).format(word=chance.choice(ENGLISH), number=chance.randrange(1000))
        for _ in range(chance.randint(1, 2) * length)
    )
    return f"{_english(chance, 1)}\n```\n{''.join(lines)}```"


if __name__ == "__main__":
    with open(sys.argv[1], "w", encoding="utf-8") as made:  # noqa: PTH123  # a script of one line
        write_chats(made, int(sys.argv[2]), int(sys.argv[3]))
