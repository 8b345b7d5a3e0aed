"""Writing a recipe for a dataset and an environment, every value with a comment on where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from spirl_cli.inspection import settings_from as derive
from spirl_cli.inspection.matching import Key
from spirl_cli.inspection.probe import Probe
from spirl_cli.inspection.settings_from import Basis
from spirl_cli.inspection.survey import Survey

_WIDTH = 46  # column of the comments
_STEPS, _WARMUP_EPISODES, _LEAST_WARMUP = 100_000, 5, 1_000
_CRITIC_WARMUP = 1_000  # updates
_NAMED = 4  # observations that are left out
_TARGET_KL = 1.0  # nats for each number of a skill


@dataclass(frozen=True)
class Line:
    """A key of a recipe with its value as YAML text, and where the value comes from."""

    key: str
    value: str
    why: str


def draft(found: Basis, path: Path) -> str:
    """Return the text of a recipe that runs as it stands.

    Args:
        found: what dataset and environment showed.
        path: where it is going to lie, for the commands in its opening comment.
    """
    steps = derive.horizon(found.survey.lengths)
    windows = derive.training_windows(found.survey, steps)
    sections = {
        "env": _env(found),
        "extract": _extract(found),
        "train_skills": _skills(found, steps, windows),
        "train_prior": _prior(windows),
        "train_rl": _learning(found),
        "evaluate": [Line("episodes", "100", "enough for intervals of some 0.1")],
    }
    parts = [_opening(found, path), "seed: 0" + " " * (_WIDTH - 7) + "# of all stages"]
    parts += [_section(name, lines) for name, lines in sections.items()]
    return "\n\n".join([*parts, _quick(found)]) + "\n"


def _opening(found: Basis, path: Path) -> str:
    survey, probe = found.survey, found.probe
    count = survey.contents.episodes if survey.contents is not None else len(survey.lengths)
    shortest, longest = min(survey.lengths), max(survey.lengths)
    steps = f"{longest} steps" if shortest == longest else f"{shortest} to {longest} steps"
    lines = [
        f"{probe.id} from the demonstrations {survey.name}.",
        "",
        f"  spirl run {path} --profile quick     # a smoke test of a minute or two",
        f"  spirl run {path}",
        "",
        f"Written by `spirl recipe new` from what it saw: {count} episodes of {steps}",
        f"({len(survey.lengths)} were read), and {len(probe.rewards)} random steps in the environment. Nothing was",
        "trained for it, so it promises no result.",
        "`spirl recipe explain KEY` says what a key means and what to try.",
    ]
    return "\n".join(f"# {line}".rstrip() for line in lines)


def _section(name: str, lines: Sequence[Line]) -> str:
    return "\n".join([f"{name}:", *(_commented(f"  {line.key}: {line.value}", line.why) for line in lines)])


def _commented(text: str, why: str) -> str:
    """Put the comment beside a short line, above a long one."""
    if len(text) <= _WIDTH - 2:
        return f"{text:<{_WIDTH}}# {why}"
    indent = " " * (len(text) - len(text.lstrip()))
    return f"{indent}# {why}\n{text}"


def _env(found: Basis) -> list[Line]:
    probe, match = found.probe, found.match
    length, why_length = derive.episode_length(found)
    module = "as given with --module: registers the id" if probe.module else "none was given"
    left_out = _left_out((*match.left_out, *probe.left_out))
    return [
        Line("kind", "gymnasium", "any environment of Gymnasium"),
        Line("id", _text(probe.id), "as given with --env"),
        Line("module", _text(probe.module), module),
        Line("episode_length", str(length), why_length),
        Line("observation", _parts(match.env), f"{sum(match.sizes)} numbers, {match.why}{left_out}"),
        _success(probe.success_keys),
        Line("reward", "environment", _rewards(probe)),
    ]


def _left_out(names: Sequence[str]) -> str:
    """Name the first of what is left out, and count the others."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"; left out: {', '.join(names[:_NAMED])}{more}" if names else ""


def _success(keys: Sequence[str]) -> Line:
    if not keys:
        return Line("success_key", "null", "no key of info told of success")
    others = f"; others: {', '.join(keys[1:])}" if len(keys) > 1 else ""
    return Line("success_key", _text(keys[0]), f"seen in info as true or false{others}")


def _rewards(probe: Probe) -> str:
    low, high = min(probe.rewards), max(probe.rewards)
    seen = f"paid random steps {low:.4g}" if low == high else f"paid random steps {low:.4g} to {high:.4g}"
    return f"{seen}; or success: 1 once success_key is true" if probe.success_keys else seen


def _extract(found: Basis) -> list[Line]:
    survey = found.survey
    lines = [
        Line("dataset", _datasets(survey), f"as given with --dataset: {survey.format}"),
        Line("observation", _parts(found.match.data), f"the same {sum(found.match.sizes)} numbers in the dataset"),
    ]
    differing = derive.differing_bounds(found)
    if differing is not None:
        lines.append(Line("action_bounds", _bounds(found.probe.low, found.probe.high), differing))
    if derive.beyond_bounds(found):
        lines.append(Line("out_of_bounds", "clip", "some recorded actions lie beyond the environment's bounds"))
    bad = sorted({*survey.not_finite, *survey.unequal})
    if bad:
        why = f"{len(bad)} of {len(survey.lengths)} episodes have NaN or a wrong length, the first is episode {bad[0]}"
        lines.append(Line("bad_episodes", "skip", why))
    return lines


