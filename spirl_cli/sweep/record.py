"""The folder of a sweep, ``artifacts/sweeps/<name>/``: its record, and a log and an exit code per job."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from spirl_cli.errors import ArtifactError, UsageError, did_you_mean
from spirl_cli.files import write_whole
from spirl_cli.store.names import SWEEPS
from spirl_cli.sweep.jobs import Job, Plan, SweepCell

FORMAT_VERSION = 1
RECORD = "sweep.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


@dataclass(frozen=True)
class Record:
    """What is known of a sweep besides what the store says.

    Attributes:
        name: of the sweep.
        command: the command line that goes on with it.
        folder: the working folder in which it was typed.
        updated: when it was last started (ISO 8601, UTC).
        plan: its cells and jobs.
        submitted: key of a job to its id at Slurm.
        draw: axes against which a report draws results, each with a metric or None for all.
    """

    name: str
    command: list[str]
    folder: str
    updated: str
    plan: Plan
    submitted: dict[str, str] = field(default_factory=dict)
    draw: list[tuple[str, str | None]] = field(default_factory=list)


@dataclass(frozen=True)
class SweepFolder:
    """Where a sweep lives."""

    path: Path

    @property
    def lock(self) -> Path:
        """The lock of the process that drives the sweep."""
        return self.path / ".sweep.lock"

    def log(self, job: Job) -> Path:
        """Return the file that everything a job says goes to."""
        return self.path / "logs" / f"{job.arguments[0]}-{job.key}.log"

    def exit_file(self, key: str) -> Path:
        """Return the file that holds the exit code of a job's last run."""
        return self.path / "exits" / key

    def create(self) -> None:
        """Make the folders."""
        for folder in ("logs", "exits"):
            _make_folder(self.path / folder)

    def exit_code(self, key: str) -> int | None:
        """Return the exit code of a job's last run, None when it has not ended."""
        try:
            return int(self.exit_file(key).read_text())
        except (OSError, ValueError):
            return None

    def exit_codes(self) -> dict[str, int]:
        """Return the exit codes of all jobs that ended."""
        with contextlib.suppress(FileNotFoundError):
            keys = [path.name for path in (self.path / "exits").iterdir()]
            return {key: code for key in keys if (code := self.exit_code(key)) is not None}
        return {}

    def done(self) -> set[str]:
        """Return the keys of the jobs whose last run succeeded."""
        return {key for key, code in self.exit_codes().items() if code == 0}

    def set_exit_code(self, key: str, code: int) -> None:
        """Note how a job ended."""
        write_whole(self.exit_file(key), f"{code}\n".encode())

    def forget(self, key: str) -> None:
        """Forget how a job ended, because it is about to run again."""
        self.exit_file(key).unlink(missing_ok=True)

    def write(self, record: Record) -> None:
        """Write the record, whole."""
        content = {"format_version": FORMAT_VERSION, **asdict(record)}
        content["plan"]["jobs"] = list(content["plan"]["jobs"].values())
        write_whole(self.path / RECORD, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())

    def read(self) -> Record:
        """Read the record.

        Raises:
            ArtifactError: it is missing, damaged or of a newer format.
        """
        path = self.path / RECORD
        try:
            content = json.loads(path.read_bytes())
            version = content.pop("format_version")
            if version == FORMAT_VERSION:
                return _record(content)
        except FileNotFoundError:
            raise ArtifactError(f"{self.path} is not the folder of a sweep: it has no {RECORD}") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            hint = (
                "put a good copy of it back, or start the sweep under another --name: finished stages are found again"
            )
            raise ArtifactError(f"{path} is damaged: {type(error).__name__} {error}", hint) from None
        raise ArtifactError(f"{path} was written by another version of spirl: it has format {version}", "update spirl")


def sweep_folder(root: Path, name: str) -> SweepFolder:
    """Return the folder of a sweep in the store at `root`, whether it exists or not.

    Raises:
        UsageError: the name cannot be that of a folder.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"'{name}' cannot name a sweep: use letters, digits, and . _ + - inside.", "choose --name")
    return SweepFolder(root / SWEEPS / name)


def known_sweeps(root: Path) -> list[str]:
    """Return the names of the sweeps in the store at `root`, the one that was started last at the end."""
    records = sorted((root / SWEEPS).glob(f"*/{RECORD}"), key=lambda path: path.stat().st_mtime_ns)
    return [path.parent.name for path in records]


def find_sweep(root: Path, name: str | None) -> SweepFolder:
    """Return the folder of the sweep called so, or of the one that was started last.

    Raises:
        ArtifactError: there is none.
    """
    known = known_sweeps(root)
    if not known:
        raise ArtifactError(f"There is no sweep in {root}.", "start one with 'spirl sweep RECIPE --seeds 0-2'")
    if name is not None and name not in known:
        close = did_you_mean(name, known)
        raise ArtifactError(f"There is no sweep '{name}' in {root}.{close}", f"the sweeps: {', '.join(sorted(known))}")
    return sweep_folder(root, name or known[-1])


def _record(content: Mapping[str, object]) -> Record:
    plan = content["plan"]
    assert isinstance(plan, dict)
    cells = tuple(SweepCell(**cell) for cell in plan["cells"])
    jobs = [Job(**{**job, "arguments": tuple(job["arguments"]), "needs": tuple(job["needs"])}) for job in plan["jobs"]]
    draw = [(against, metric) for against, metric in content["draw"]]  # type: ignore[attr-defined]
    return Record(**{**content, "draw": draw, "plan": Plan(cells, {job.key: job for job in jobs})})  # type: ignore[arg-type]


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArtifactError(
            f"cannot write to {path}: {error.strerror}", "choose another place with --artifacts DIR"
        ) from error
