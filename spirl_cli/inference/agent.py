"""A trained agent for use from Python; it keeps each skill for H steps by itself.

    from spirl_cli import load_agent

    agent = load_agent("kitchen/agent")
    agent.reset()
    action = agent.act(observation)

It needs NumPy only: no torch, no simulator.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from spirl_cli import payload
from spirl_cli.camera import View
from spirl_cli.domains.registry import domain_of, read_section
from spirl_cli.domains.section import EnvSection
from spirl_cli.errors import ArtifactError, SpirlError, UsageError
from spirl_cli.inference.agent_card import AgentCard, make_card
from spirl_cli.inference.decoders import DecoderFile, SkillDecoder
from spirl_cli.inference.densities import read_density_header
from spirl_cli.inference.network_file import Array
from spirl_cli.inference.policies import PolicyKind, SkillPolicy, load_policy
from spirl_cli.payload import AGENT, BEST, BEST_FILE, DECODER_FILE, POLICY_FILE, snapshot_file
from spirl_cli.settings import ObservationPart

if TYPE_CHECKING:
    from spirl_cli.store.artifact import Artifact
    from spirl_cli.store.store import Store


class Agent:
    """Chooses a skill every H steps and decodes it into actions.

    Args:
        policy: chooses skills.
        decoder: decodes skills; every environment of a batch gets its own copy.
        bounds: lowest and highest action, each `(A,)`.
        parts: parts of a raw observation that the agent sees.
        state_dim: D, count of numbers in the selected observation that are no pixels.
        pixels: P, count of pixels after them; 0 if the agent looks at no image.
        frames: successive raw images that are stacked along the channels.
        seed: seed of the sampled policy's noise.
        card: what the agent is, for people; `load_agent` gives it.

    Attributes:
        horizon: H, steps per skill.
    """

    def __init__(
        self,
        policy: SkillPolicy,
        decoder: SkillDecoder,
        *,
        bounds: tuple[Array, Array],
        parts: Sequence[ObservationPart],
        state_dim: int,
        pixels: int = 0,
        frames: int = 1,
        seed: int = 0,
        card: AgentCard | None = None,
    ) -> None:
        self.horizon, self.card = decoder.horizon, card
        self.policy, self.parts, self.size, self.frames = policy, tuple(parts), state_dim + pixels, frames
        self.low, self.high = bounds
        self._decoder = decoder
        self._seeds = np.random.SeedSequence(seed)
        self.reset()

    def __repr__(self) -> str:
        """Say what the agent is: method, recipe, what it sees and does, its score."""
        return object.__repr__(self) if self.card is None else f"Agent {self.card}"

    def reset(self, batch: int | None = None) -> None:
        """Start an episode: the next `act` chooses a new skill.

        Args:
            batch: number of environments that `act` serves together; None for one, without a batch axis.
        """
        if batch is not None and batch < 1:
            raise UsageError(f"a batch needs at least one environment, not {batch}")
        self.batch = batch
        rows = batch or 1
        self._decoders = [copy.copy(self._decoder) for _ in range(rows)]
        self._generators = [np.random.default_rng(seed) for seed in self._seeds.spawn(rows)]
        self._left = [0] * rows
        self._view = View(self.parts, self.frames, rows)

    def restart(self, rows: Sequence[int] | Array) -> None:
        """Start an episode in the given environments of a batch only.

        Args:
            rows: indices of environments, or one bool per environment (as `terminated | truncated`).
        """
        for row in np.arange(len(self._left))[np.asarray(rows)]:
            self._left[row] = 0
            self._view.begin(row)

    def act(self, observation: Any) -> Array:
        """Return the next action.

        Args:
            observation: the environment's observation, either raw or already selected as in the recipe. A selected one
                has shape (D+P,), or (B, D+P) after `reset(batch=B)`. In raw dictionaries of a batch every array has a
                leading axis of B.

        Returns:
            The action `(A,)` or `(B, A)`, within the bounds of the demonstrations' actions.

        Raises:
            UsageError: the observation has the wrong shape or lacks a key.
        """
        states = self._states(observation)
        actions = np.stack([self._act(row, state) for row, state in enumerate(states)])
        return actions if self.batch is not None else actions[0]

    def _act(self, row: int, state: Array) -> Array:
        decoder = self._decoders[row]
        if self._left[row] == 0:
            decoder.begin(self.policy.latent(state, self._generators[row]))
            self._left[row] = self.horizon
        self._left[row] -= 1
        return np.clip(decoder.act(state), self.low, self.high)

    def _states(self, observation: Any) -> Array:
        """Return selected observations `(B, D+P)`, with B = 1 without a batch."""
        leading = 0 if self.batch is None else 1
        expected = (self.batch or 1, self.size)
        states = np.asarray(observation, np.float32) if self._is_state(observation) else self._select(observation)
        states = states if leading else states[np.newaxis]
        if states.shape != expected:
            raise UsageError(
                f"the agent expects states of shape {expected[1 - leading :]}, not {states.shape[1 - leading :]}",
                "call agent.reset(batch=B) before acting on a batch of B, agent.reset() before a single one",
            )
        return states

    def _is_state(self, observation: Any) -> bool:
        """Say whether the observation is selected already: a plain array of the right width."""
        return not isinstance(observation, Mapping | tuple) and np.shape(observation)[-1:] == (self.size,)

    def _select(self, observation: Any) -> Array:
        return self._view.see(observation, leading=0 if self.batch is None else 1)


def load_agent(
    reference: str | Path,
    *,
    policy: PolicyKind = "mean",
    seed: int = 0,
    store: Store | None = None,
    snapshot: int | Literal["best"] | None = None,
) -> Agent:
    """Load a trained agent.

    Args:
        reference: `kitchen/agent`, `kitchen/agent@v3` or a path: of an artifact, or of the folder of its versions, such
            as `shared/kitchen/agent` after an export to `shared`.
        policy: `mean`, or `sampled` as in training.
        seed: of the sampled policy.
        store: folder in which references are looked up; default: $SPIRL_ARTIFACTS, else `./artifacts`, else the
            reference artifacts of a checkout.
        snapshot: environment steps at which the weights were kept, or `best` for those whose training episodes were
            best; default: the final weights.

    Raises:
        ArtifactError: there is no such agent, or one of its files is corrupt.
        UsageError: the policy is neither of the two.
    """
    if policy not in ("sampled", "mean"):
        raise UsageError(f"policy '{policy}' is not known", "use 'mean' or 'sampled'")
    try:
        return _load(find_agent(str(reference), store), policy, seed, snapshot)
    except SpirlError as error:
        if error.hint:
            error.add_note(f"hint: {error.hint}")
        raise error.with_traceback(None) from None  # one sentence is better than the way to where it was said


def _load(artifact: Artifact, policy: PolicyKind, seed: int, snapshot: int | str | None) -> Agent:
    skills, weights = agent_decoder(artifact), policy_file(artifact, snapshot)
    header = skills.header
    pixels = max(header.pixels, read_density_header(weights).pixels)
    env = artifact.section("env", read_section)
    parts, state_dim = _seen_parts(env, pixels), _state_size(env, header.state_dim)
    return Agent(
        load_policy(weights, policy),
        skills.load(),
        bounds=(np.asarray(header.action_low, np.float32), np.asarray(header.action_high, np.float32)),
        parts=parts,
        state_dim=state_dim,
        pixels=pixels,
        frames=env.stacked_frames,
        seed=seed,
        card=make_card(artifact, skills, policy, snapshot, parts, (state_dim, pixels)),
    )


def _state_size(env: EnvSection, known: int) -> int:
    """Return the size of the environment's state, which may exceed the demonstrations' size `known`."""
    scales = domain_of(env).scales(env, known)
    return known if scales is None else len(scales.mean)


def _seen_parts(env: EnvSection, pixels: int) -> tuple[ObservationPart, ...]:
    """Return the selection of the recipe, without an image if neither skills nor policy look at it."""
    return env.observation if pixels else env.state_parts


def find_agent(reference: str, store: Store | None = None) -> Artifact:
    """Look an agent up in a store; by default in the default store, then in the reference artifacts.

    Raises:
        ArtifactError: there is no such artifact, it is corrupt, or it is not an agent.
    """
    from spirl_cli.store.store import Store, default_root, look_up

    if store is not None:
        return store.resolve(reference, stage=AGENT)
    return look_up(Store(default_root()), lambda one: one.resolve(reference, stage=AGENT))


def agent_decoder(artifact: Artifact) -> DecoderFile:
    """Return the skills of an agent.

    Raises:
        ArtifactError: the file is corrupt.
    """
    return DecoderFile.of(artifact.file(DECODER_FILE), artifact.manifest.parameters)


def policy_file(artifact: Artifact, snapshot: int | str | None = None) -> Path:
    """Return the verified file of an agent's final policy, of its snapshot at a step, or of its best weights.

    Raises:
        ArtifactError: the agent has no such snapshot, or the file is corrupt.
    """
    if snapshot is None:
        return artifact.file(POLICY_FILE)
    if snapshot == BEST:
        best_step(artifact)
        return artifact.file(BEST_FILE)
    known = snapshot_steps(artifact)
    if snapshot not in known:
        kept = ", ".join(map(str, known)) or "none"
        raise ArtifactError(f"{artifact.reference} has no snapshot at step {snapshot}", f"steps that it has: {kept}")
    return artifact.file(snapshot_file(int(snapshot)))


def best_step(artifact: Artifact) -> int:
    """Return the environment steps after which an agent's training episodes were best.

    Raises:
        ArtifactError: no best weights were kept.
    """
    step = artifact.manifest.recorded(BEST, "step")
    if isinstance(step, int):
        return step
    kept = ", ".join(map(str, snapshot_steps(artifact))) or "none"
    raise ArtifactError(
        f"{artifact.reference} has no best weights: it is older than they are, or trained for fewer than 20 episodes",
        f"name a step that it has: {kept}",
    )


def snapshot_steps(artifact: Artifact) -> list[int]:
    """Return the environment steps at which an agent kept its weights, ascending."""
    return payload.snapshot_steps(output.file for output in artifact.manifest.outputs)
