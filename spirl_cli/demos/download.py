"""Downloads a Minari dataset, or says within seconds why it cannot.

Without a network Minari retries for a long time; it prints lines of its own, and an interruption leaves half a dataset.
So a request with a time limit checks the server first, and the download runs in a separate process, into a hidden
folder that is renamed at the end.
"""

from __future__ import annotations

import difflib
import errno
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from spirl_cli.demos.formats.minari import datasets_folder, is_local, local_datasets
from spirl_cli.demos.publishing import only_maker, published
from spirl_cli.errors import DatasetError, did_you_mean
from spirl_cli.monitor.children import python_command

REACH_SECONDS = 3.0  # limit for reaching the server, name resolution included

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
    """Download a Minari dataset into the local folder of datasets, unless another process is faster.

    Args:
        dataset_id: such as `D4RL/kitchen/mixed-v2`.
        announce: receives a message before the download.

    Raises:
        DatasetError: the server cannot be reached within `REACH_SECONDS`, or refuses; the hint names other ways to get
            the dataset.
    """
    _refuse_other_names(dataset_id)
    server = _server()
    reason = _unreachable(server)
    if reason:
        raise unavailable(dataset_id, f"{server} cannot be reached ({reason})")
    with only_maker(dataset_id, announce, "downloads"):
        if not is_local(dataset_id):  # another process may have downloaded it meanwhile
            announce(f"downloading {dataset_id} from {server} to {datasets_folder()}")
            _download(dataset_id)


def unavailable(dataset_id: str, reason: str) -> DatasetError:
    """Return the error for a dataset that is neither on this computer nor can be downloaded."""
    known = local_datasets()
    here = f"on this machine: {', '.join(known)}" if known else "there is none on this machine"
    return DatasetError(
        f"the Minari dataset '{dataset_id}' is not in {datasets_folder()}, and {reason}.{_misspelt(dataset_id, known)}",
        f"run `minari download {dataset_id}` where there is a network and copy the result to "
        f"{datasets_folder() / dataset_id} (or set MINARI_DATASETS_PATH to a folder that has it); "
        f"or take another dataset with --set extract.dataset=ID ({here})",
    )


def _refuse_other_names(dataset_id: str) -> None:
    """Refuse a name that Minari's server need not be asked for."""
    if not re.search(r"-v\d+$", dataset_id):
        raise DatasetError(
            f"'{dataset_id}' is neither a file or folder here nor the id of a Minari dataset, which ends in a version "
            f"such as -v0.{_misspelt(dataset_id, local_datasets())}",
            "name the path of a file or folder; a LeRobot dataset is downloaded first, with "
            f"`hf download {dataset_id} --repo-type dataset --local-dir FOLDER`, and its folder is named",
        )


def _misspelt(dataset_id: str, known: list[str]) -> str:
    """Suggest a local dataset only if the names are nearly equal, since other datasets may exist elsewhere."""
    return did_you_mean(dataset_id, difflib.get_close_matches(dataset_id, known, n=1, cutoff=0.8))


def _run_minari(dataset_id: str, folder: Path) -> None:
    """Run Minari's download into `folder`; progress bars appear on a terminal only."""
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
        if f"[Errno {errno.ENOSPC}]" in reason:
            raise OSError(errno.ENOSPC, reason)
        raise unavailable(dataset_id, f"its download failed: {reason.rstrip('.')}")


def _download(dataset_id: str) -> None:
    try:
        with published(dataset_id) as folder:
            _run_minari(dataset_id, folder)
    except OSError as error:
        target = datasets_folder() / dataset_id
        raise DatasetError(f"{target} is in the way of the download: {error}", "move it away") from error


def _server() -> str:
    """Return the address from which Minari downloads."""
    if os.environ.get("MINARI_REMOTE", "hf://").startswith("gcp://"):
        return "https://storage.googleapis.com"
    from huggingface_hub import constants

    return os.environ.get("HF_ENDPOINT") or constants.ENDPOINT


def _unreachable(server: str) -> str:
    """Return why the server cannot be reached, or an empty string if it answers.

    Name resolution has no time limit, hence it runs in a thread that may outlive the call.
    """
    import http.client  # here, since planning loads this module, and loading these takes a while
    import urllib.error
    import urllib.request

    outcome = [f"no answer within {REACH_SECONDS:g} s"]

    def ask() -> None:
        try:
            request = urllib.request.Request(server, method="HEAD")
            urllib.request.urlopen(request, timeout=REACH_SECONDS).close()
            outcome[0] = ""
        except urllib.error.HTTPError:
            outcome[0] = ""  # a refusal is an answer too
        except (OSError, ValueError, http.client.HTTPException) as error:
            outcome[0] = str(getattr(error, "reason", error))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(REACH_SECONDS)
    return outcome[0]
