"""The folder that a user stands in is not one of ours: a command that is refused there leaves it alone."""

import pytest

from lightning_nas.cli import main


@pytest.mark.parametrize(("command", "key"), [("report", "run"), ("predict", "run"), ("ui", "run")])
def test_an_empty_working_folder_is_still_there_after_a_refusal(tmp_path, monkeypatch, command, key):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr("sys.argv", ["lightning-nas"])
    with pytest.raises(SystemExit, match="there is no such folder"):
        main([command, f"{key}=nowhere"])
    assert here.is_dir()
