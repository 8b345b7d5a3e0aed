"""Download a Minari dataset, or say within seconds why that cannot be done.

Minari retries for a long time when it is offline, prints lines of its own and leaves half a
dataset behind when it is interrupted. So the server is asked first, with a time limit, and the
download runs in a process of its own, into a hidden folder that is renamed at the end.
"""

from __future__ import annotations

import difflib
import http.client
import os
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from spirl_cli.demos.formats.minari import datasets_folder, local_datasets, require_datasets_folder
from spirl_cli.errors import DatasetError, did_you_mean
from spirl_cli.files import make_folder, publish_folder
from spirl_cli.monitor.children import python_command

REACH_SECONDS = 3.0  # to reach the server, name resolution included

_CHILD = """
import contextlib, io, sys, warnings
warnings.simplefilter("ignore")
try:
    with contextlib.redirect_stdout(io.StringIO()):
        import minari
        minari.download_dataset(sys.argv[1])
except Exception as error:
    print(error)
    sys.exit(1)
"""


def download(dataset_id: str, announce: Callable[[str], None]) -> None:
    """Download a Minari dataset into the local folder of datasets.

    Args:
        dataset_id: such as ``D4RL/kitchen/mixed-v2``.
        announce: told what is about to happen.

    Raises:
        DatasetError: the server cannot be reached within `REACH_SECONDS`, or refuses; the hint
            says how else to get the dataset.
    """
    server = _server()
    reason = _unreachable(server)
    if reason:
        raise unavailable(dataset_id, f"{server} cannot be reached ({reason})")
    root = require_datasets_folder()
    announce(f"downloading {dataset_id} from {server} to {root}")
    make_folder(root)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=root) as folder:
        _run_minari(dataset_id, Path(folder))
        _move(Path(folder) / dataset_id, root / dataset_id)


def unavailable(dataset_id: str, reason: str) -> DatasetError:
    """Return the error for a dataset that is not on this machine and cannot be downloaded."""
    known = local_datasets()
    here = f"on this machine: {', '.join(known)}" if known else "there is none on this machine"
    return DatasetError(
        f"the Minari dataset '{dataset_id}' is not in {datasets_folder()}, and {reason}.{_misspelt(dataset_id, known)}",
        f"run `minari download {dataset_id}` where there is a network and copy the result to "
        f"{datasets_folder() / dataset_id} (or set MINARI_DATASETS_PATH to a folder that has it); "
        f"or take another dataset with --set extract.dataset=ID ({here})",
    )


def _misspelt(dataset_id: str, known: list[str]) -> str:
    """Suggest a local dataset only if the name is nearly the same: others may well exist elsewhere."""
    return did_you_mean(dataset_id, difflib.get_close_matches(dataset_id, known, n=1, cutoff=0.8))


def _run_minari(dataset_id: str, folder: Path) -> None:
    """Run Minari's download into ``folder``; its progress bars are shown on a terminal only."""
    done = subprocess.run(
        python_command("-c", _CHILD, dataset_id),
        env={**os.environ, "MINARI_DATASETS_PATH": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=None if sys.stderr.isatty() else subprocess.DEVNULL,
        text=True,
    )
    if done.returncode != 0 or not (folder / dataset_id / "data" / "metadata.json").is_file():
        reason = " ".join(done.stdout.split()) or f"Minari stopped with exit code {done.returncode}"
        raise unavailable(dataset_id, f"its download failed: {reason.rstrip('.')}")


def _move(downloaded: Path, target: Path) -> None:
    """Put the whole dataset in its place, unless another process was faster."""
    make_folder(target.parent)
    try:
        publish_folder(downloaded, target)
    except OSError as error:
        if not (target / "data" / "metadata.json").is_file():
            raise DatasetError(f"{target} is in the way of the download: {error}", "move it away") from error


def _server() -> str:
    """Return the address that Minari is going to ask."""
    if os.environ.get("MINARI_REMOTE", "hf://").startswith("gcp://"):
        return "https://storage.googleapis.com"
    from huggingface_hub import constants

    return os.environ.get("HF_ENDPOINT") or constants.ENDPOINT


def _unreachable(server: str) -> str:
    """Return why the server cannot be reached, or an empty string if it answers.

    Name resolution knows no time limit, hence the thread, which is left behind.
    """
    outcome = [f"no answer within {REACH_SECONDS:g} s"]

    def ask() -> None:
        try:
            request = urllib.request.Request(server, method="HEAD")
            urllib.request.urlopen(request, timeout=REACH_SECONDS).close()
            outcome[0] = ""
        except urllib.error.HTTPError:
            outcome[0] = ""  # it answered, if only to refuse the question
        except (OSError, ValueError, http.client.HTTPException) as error:
            outcome[0] = str(getattr(error, "reason", error))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(REACH_SECONDS)
    return outcome[0]
