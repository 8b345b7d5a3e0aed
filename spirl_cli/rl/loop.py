"""Collects skills and learns from them side by side, in deterministic rounds.

In every *round* the policy chooses one skill per environment and the workers run these skills; at the same time the
learner updates on the data of earlier rounds. The results of a round are stored when both have finished, so that the
order of everything is the same on computers of any speed.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spirl_cli.envs.replayable import EpisodeState
from spirl_cli.envs.vector import SkillVector, VectorStep, read_episode_states, restore_episode_states, split_step
from spirl_cli.errors import DivergedError
from spirl_cli.monitor.checkpoint import State
from spirl_cli.monitor.parts import (
    Part,
    Parts,
    array_part,
    attribute_part,
    generator_part,
    module_part,
    numpy_generator_part,
    optimizer_part,
    saved_scalar,
    scalar_part,
)
from spirl_cli.recipe.sections.rl import TrainRLSection
from spirl_cli.rl.best import BestWeights
from spirl_cli.rl.replay import Batch, Replay
from spirl_cli.rl.running_episodes import RunningEpisodes, Transitions, returns_to_go
from spirl_cli.rl.sac import SAC

RECENT_EPISODES = 100  # number of training episodes in running means


class SkillLearning:
    """One agent in training: environments, replay memory and learner.

    Args:
        section: the recipe's `train_rl`.
        sac: the learner; its generator must not be used elsewhere.
        vector: environments with skills as actions.
        replay: an empty replay memory.
        rng: draws the batches.
    """

    def __init__(
        self, section: TrainRLSection, sac: SAC, vector: SkillVector, replay: Replay, rng: np.random.Generator
    ) -> None:
        self.section, self.sac, self.vector, self.replay, self.rng = section, sac, vector, replay, rng
        self.states: NDArray[np.float32] | None = None  # next s, from `SAC.encode`; None before the first round
        self.simulated = 0  # environment steps, warm-up included
        self.updates = 0
        self.credit = 0.0  # updates still due, if the ratio is not an integer
        self.returns = np.zeros(vector.num_envs)  # rewards of the running episodes
        self.running = RunningEpisodes(vector.num_envs)  # used if the replay memory takes whole episodes
        self.finished: deque[dict[str, float]] = deque(maxlen=RECENT_EPISODES)
        self.best = BestWeights(sac.policy)
        self.losses: dict[str, torch.Tensor] = {}
        self.scale_found = False  # of the rewards, where the recipe says auto
        self.exact = True  # False once a resumed environment did not come back to where it was
        self._parts = self._list_parts()

    @property
    def steps(self) -> int:
        """Position on the x-axis: environment steps, with the warm-up unless parity excludes it."""
        skipped = self.section.warmup_steps if self.section.parity.uncounted_warmup else 0
        return max(0, self.simulated - skipped)

    def round(self) -> None:
        """Run one skill in every environment, and the updates that belong to it."""
        if self.states is None:
            self.states = self.sac.encode(self.vector.reset()[0])
        latents = self.sac.act(self.states)
        if not np.isfinite(latents).all():
            raise DivergedError(
                f"train-rl diverged at {self.steps:,} steps: the policy chose a skill that is not a finite number.",
                "Lower the learning rates or initial_alpha; the last good checkpoint is kept.",
            )
        self.vector.step_async(latents)
        self._learn()
        step = split_step(*self.vector.step_wait())
        self._store(latents, step)
        self.states = self.sac.encode(step.observation)
        self.simulated += int(step.steps.sum())
        self.best.look(self.steps, int(step.ended.sum()), self.recent_returns, trained=self.updates > 0)

    def _learn(self) -> None:
        if self.simulated < self.section.warmup_steps or not len(self.replay):
            return
        self.credit += self.section.updates_per_step * self.vector.num_envs
        warmup = self.section.critic_warmup or 0
        while self.credit >= 1.0:
            batch = self._batch()
            if self.sac.finds_alpha and self.updates == warmup:
                self.sac.find_alpha(batch)
            self.losses = self.sac.update(batch, critics_only=self.updates < warmup)
            self.credit -= 1.0
            self.updates += 1

    @property
    def _finds_scale(self) -> bool:
        """Whether the replay memory holds true rewards, which are scaled when they are drawn."""
        return self.section.reward_scale == "auto"

    def _batch(self) -> Batch:
        batch = self.replay.sample(self.section.batch_size, self.rng)
        if not self._finds_scale:
            return batch
        if not self.scale_found:
            self._find_scale()
        returns = None if batch.returns is None else batch.returns * self.sac.reward_scale
        return batch._replace(rewards=batch.rewards * self.sac.reward_scale, returns=returns)

    def _find_scale(self) -> None:
        """Choose the scale at which the mean size of the rewards that are not 0 is 1; without any, wait."""
        rewards = self.replay.rewards
        earned = np.abs(rewards[rewards != 0])
        if len(earned):
            self.sac.reward_scale, self.scale_found = 1.0 / float(earned.mean()), True

    def _store(self, latents: NDArray[np.float32], step: VectorStep) -> None:
        """Add the round's transitions to the replay memory, with the defects of the authors' code if asked for."""
        assert self.states is not None
        parity = self.section.parity
        states = self.sac.encode(step.late_observation) if parity.late_observation else self.states
        rewards = step.reward - step.last_reward * step.truncated if parity.drop_timeout_reward else step.reward
        terminals = step.ended if parity.terminal_timeouts else step.terminated
        rewards = np.asarray(rewards if self._finds_scale else rewards * self.sac.reward_scale, np.float32)
        transitions = Transitions(states, latents, rewards, self.sac.encode(step.next_observation), terminals)
        self._require_finite(transitions)
        if self.replay.rewarded_share is None:
            self.replay.add(*transitions)
        else:
            self.running.add(transitions)
            for ended in np.flatnonzero(step.ended).tolist():
                self._add_episode(self.running.finish(ended))
        self.returns += step.reward
        for index, metrics in enumerate(step.metrics):
            if metrics is not None:
                self.finished.append({"return": float(self.returns[index]), **metrics})
                self.returns[index] = 0.0

    def _require_finite(self, transitions: Transitions) -> None:
        """Keep out of the replay memory what rewards and states became here, for instance by a huge reward scale."""
        for name, values in transitions._asdict().items():
            if not np.isfinite(values).all():
                raise DivergedError(
                    f"train-rl diverged at {self.steps:,} steps: {name} of a transition are not finite numbers.",
                    "Look at train_rl.reward_scale; the last good checkpoint is kept.",
                )

    def _add_episode(self, episode: Transitions) -> None:
        """Add a whole episode with its returns, one transition after the other, so that neighbours share images."""
        returns = returns_to_go(episode.rewards, self.section.discount)
        for step in range(len(returns)):
            self.replay.add(*(field[step : step + 1] for field in (*episode, returns)))

    def metrics(self) -> dict[str, float]:
        """Return diagnostics of the last update, and means over recent training episodes."""
        values = {f"learner/{name}": float(value) for name, value in self.losses.items()}
        for name in self.finished[0] if self.finished else ():
            values[f"training/{name}"] = float(np.mean([episode[name] for episode in self.finished]))
        if self.finished:
            returns = self.recent_returns
            values["training/best_return"] = max(returns)
            values["training/return_spread"] = float(np.std(returns))
            values["training/episodes"] = float(len(returns))
        if self._finds_scale:
            values["learner/reward_scale"] = self.sac.reward_scale
        return {**values, "learner/updates": float(self.updates)}

    @property
    def recent_returns(self) -> list[float]:
        """Returns of the recent training episodes, the newest last."""
        return [episode["return"] for episode in self.finished]

    def state(self, folder: Path) -> State:
        """Return everything that an identical continuation needs; the replay memory goes into files in `folder`."""
        return self._parts.state(folder)

    def restore(self, state: State, folder: Path) -> None:
        """Continue from a saved state."""
        self._parts.restore(state, folder)

    def _list_parts(self) -> Parts:
        sac = self.sac
        scale = (attribute_part(sac, "reward_scale"), attribute_part(self, "scale_found")) if self._finds_scale else ()
        return Parts(
            *scale,
            array_part("returns", self.returns),
            attribute_part(self, "simulated"),
            attribute_part(self, "updates"),
            attribute_part(self, "credit"),
            scalar_part("finished", lambda: list(self.finished), self._restore_finished),
            Part("losses", self._save_losses, self._restore_losses),
            self.best.part(),
            Part("replay", self._save_replay, self._restore_replay),
            scalar_part("log_alpha", lambda: float(sac.log_alpha.detach()), self._restore_log_alpha),
            Part("environments", self._save_environments, self._restore_environments),
            Part("running", lambda _: self.running.state(), lambda state, _: self.running.restore(state)),
            module_part("policy", sac.policy),
            module_part("critics", sac.critics),
            module_part("target_critics", sac.target_critics),
            optimizer_part("policy_optimizer", sac.policy_optimizer),
            optimizer_part("critic_optimizer", sac.critic_optimizer),
            optimizer_part("alpha_optimizer", sac.alpha_optimizer),
            generator_part("samples", sac.generator),
            numpy_generator_part("batches", self.rng),
        )

    def _restore_finished(self, saved: list[dict[str, float]]) -> None:
        self.finished = deque(saved, maxlen=RECENT_EPISODES)

    def _save_losses(self, folder: Path) -> State:
        # logged until the next update, which may be several rounds later
        return State(scalars={"losses": {name: float(value) for name, value in self.losses.items()}})

    def _restore_losses(self, state: State, folder: Path) -> None:
        # older checkpoints lack them
        self.losses = {name: torch.tensor(value) for name, value in state.scalars.get("losses", {}).items()}

    def _save_replay(self, folder: Path) -> State:
        segments = self.replay.save(folder)
        return State(scalars={"replay": segments, "replay_sha256": self.replay.digests})

    def _restore_replay(self, state: State, folder: Path) -> None:
        # the first checkpoints had no checksums
        self.replay.restore(folder, saved_scalar(state, "replay"), state.scalars.get("replay_sha256"))

    def _restore_log_alpha(self, saved: float) -> None:
        with torch.no_grad():
            self.sac.log_alpha.fill_(saved)

    def _save_environments(self, folder: Path) -> State:
        return State() if self.states is None else pack_episode_states(read_episode_states(self.vector))

    def _restore_environments(self, state: State, folder: Path) -> None:
        episode_states = unpack_episode_states(state)
        if episode_states:
            restored = restore_episode_states(self.vector, episode_states)
            self.states, self.exact = self.sac.encode(restored.observation), restored.exact


def pack_episode_states(episode_states: list[EpisodeState]) -> State:
    """Return the state of every environment, for a checkpoint."""
    tensors: dict[str, torch.Tensor] = {}
    scalars: list[dict[str, Any]] = []
    for index, episode_state in enumerate(episode_states):
        tensors[f"environment{index}/actions"] = torch.from_numpy(episode_state["actions"])
        tensors[f"environment{index}/observation"] = torch.from_numpy(episode_state["observation"])
        numbers = {
            "resets": episode_state["resets"],
            "episode": episode_state["episode"],
            "env_seed": episode_state["env_seed"],
        }
        scalars.append(numbers)
    return State(tensors, {"environments": scalars})


def unpack_episode_states(state: State) -> list[EpisodeState]:
    """Return the states of `pack_episode_states`; none if the run had not begun."""
    return [
        EpisodeState(
            actions=state.tensors[f"environment{index}/actions"].numpy(),
            observation=state.tensors[f"environment{index}/observation"].numpy(),
            resets=numbers["resets"],
            episode=numbers["episode"],
            env_seed=numbers["env_seed"],
        )
        for index, numbers in enumerate(state.scalars.get("environments", []))
    ]