def _datasets(survey: Survey) -> str:
    return f"[{', '.join(map(_text, survey.parts))}]" if survey.parts else _text(survey.name)


def _skills(found: Basis, horizon: int, windows: int) -> list[Line]:
    latent, median = derive.latent_dim(found.actions), int(np.median(found.survey.lengths))
    iterations, hidden = derive.skill_iterations(windows), derive.goal_hidden(found)
    lines = [
        Line("model", "closed-loop", "the decoder sees the state at every step"),
        Line("horizon", str(horizon), f"steps of a skill: {median // horizon} skills in a median episode of {median}"),
        Line("latent_dim", str(latent), f"numbers of a skill: twice those of an action ({found.actions}), at most 10"),
        Line("target_kl", f"{_TARGET_KL}", "nats that each number of a skill carries; beta follows"),
        Line(
            "iterations",
            str(iterations),
            f"{_passes(iterations, windows)} over some {windows:,} windows, at least {derive.SKILL_RANGE[0]:,}",
        ),
        Line("batch_size", str(derive.BATCH), "windows of an iteration"),
        Line("validate_every", str(max(iterations // 10, 1)), "ten times in all"),
    ]
    if hidden is not None:
        why = "hides the goal, or the decoder could do without a skill; prior and critics see it"
        lines.append(Line("state_indices", f'["{hidden}"]', why))
    if found.moving:
        noise = f"{{state_noise: [{{indices: {_list(found.moving)}, sigma: 2%}}]}}"
        still = f"; {found.still} never move" if found.still else ""
        lines.append(Line("augmentation", noise, f"noise on the numbers that move, a share of their spread{still}"))
    return lines


def _prior(windows: int) -> list[Line]:
    iterations = derive.prior_iterations(windows)
    why = f"{_passes(iterations, windows)}, at least {derive.PRIOR_RANGE[0]}: a prior overfits few demonstrations first"
    return [
        Line("iterations", str(iterations), why),
        Line("batch_size", str(derive.BATCH), "windows of an iteration"),
        Line("validate_every", str(max(iterations // 10, 1)), "ten times in all"),
    ]


def _learning(found: Basis) -> list[Line]:
    length, _ = derive.episode_length(found)
    warmup = max(_WARMUP_EPISODES * length, _LEAST_WARMUP)
    steps = max(_STEPS, 10 * warmup)
    divergence = max(0.5 * _TARGET_KL * derive.latent_dim(found.actions), 2.0)
    snapshots = [steps // 4, steps // 2, 3 * steps // 4]
    return [
        Line("steps", str(steps), "environment steps, to begin with"),
        Line("warmup_steps", str(warmup), f"of the prior alone: {warmup / length:g} episodes"),
        Line("target_divergence", f"{divergence:g}", "nats from the prior: half of what a skill carries, at least 2"),
        Line("critic_warmup", str(_CRITIC_WARMUP), "updates of the critics before the policy follows them"),
        Line("initial_alpha", "auto", "from the spread of their values, whatever rewards are worth"),
        Line("environments", "2", "side by side, one process each"),
        Line("snapshots", str(snapshots), "kept weights, for the learning curve"),
    ]


def _quick(found: Basis) -> str:
    length, _ = derive.episode_length(found)
    warmup, rows = min(length, 400), "snapshots: [1000], log_every: 500"
    return "\n".join(
        [
            "profiles:",
            _commented("  quick:", "a smoke test, not a result"),
            "    train_skills: {iterations: 300, batch_size: 32, validate_every: 150, best_of: 10}",
            "    train_prior: {iterations: 300, batch_size: 32, validate_every: 150}",
            f"    train_rl: {{steps: 1500, warmup_steps: {warmup}, critic_warmup: 20, {rows}}}",
            "    evaluate: {episodes: 2, video_episodes: 0, bootstrap: 200}",
        ]
    )


def _passes(iterations: int, windows: int) -> str:
    return f"{iterations * derive.BATCH / windows:.0f} passes"


def _parts(keys: Sequence[Key]) -> str:
    return f"[{', '.join('{}' if key is None else f'{{key: {_text(key)}}}' for key in keys)}]"


def _bounds(low: np.ndarray, high: np.ndarray) -> str:
    sides = [_number(side[0]) if (side == side[0]).all() else _numbers(side) for side in (low, high)]
    return f"[{', '.join(sides)}]"


def _numbers(values: np.ndarray) -> str:
    return f"[{', '.join(map(_number, values))}]"


def _number(value: float) -> str:
    return f"{value:.9g}"


def _list(texts: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{text}"' for text in texts) + "]"


def _text(value: str | None) -> str:
    """Write a text as a YAML scalar, quoted where it has to be."""
    return yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("\n...\n").strip()
