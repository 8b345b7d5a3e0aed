"""Soft actor-critic with a learned prior in place of the entropy bonus (paper §3.3, Algorithm 1).

With D(s) = KL(π(·|s) ‖ p(·|s)) and the skill's summed reward R:

* target      y   = R + (1 − done)·γ·[min_i Q'_i(s', z') − α·D(s')]
* critics     L_Q = ½·mean (Q_i(s, z) − y)²
* policy      L_π = mean [−min_i Q_i(s, z) + α·D(s)]
* temperature L_α = α·(δ − D)

Plain SAC is the same with log π(z|s) in place of D and minus the target entropy in place of δ.

Where there are images, s holds the state and the image (see `SAC.encode`): policy and prior see of it
what the prior was trained to see, the critics only the state (the asymmetric actor-critic of the paper).
"""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from torch import Tensor, nn

from spirl_cli.recipe.indices import expand_indices
from spirl_cli.recipe.schema import TrainRLSection
from spirl_cli.rl.critics import CriticEnsemble, FourierFeatures
from spirl_cli.rl.replay import Batch
from spirl_cli.rl.squash import log_det_squash, squash
from spirl_cli.skills.gaussian import Gaussian
from spirl_cli.skills.prior import GaussianNetwork


class SAC:
    """The learner: policy, critics, temperature, and their updates.

    Args:
        section: the recipe's `train_rl`.
        prior: p(z | s), frozen here.
        latent_dim: K.
        generator: source of all samples.
        device: of the networks.
    """

    def __init__(
        self,
        section: TrainRLSection,
        prior: GaussianNetwork,
        latent_dim: int,
        generator: torch.Generator,
        device: str = "cpu",
    ) -> None:
        self.section, self.latent_dim, self.generator, self.device = section, latent_dim, generator, device
        self.prior = prior.to(device).eval().requires_grad_(False)
        self.policy = initial_policy(section, prior, latent_dim).to(device)
        image = self.policy.perception.image
        self.learns_to_see = image is not None and any(weight.requires_grad for weight in image.parameters())
        self.critics = CriticEnsemble(
            prior.normalizer,
            latent_dim,
            section.critics,
            section.critic_width,
            section.critic_depth,
            section.critic_layer_norm,
            fourier_features(section, prior.normalizer.size),
        ).to(device)
        self.target_critics = copy.deepcopy(self.critics).requires_grad_(False)
        self.log_alpha = nn.Parameter(torch.tensor(math.log(section.initial_alpha), device=device))
        self.policy_optimizer = torch.optim.Adam(self.policy.parameters(), lr=section.policy_learning_rate, fused=True)
        self.critic_optimizer = torch.optim.Adam(self.critics.parameters(), lr=section.critic_learning_rate, fused=True)
        self.alpha_optimizer = torch.optim.Adam([self.log_alpha], lr=section.alpha_learning_rate)
        self._online: list[Tensor] = list(self.critics.parameters())
        self._target: list[Tensor] = list(self.target_critics.parameters())

    @property
    def alpha(self) -> Tensor:
        """Temperature α > 0."""
        return self.log_alpha.exp()

    @property
    def target_penalty(self) -> float:
        """δ, or for plain SAC minus the target entropy (−dim of the action by default)."""
        if self.section.regularizer == "prior":
            return self.section.target_divergence
        entropy = self.section.target_entropy
        return float(self.latent_dim) if entropy is None else -entropy

    @property
    def largest_value(self) -> float:
        """No return can be larger; infinite where the recipe does not say what a skill can earn."""
        section = self.section
        if section.max_reward is None or section.discount == 1.0 or section.regularizer == "entropy":
            return math.inf
        return section.max_reward * (section.reward_scale or 1.0) / (1.0 - section.discount)

    @torch.no_grad()
    def encode(self, observations: np.ndarray) -> np.ndarray:
        """The s that is acted on, stored and learned from, for raw observations (N, D+P).

        The prior's convolutions never change, so they see every image once, here: s is the state and
        the image's features (N, D+F), F = 0 where the prior looks at no image. The pixels follow only
        if the policy's own convolutions are trained.
        """
        encoded = self.prior.perception.encode(torch.from_numpy(observations).to(self.device)).cpu().numpy()
        return np.concatenate([encoded, observations[:, observations.shape[1] - self.pixels :]], axis=1)

    @property
    def numbers(self) -> int:
        """How many numbers of s are no pixels, D+F."""
        return self.prior.perception.encoded_size

    @property
    def pixels(self) -> int:
        """How many numbers at the end of s are pixels, P or 0."""
        image = self.policy.perception.image if self.learns_to_see else None
        return 0 if image is None else image.pixels

    @torch.no_grad()
    def act(self, states: np.ndarray) -> np.ndarray:
        """Sampled skills z (N, K) for states s as `encode` returns them."""
        sample = self._policy(torch.from_numpy(states).to(self.device)).sample(self.generator)
        return squash(sample, self.section.squash).cpu().numpy()

    def update(self, batch: Batch) -> dict[str, Tensor]:
        """One step of critics, policy, temperature and target networks; returns diagnostics."""
        batch = batch.to(self.device)
        critic_loss, value = self._update_critics(batch)
        policy_loss, penalty = self._update_policy(batch)
        self._update_alpha(penalty)
        torch._foreach_lerp_(self._target, self._online, self.section.target_rate)
        return {
            "critic_loss": critic_loss,
            "policy_loss": policy_loss,
            "value": value,
            "penalty": penalty,
            "alpha": self.alpha.detach(),
        }

    def _penalty(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Skills z ~ π(·|s) (B, K), and D(s) (B,): the divergence from the prior, or log π(z|s)."""
        policy = self._policy(states)
        sample = policy.sample(self.generator)
        latent = squash(sample, self.section.squash)
        if self.section.regularizer == "prior":
            return latent, policy.kl(self._prior(states)).sum(-1)
        return latent, policy.log_prob(sample) - log_det_squash(sample, self.section.squash)

    def _policy(self, states: Tensor) -> Gaussian:
        gaussian: Gaussian = self.policy(states) if self.learns_to_see else self.policy.head(states)
        return gaussian

    @torch.no_grad()
    def _prior(self, states: Tensor) -> Gaussian:
        mean, log_sigma = self.prior.head(states)
        return Gaussian(mean, log_sigma.clamp(min=self.section.min_log_sigma))

    def _clamped(self, penalty: Tensor) -> Tensor:
        return penalty.clamp(-self.section.max_divergence, self.section.max_divergence)

    @torch.no_grad()
    def _target_value(self, batch: Batch) -> Tensor:
        """y (B,): the summed reward plus the discounted soft value of the next state, within its bounds."""
        latent, penalty = self._penalty(batch.next_states)
        value = self.target_critics(batch.next_states, latent).amin(0) - self.alpha * self._clamped(penalty)
        target = batch.rewards + (1.0 - batch.terminals) * self.section.discount * value
        if batch.returns is not None:  # an optimal policy earns no less than was earned (He et al. 2017)
            target = torch.maximum(target, batch.returns)
        return target.clamp(max=self.largest_value)

    def _update_critics(self, batch: Batch) -> tuple[Tensor, Tensor]:
        target = self._target_value(batch)
        values = self.critics(batch.states, batch.latents)  # (E, B)
        loss = 0.5 * (values - target).square().mean(1).sum()
        self.critic_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.critic_optimizer.step()
        return loss.detach(), values.detach().mean()

    def _update_policy(self, batch: Batch) -> tuple[Tensor, Tensor]:
        latent, penalty = self._penalty(batch.states)
        # Clamping here would remove the gradient exactly where the policy has strayed (METHOD §5).
        used = self._clamped(penalty) if self.section.parity.clamp_policy_divergence else penalty
        self.critics.requires_grad_(False)
        value = self.critics(batch.states, latent).amin(0)
        self.critics.requires_grad_(True)
        loss = (self.alpha.detach() * used - value).mean()
        self.policy_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.section.max_gradient_norm is not None:
            nn.utils.clip_grad_norm_(self.policy.parameters(), self.section.max_gradient_norm)
        self.policy_optimizer.step()
        return loss.detach(), self._clamped(penalty.detach()).mean()

    def _update_alpha(self, penalty: Tensor) -> None:
        if self.section.alpha_learning_rate == 0:
            return
        loss = self.alpha * (self.target_penalty - penalty)
        self.alpha_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.alpha_optimizer.step()
        if self.section.min_alpha is not None:
            with torch.no_grad():
                self.log_alpha.clamp_(min=math.log(self.section.min_alpha))


def fourier_features(section: TrainRLSection, state_dim: int) -> FourierFeatures | None:
    """What the recipe adds to the inputs of the critics."""
    fourier = section.critic_fourier
    if fourier is None:
        return None
    return FourierFeatures(expand_indices(fourier.indices, state_dim), fourier.wavelength, fourier.features)


def initial_policy(section: TrainRLSection, prior: GaussianNetwork, latent_dim: int) -> GaussianNetwork:
    """A copy of the prior (paper §3.3), or a fresh network, which sees the state and no image."""
    if section.initial_policy == "prior":
        policy = copy.deepcopy(prior)
        policy.min_log_sigma = max(section.min_log_sigma, prior.min_log_sigma)
    else:
        policy = GaussianNetwork(
            prior.normalizer,
            latent_dim,
            section.policy_width,
            section.policy_depth,
            min_log_sigma=section.min_log_sigma,
        )
    # BatchNorm stays in evaluation mode throughout RL, as in the authors' code.
    policy.eval().requires_grad_(True)
    policy.perception.requires_grad_(not section.frozen_image_encoder)
    return policy
