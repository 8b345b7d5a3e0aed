"""Downloads from a server on loopback that answers as the hub does, cut connections included."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from spirl_cli.demos.download import download
from spirl_cli.errors import DatasetError
from tests.support.format_writers import make_episodes, write_minari
from tests.support.hub import Hub, serve

DATASET = "hub/own-v0"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    folder = tmp_path / "server" / "hub"
    folder.mkdir(parents=True)
    path = write_minari(folder / "own-v0", make_episodes(3))
    metadata = path / "data" / "metadata.json"
    metadata.write_text(json.dumps({**json.loads(metadata.read_text()), "dataset_id": DATASET}))
    (folder / "root").rmdir()
    (folder / "namespace_metadata.json").write_text(json.dumps({"datasets": [DATASET]}))
    with serve(Hub(folder)) as running:
        for name, value in {
            "HF_ENDPOINT": running.address,
            "MINARI_DATASETS_PATH": str(tmp_path / "datasets"),
            "HF_HOME": str(tmp_path / "home"),
            "HF_HUB_DISABLE_XET": "1",
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", running.address)
        yield running


def check_whole(hub: Hub, folder: Path) -> None:
    """Check that the downloaded dataset is the server's, and that nothing else was left."""
    for name, path in hub.files().items():
        if name.startswith("own-v0/"):
            assert (folder / "hub" / name).read_bytes() == path.read_bytes()
    assert [path.name for path in folder.iterdir() if path.is_dir()] == ["hub"]


def test_a_dataset_is_downloaded(hub: Hub, tmp_path: Path) -> None:
    said: list[str] = []
    download(DATASET, said.append)
    check_whole(hub, tmp_path / "datasets")
    assert said == [f"downloading {DATASET} from {hub.address} to {tmp_path / 'datasets'}"]


def test_a_cut_connection_is_taken_up_again(hub: Hub, tmp_path: Path) -> None:
    hub.cuts = 1
    download(DATASET, lambda text: None)
    check_whole(hub, tmp_path / "datasets")
    assert hub.cuts == 0


@pytest.mark.slow
def test_what_is_always_cut_leaves_nothing_behind(hub: Hub, tmp_path: Path) -> None:
    hub.cuts = 10**6
    with pytest.raises(DatasetError, match=r"'hub/own-v0' is not in .*, and its download failed") as refusal:
        download(DATASET, lambda text: None)
    assert "minari download hub/own-v0" in refusal.value.hint
    assert not any(path.is_dir() for path in (tmp_path / "datasets").iterdir())


def test_a_dataset_that_the_server_lacks_is_named(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"'hub/other-v0' is not in .*its download failed: .*hub/other"):
        download("hub/other-v0", lambda text: None)
    assert not any(path.is_dir() for path in (tmp_path / "datasets").iterdir())


def test_names_that_are_no_ids_are_not_asked_for(hub: Hub) -> None:
    with pytest.raises(DatasetError, match="'lerobot/pusht' is neither a file or folder here") as refusal:
        download("lerobot/pusht", lambda text: None)
    assert "hf download lerobot/pusht --repo-type dataset" in refusal.value.hint
    assert hub.requests == []
