"""A trained agent for use from Python: it holds its skill for H steps by itself.

    from spirl_cli import load_agent

    agent = load_agent("kitchen/agent")
    agent.reset()
    action = agent.act(observation)

NumPy only: no torch, no simulator.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter

from spirl_cli.domains.drawn import block_numbers, state_parts
from spirl_cli.domains.sections import BlocksSection, EnvSection
from spirl_cli.errors import ArtifactError, UsageError
from spirl_cli.inference.decoders import Array, Decoder, load_decoder, read_network
from spirl_cli.inference.perception import image_pixels
from spirl_cli.inference.policies import PolicyKind, SkillPolicy, load_policy
from spirl_cli.observation import select
from spirl_cli.settings import ObservationPart

if TYPE_CHECKING:
    from spirl_cli.store.artifact import Artifact
    from spirl_cli.store.store import Store


class Agent:
    """Chooses a skill every H steps and acts it out.

    Args:
        policy: chooses skills.
        decoder: acts them out; every environment of a batch gets a copy of its own.
        bounds: lowest and highest action, each (A,).
        parts: how what the agent sees is selected from a raw observation.
        state_dim: D, how many numbers of it are no image.
        pixels: P, how many follow that are; 0 where the agent looks at no image.
        tanh_actions: squash the decoder's output before it is clipped (parity).
        seed: of the sampled policy's noise.

    Attributes:
        horizon: H, steps per skill.
    """

    def __init__(
        self,
        policy: SkillPolicy,
        decoder: Decoder,
        *,
        bounds: tuple[Array, Array],
        parts: Sequence[ObservationPart],
        state_dim: int,
        pixels: int = 0,
        tanh_actions: bool = False,
        seed: int = 0,
    ) -> None:
        self.horizon = decoder.horizon
        self.policy, self.parts, self.size = policy, tuple(parts), state_dim + pixels
        self.low, self.high = bounds
        self.tanh_actions = tanh_actions
        self._decoder = decoder
        self._seeds = np.random.SeedSequence(seed)
        self.reset()

    def reset(self, batch: int | None = None) -> None:
        """Start an episode: the next `act` chooses a new skill.

        Args:
            batch: number of environments that `act` is to serve together; None: one, without a
                batch axis.
        """
        if batch is not None and batch < 1:
            raise UsageError(f"a batch needs at least one environment, not {batch}")
        self.batch = batch
        rows = batch or 1
        self._decoders = [copy.copy(self._decoder) for _ in range(rows)]
        self._generators = [np.random.default_rng(seed) for seed in self._seeds.spawn(rows)]
        self._left = [0] * rows

    def restart(self, rows: Sequence[int] | Array) -> None:
        """Start an episode in some environments of a batch only.

        Args:
            rows: their indices, or one truth value per environment (as `terminated | truncated`).
        """
        for row in np.arange(len(self._left))[np.asarray(rows)]:
            self._left[row] = 0

    def act(self, observation: Any) -> Array:
        """Return the next action.

        Args:
            observation: what the environment returned, raw (the selection of the recipe is applied
                to it) or already selected: (D+P,), or (B, D+P) after `reset(batch=B)`. Raw
                dictionaries of a batch have a leading axis of B in every array.

        Returns:
            the action (A,) or (B, A), within the bounds of the demonstrations' actions.

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
        action = decoder.act(state)
        if self.tanh_actions:
            action = np.tanh(action)
        return np.clip(action, self.low, self.high)

    def _states(self, observation: Any) -> Array:
        """(B, D+P) selected observations, B = 1 without a batch."""
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
        """Whether the observation is selected already: a plain array of the right width."""
        return not isinstance(observation, Mapping | tuple) and np.shape(observation)[-1:] == (self.size,)

    def _select(self, observation: Any) -> Array:
        return select(observation, self.parts, leading=0 if self.batch is None else 1)


def load_agent(
    reference: str | Path,
    *,
    policy: PolicyKind = "mean",
    seed: int = 0,
    store: Store | None = None,
    snapshot: int | None = None,
) -> Agent:
    """Load a trained agent.

    Args:
        reference: ``kitchen/agent``, ``kitchen/agent@v3`` or the path of an artifact.
        policy: ``mean``, or ``sampled`` as in training.
        seed: of the sampled policy.
        store: where references are looked up; default: $SPIRL_ARTIFACTS, else ``./artifacts``,
            else the reference artifacts of a checkout.
        snapshot: environment steps of a kept snapshot; default: the final weights.

    Raises:
        ArtifactError: there is no such agent, or one of its files is corrupt.
        UsageError: the policy is neither of the two.
    """
    if policy not in ("sampled", "mean"):
        raise UsageError(f"policy '{policy}' is not known", "use 'mean' or 'sampled'")
    artifact = find_agent(str(reference), store)
    decoder_file, weights = artifact.file("decoder.safetensors"), policy_file(artifact, snapshot)
    _, header = read_network(decoder_file)
    pixels = max(image_pixels(header), image_pixels(read_network(weights)[1]))
    parameters = artifact.manifest.parameters
    env: EnvSection = TypeAdapter(EnvSection).validate_python(parameters["env"])
    return Agent(
        load_policy(weights, policy),
        load_decoder(decoder_file),
        bounds=(np.asarray(header["action_low"], np.float32), np.asarray(header["action_high"], np.float32)),
        parts=_seen_parts(env, pixels),
        # there may be more blocks than in the demonstrations
        state_dim=len(block_numbers(env)) if isinstance(env, BlocksSection) else int(header["state_dim"]),
        pixels=pixels,
        tanh_actions=bool(parameters["train_rl"]["parity"]["tanh_actions"]),
        seed=seed,
    )


def _seen_parts(env: EnvSection, pixels: int) -> tuple[ObservationPart, ...]:
    """Return the selection of the recipe, less an image that neither skills nor policy look at."""
    return env.observation if pixels else state_parts(env)


def find_agent(reference: str, store: Store | None = None) -> Artifact:
    """Look an agent up in a store; without one in the default store, then in the reference artifacts.

    Raises:
        ArtifactError: there is none, it is corrupt, or it is of another stage.
    """
    from spirl_cli.store.store import Store, default_root, reference_store

    shipped = reference_store() if store is None else None
    try:
        return (store or Store(default_root())).resolve(reference, stage="agent")
    except ArtifactError:
        if shipped is None:
            raise
        try:
            return shipped.resolve(reference, stage="agent")
        except ArtifactError:
            pass  # what is wrong with the user's own store is the more helpful thing to say
        raise


def policy_file(artifact: Artifact, snapshot: int | None = None) -> Path:
    """Return the verified file of an agent's final policy, or of the snapshot at so many steps.

    Raises:
        ArtifactError: the agent has no such snapshot, or the file is corrupt.
    """
    if snapshot is None:
        return artifact.file("policy.safetensors")
    known = snapshot_steps(artifact)
    if snapshot not in known:
        kept = ", ".join(map(str, known)) or "none"
        raise ArtifactError(f"{artifact.reference} has no snapshot at step {snapshot}", f"steps that it has: {kept}")
    return artifact.file(f"snapshots/policy-{snapshot}.safetensors")


def snapshot_steps(artifact: Artifact) -> list[int]:
    """Return the environment steps at which an agent kept its weights, ascending."""
    names = [output.file for output in artifact.manifest.outputs]
    stems = [name.removeprefix("snapshots/policy-") for name in names if name.startswith("snapshots/policy-")]
    return sorted(int(stem.removesuffix(".safetensors")) for stem in stems)
