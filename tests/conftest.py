"""Makes the stages importable from any folder, and the tests as quick as two busy cores allow."""
import pathlib
import shutil
import sys

import pytest
import torch

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Tiny tensors: threads would spend their time waiting for each other."""
    torch.set_num_threads(1)


def plainly(monkeypatch):
    """No pictures: they take longer than the rest together."""
    import tiny
    for stage in tiny.STAGES.values():
        monkeypatch.setattr(stage, "draw", lambda *args: None)


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """The folder that tiny.make has filled; not to be changed."""
    import tiny
    folder = tmp_path_factory.mktemp("tiny")
    with pytest.MonkeyPatch.context() as monkeypatch:
        plainly(monkeypatch)
        monkeypatch.chdir(folder)
        tiny.make()
    return folder


@pytest.fixture
def home(made, tmp_path, monkeypatch):
    """A copy of that folder for one test, which works in it."""
    plainly(monkeypatch)
    shutil.copytree(made, tmp_path / "home")
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def refused(home, capsys):
    """-> function: calls what must refuse -> its one line. All files are as they were before."""
    def files():
        return {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}

    def call(function, *args):
        before = files()
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            function(*args)
        line, after = capsys.readouterr().err, files()
        assert stopped.value.code == 2
        assert line.startswith("error: ") and line.count("\n") == 1 and "Traceback" not in line
        assert before == {path: after.get(path) for path in before}
        assert not [path for path in after if path.suffix == ".tmp"], "half a file is left"
        return line
    return call
