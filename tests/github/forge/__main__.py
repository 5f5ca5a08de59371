"""The forge as a program: `python -m tests.github.forge FOLDER` says in FOLDER/forge.json where it listens."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from secrets import token_hex

from tests.github.forge.app import App
from tests.github.forge.control import Control
from tests.github.forge.issuer import Issuer
from tests.github.forge.wire import Listener
from tests.github.forge.world import World


def main() -> None:
    """Serve until somebody ends it."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    world = World(folder=folder)
    secret = token_hex(18)
    control = Control(world=world, issuer=Issuer(url=""))
    app = App(world=world, control=control, secret=secret)
    with Listener(app.answer) as listener:
        world.url = control.issuer.url = listener.url
        card = folder / "forge.json"
        card.with_suffix(".new").write_text(json.dumps({"url": listener.url, "secret": secret}), encoding="utf-8")
        card.with_suffix(".new").rename(card)
        listener.serve_forever()


if __name__ == "__main__":
    main()
