"""Random recipes, `--set` texts, manifests, weights and datasets: every command answers, none is surprised.

    python -m benchmarks.torture.fuzz --cases 20000

A case passes if the exit code is 0, 2 or 3, within 2 s of the processor and 500 MB. The case that is being tried
stands in the file that the command names first, in case the process itself dies.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from benchmarks.torture.answers import Kind, Surprise, Tally, answer
from benchmarks.torture.file_cases import FileCases
from benchmarks.torture.inputs import json_texts, override_texts, recipe_texts, recipe_values
from spirl_cli.errors import ArtifactError
from spirl_cli.files import write_whole
from spirl_cli.inference.decoders import load_decoder
from spirl_cli.inference.network_file import DecoderHeader, encode_header, write_network
from spirl_cli.payload import AGENT, POLICY_FILE
from spirl_cli.seals import break_seal
from spirl_cli.store.fingerprint import fingerprint
from spirl_cli.store.names import MANIFEST
from spirl_cli.store.store import Store
from spirl_cli.store.writer import open_run

MEGABYTES = 500


class Cases(FileCases):
    """The kinds of cases, in a folder of their own.

    Args:
        folder: where files are written.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._recipes = recipe_values()
        self._manifest, self._content = self._artifact()

    def recipes(self, tally: Tally) -> Kind:
        """Return files of recipes, and what is done with each."""
        path = self._folder / "case.yaml"
        commands = (["recipe", "check"], ["recipe", "show"], ["run", "--dry-run", "--artifacts", str(self._root)])

        def check(case: tuple[str, list[str]]) -> None:
            write_whole(path, case[0].encode("utf-8", "surrogatepass"))
            answer([*case[1], str(path)], tally)

        return st.tuples(recipe_texts(self._recipes), st.sampled_from(commands)), check

    def overrides(self, tally: Tally) -> Kind:
        """Return lists of `--set` texts, and what is done with each."""

        def check(case: list[str]) -> None:
            options = [word for text in case for word in ("--set", text)]
            answer(["run", "maze", "--dry-run", "--artifacts", str(self._root), *options], tally)

        maze = next(one for one in self._recipes if one["env"]["kind"] == "maze")
        return st.lists(override_texts(maze), min_size=1, max_size=2), check

    def manifests(self, tally: Tally) -> Kind:
        """Return manifests, and what is done with each."""
        place = ["--artifacts", str(self._root)]
        folder = str(self._manifest.parent)
        commands = (
            *(
                ["list"],
                ["list", "--json"],
                ["verify"],
                ["show", folder],
                ["lineage", folder],
                ["diff", folder, folder],
            ),
            *(["export", folder, "--to", str(self._folder / "to")]),
            *(["evaluate", "--agent", folder, "--dry-run"], ["run", "gymnasium", "--dry-run"]),
        )

        def check(case: tuple[bytes, list[str]]) -> None:
            write_whole(self._manifest, case[0])
            answer([*case[1], *place], tally)
            outside = {path.name for path in self._folder.iterdir()} - {"artifacts", "to", "case.yaml", "decoder"}
            if outside:
                raise Surprise(f"{case[1]} wrote {outside}")

        return st.tuples(json_texts([self._content]), st.sampled_from(commands)), check

    def networks(self, tally: Tally) -> Kind:
        """Return headers of network files, and what is done with each."""
        path = self._folder / "decoder"
        sizes = {"horizon": 3, "latent_dim": 2, "state_dim": 4, "action_low": (-1.0,), "action_high": (1.0,)}
        header = DecoderHeader(kind="closed-loop", **sizes)  # type: ignore[arg-type]
        write_network(path, {}, header)
        values = [json.loads(encode_header(header))]

        def check(case: bytes) -> None:
            text = json.dumps({"__metadata__": {"network": case.decode("utf-8", "replace")}}).encode()
            write_whole(path, len(text).to_bytes(8, "little") + text)
            begun = time.process_time()
            with contextlib.suppress(ArtifactError):
                load_decoder(path)
            tally.add(3, time.process_time() - begun)

        return json_texts(values), check

    def _artifact(self) -> tuple[Path, dict[str, Any]]:
        """Make an agent and return its manifest's path and content."""
        recipe = next(one for one in self._recipes if one["env"]["kind"] == "gymnasium")
        parameters = {"env": recipe["env"], "train_rl": recipe["train_rl"]}
        with open_run(Store(self._root), "evil", AGENT, fingerprint(AGENT, 1, parameters, {})) as work:
            write_whole(work.folder / POLICY_FILE, b"weights")
            facts: dict[str, Any] = {"inputs": {}, "seed": 0, "metrics": {"loss": 0.5}, "extra": {"recipe": recipe}}
            made = work.commit(stage_version=1, parameters=parameters, keep=[POLICY_FILE], **facts)
        path = made.path / MANIFEST
        break_seal(path)  # which would refuse all others at once
        return path, json.loads(path.read_text())


KINDS = ("recipes", "overrides", "manifests", "networks", "tensors", "hdf5", "minari")


def fuzz(kind: str, cases: int, folder: Path, start: int) -> Tally:
    """Try random cases of one kind.

    Args:
        kind: one of `KINDS`.
        cases: how many.
        folder: an empty folder to work in.
        start: seed.

    Raises:
        Surprise: with the smallest case that was found.
    """
    tally, work = Tally(), folder / "work"
    os.environ["MINARI_DATASETS_PATH"] = str(work)
    strategy, check = getattr(Cases(work), kind)(tally)
    current = folder / "current-case"

    @seed(start)
    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    @given(strategy)
    def try_all(case: Any) -> None:
        write_whole(current, repr(case)[:100_000].encode("utf-8", "backslashreplace"))
        check(case)

    try_all()
    return tally


def limit_memory(megabytes: int) -> None:
    """Let this process have so much more memory than it has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + megabytes * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Try all kinds, print a line for each, and return the exit code."""
    parser = argparse.ArgumentParser(description="Try random inputs on all commands.")
    parser.add_argument("--cases", type=int, default=2000, help="of all kinds together")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="spirl-fuzz-") as name:
        print(f"the case that is being tried: {name}/*/current-case", file=sys.stderr)
        for kind in KINDS:
            folder = Path(name) / kind
            (folder / "work").mkdir(parents=True)
            answer(["run", "maze", "--dry-run", "--artifacts", name], Tally())  # imports what needs memory once
            limit_memory(MEGABYTES)
            tally = fuzz(kind, max(1, chosen.cases // len(KINDS)), folder, chosen.seed)
            codes = ", ".join(f"{code}: {count}" for code, count in sorted(tally.codes.items()))
            print(f"{kind:<10} {tally.cases:>6} cases  slowest {tally.slowest:.2f} s  exit codes {codes}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
