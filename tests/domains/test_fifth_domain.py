"""A package outside spirl adds a domain: images, a planner, a metric, a figure; no file of spirl is changed."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.commands import CHECKOUT, RunCli

PACKAGE = CHECKOUT / "tests" / "support" / "packages" / "spirl_corridor"
RECIPE = """\
# A cart in a corridor.
env: {kind: corridor, length: 1.5}
extract: {source: planner, episodes: 12, planner: {push: 0.7}}
train_skills:
  {horizon: 5, latent_dim: 2, iterations: 60, validate_every: 30, batch_size: 16, best_of: 2, encoder_width: 8,
   decoder_width: 8, decoder_depth: 1}
train_prior:
  {iterations: 60, validate_every: 30, batch_size: 16, width: 8, depth: 1, image: {channels: [4, 4], features: 4}}
train_rl:
  {steps: 600, warmup_steps: 100, environments: 2, batch_size: 16, critic_width: 8, policy_width: 8, log_every: 100}
evaluate: {episodes: 4, environments: 1, video_episodes: 1, bootstrap: 20, baselines: [random]}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the package is installed by pip, as from an index."""
    folder = tmp_path_factory.mktemp("site")
    wheel = folder / "spirl_corridor-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in PACKAGE.glob("*.py"):
            archive.write(path, f"spirl_corridor/{path.name}")
        info = "spirl_corridor-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: spirl-corridor\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(
            f"{info}/entry_points.txt", "[spirl.domains]\ncorridor = spirl_corridor.domain:CorridorDomain\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    target = folder / "packages"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target)]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    return target


@pytest.fixture
def corridor(run_cli: RunCli, site: Path, tmp_path: Path) -> RunCli:
    """The command line where the package is installed, in a folder with a recipe for it."""
    (tmp_path / "cart.yaml").write_text(RECIPE)

    def run(*arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
        return run_cli(*arguments, PYTHONPATH=f"{CHECKOUT}:{site}", **more)

    return run


def test_its_recipe_runs_from_demonstrations_to_its_own_figure(corridor: RunCli, tmp_path: Path) -> None:
    done = corridor("run", "cart.yaml", timeout=300)
    assert done.returncode == 0, done.stderr
    evaluation = tmp_path / done.stdout.strip()
    for name in ("places.png", "learning_curve.png"):
        assert (evaluation / name).read_bytes().startswith(b"\x89PNG"), name
    (video,) = (evaluation / "videos").glob("*.mp4")
    assert video.stat().st_size > 1000
    rows = json.loads((evaluation / "results.json").read_text())["rows"]
    assert {(row["env"], row["metric"], row["layout"]) for row in rows} == {("corridor", "way", "1.5 m")}
    assert "100.0% of the demonstrations made succeeded" in done.stderr
    prior = json.loads(next((tmp_path / "artifacts/cart/prior").glob("v*/manifest.json")).read_text())
    assert prior["parameters"]["train_prior"]["image"]["channels"] == [4, 4]
    again = corridor("run", "cart.yaml")
    assert again.stdout == done.stdout and "everything is up to date" in again.stderr


def test_its_mistakes_are_named_like_those_of_other_domains(corridor: RunCli) -> None:
    for override, sentence in (
        ("env.lenght=2", "env.lenght is not a known key. Did you mean 'length'?"),
        ("extract.planner.psh=1", "extract.planner.psh is not a known key. Did you mean 'push'?"),
        ("extract.planner.push=-1", "extract.planner.push must be greater than 0"),
        ("env.kind=coridor", "Did you mean 'corridor'?"),
    ):
        refused = corridor("recipe", "show", "cart.yaml", "--set", override)
        assert refused.returncode == 2 and sentence in refused.stderr, refused.stderr


def test_where_it_is_not_installed_its_recipe_is_refused(run_cli: RunCli, corridor: RunCli) -> None:
    refused = run_cli("recipe", "check", "cart.yaml")
    assert refused.returncode == 2
    assert "env.kind must be one of kitchen, gymnasium, maze, blocks, not 'corridor'" in refused.stderr + refused.stdout


def test_doctor_shows_it(corridor: RunCli) -> None:
    found = json.loads(corridor("doctor", "--json").stdout)
    assert found["domains"] == ["kitchen", "gymnasium", "maze", "blocks", "corridor"]


def test_installing_it_changes_no_fingerprint_of_other_recipes(corridor: RunCli, run_cli: RunCli) -> None:
    with_it, without = (run("run", "maze", "--dry-run", "--json") for run in (corridor, run_cli))
    assert with_it.stdout == without.stdout and with_it.returncode == 0


def test_a_broken_package_is_named(run_cli: RunCli, tmp_path: Path) -> None:
    info = tmp_path / "site" / "broken-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[spirl.domains]\nbroken = broken_domain:Nothing\n")
    (tmp_path / "it.yaml").write_text(RECIPE.replace("kind: corridor", "kind: broken"))
    refused = run_cli("recipe", "show", "it.yaml", PYTHONPATH=f"{CHECKOUT}:{tmp_path / 'site'}")
    assert refused.returncode == 2 and "broken_domain:Nothing cannot be used" in refused.stderr, refused.stderr
    fine = run_cli("recipe", "show", "maze", PYTHONPATH=f"{CHECKOUT}:{tmp_path / 'site'}")
    assert fine.returncode == 0, fine.stderr
