"""Soft actor-critic with a learned prior in place of the entropy bonus (paper §3.3, Algorithm 1).

With D(s) = KL(π(·|s) ‖ p(·|s)) and the skill's summed reward R:

* target      y   = R + (1 − done)·γ·[min_i Q'_i(s', z') − α·D(s')]
* critics     L_Q = ½·mean (Q_i(s, z) − y)²
* policy      L_π = mean [−min_i Q_i(s, z) + α·D(s)]
* temperature L_α = α·(δ − D)

D has a closed form if the prior is a Gaussian. Else it is the mean of log π(z|s) − log p(z|s) over samples z ~ π(·|s),
with gradients through z. If the policy is a mixture of Gaussians, means over z in L_π and D are sums over one sample of
each component, weighted by the components' weights, with gradients through the weights too.

Plain SAC is the same with log π(z|s) in place of D and minus the target entropy in place of δ.

With images, s holds the state and the image (see `SAC.encode`). Policy and prior see the parts of s that the prior was
trained on; the critics see only the state (the paper's asymmetric actor-critic). The state may have more numbers than
in the demonstrations, for example if there are more blocks: the critics see all of them.
"""

from __future__ import annotations

import copy
import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from spirl_cli.recipe.sections.rl import TrainRLSection
from spirl_cli.rl.critics import CriticEnsemble
from spirl_cli.rl.policy import initial_policy
from spirl_cli.rl.replay import Batch
from spirl_cli.rl.squash import log_det_squash, squash
from spirl_cli.skills.ensemble import EnsembleNetwork
from spirl_cli.skills.gaussian import Gaussian
from spirl_cli.skills.mixture import Mixture
from spirl_cli.skills.networks import Normalizer
from spirl_cli.skills.optimization import Adam
from spirl_cli.skills.precision import Products
from spirl_cli.skills.prior import Density, GaussianNetwork, PriorNetwork

FIRST_ALPHA = 0.02  # until one is found, where the recipe says auto
SMALLEST_ALPHA = 1e-4  # where the critics tell no skill from another
SKILLS_PER_STATE = 16  # by which the spread of values is found
BLOCK = 32  # states at a time for which the prior is noted
DIVERGENCE_SAMPLES = 10  # largest gradient norm of the policy if the recipe has none (as in the authors' code)


class Choices(NamedTuple):
    """Skills that a policy may choose: M skills in each of B states.

    Attributes:
        weights: weights of the skills in an expectation over π(·|s), `(M, B)`.
        latents: the skills z `(M, B, K)`.
        penalty: D(s), the divergence from the prior, `(B,)`; for plain SAC log π(z|s).
    """

    weights: Tensor
    latents: Tensor
    penalty: Tensor

    def expected(self, values: Tensor) -> Tensor:
        """Return the expectation over π(·|s) of these skills' values, `(M, B)` → `(B,)`."""
        return (self.weights * values).sum(0)


class SAC:
    """The learner: policy, critics, temperature, and their updates.

    Args:
        section: the recipe's `train_rl`.
        prior: p(z | s), frozen here.
        latent_dim: K.
        generator: source of all samples.
        device: of the networks.
        bounds: lowest and highest action `(2, K)`, for a policy with actions squashed into them.
        scales: standardises the environment's state `(D+X,)`, if it has X more numbers than the prior's `(D,)`.
    """

    def __init__(
        self,
        section: TrainRLSection,
        prior: PriorNetwork,
        latent_dim: int,
        generator: torch.Generator,
        device: str = "cpu",
        bounds: Tensor | None = None,
        scales: Normalizer | None = None,
    ) -> None:
        self.section, self.latent_dim, self.generator, self.device = section, latent_dim, generator, device
        self.products = Products(section.precision, device)
        self.bounds = None if bounds is None else bounds.to(device)
        self.prior = prior.to(device).eval().requires_grad_(False)
        scales = scales or prior.normalizer
        self.extra = scales.size - prior.normalizer.size  # X
        self.policy = initial_policy(section, prior, latent_dim, scales).to(device)
        image = self.policy.perception.image
        self.learns_to_see = image is not None and any(weight.requires_grad for weight in image.parameters())
        self.critics = CriticEnsemble(
            scales,
            latent_dim,
            section.critics,
            section.critic_width,
            section.critic_depth,
            section.critic_layer_norm,
            section.critic_fourier,
            section.critic_objects,
        ).to(device)
        self.target_critics = copy.deepcopy(self.critics).requires_grad_(False)
        # what rewards are multiplied by; the learning loop finds it where the recipe says auto
        self.reward_scale = 1.0 if section.reward_scale in (None, "auto") else float(section.reward_scale)
        # the learning loop finds the first alpha where the recipe says auto
        alpha = FIRST_ALPHA if section.initial_alpha == "auto" else section.initial_alpha
        self.log_alpha = nn.Parameter(torch.tensor(math.log(alpha), device=device))
        self.policy_optimizer = Adam(self.policy.parameters(), lr=section.policy_learning_rate, fused=True)
        self.critic_optimizer = Adam(self.critics.parameters(), lr=section.critic_learning_rate, fused=True)
        self.alpha_optimizer = Adam([self.log_alpha], lr=section.alpha_learning_rate)
        self._online: list[Tensor] = list(self.critics.parameters())
        self._target: list[Tensor] = list(self.target_critics.parameters())

    @property
    def alpha(self) -> Tensor:
        """Temperature α > 0."""
        return self.log_alpha.exp()

    @property
    def finds_alpha(self) -> bool:
        """Whether the first α is found from values: only a prior gives them a spread."""
        return self.section.initial_alpha == "auto" and self.section.regularizer == "prior"

    @property
    def target_penalty(self) -> float:
        """δ; for plain SAC minus the target entropy, which by default is −(dimension of the action)."""
        if self.section.regularizer == "prior":
            return self.section.target_divergence
        entropy = self.section.target_entropy
        return float(self.latent_dim) if entropy is None else -entropy

    @property
    def largest_value(self) -> float:
        """Largest possible return; infinite if the recipe does not tell the largest reward of a skill."""
        section = self.section
        if section.max_reward is None or section.discount == 1.0 or section.regularizer == "entropy":
            return math.inf
        return section.max_reward * self.reward_scale / (1.0 - section.discount)

    @torch.no_grad()
    def encode(self, observations: np.ndarray) -> np.ndarray:
        """Turn raw observations `(N, D+X+P)` into s, the input of acting, storing and learning.

        s consists of the state and the features of its image (N, D+F), with F = 0 if the prior sees no image; then the
        numbers of the state that only the critics see `(N, X)`; then the pixels, but only if the policy's own
        convolutions are trained. The prior's convolutions are frozen, so that features are computed only once, here.
        """
        encoded = self.prior.perception.encode(torch.from_numpy(observations).to(self.device)).cpu().numpy()
        known = self.prior.normalizer.size
        extra = observations[:, known : known + self.extra]
        return np.concatenate([encoded, extra, observations[:, observations.shape[1] - self.pixels :]], axis=1)

    @property
    def numbers(self) -> int:
        """Number of entries of s before the pixels, D+F+X."""
        return self.prior.perception.encoded_size + self.extra

    @property
    def pixels(self) -> int:
        """Number of pixels at the end of s, P or 0."""
        image = self.policy.perception.image if self.learns_to_see else None
        return 0 if image is None else image.pixels

    @torch.no_grad()
    def act(self, states: np.ndarray) -> np.ndarray:
        """Sample skills z `(N, K)` for states s as `encode` returns them."""
        sample = self.policy_density(torch.from_numpy(states).to(self.device)).sample(self.generator)
        return self._squash(sample).cpu().numpy()

    def update(self, batch: Batch, critics_only: bool = False) -> dict[str, Tensor]:
        """Update critics, policy, temperature and target networks once (Algorithm 1); return diagnostics.

        Args:
            batch: transitions.
            critics_only: leave policy and temperature as they are.
        """
        batch = batch.to(self.device)
        critic_loss, value = self._update_critics(batch)
        if critics_only:
            with torch.no_grad():
                policy_loss, penalty = self.policy_loss(batch)
            penalty = self._clamped(penalty).mean()
        else:
            policy_loss, penalty = self._update_policy(batch)
            self._update_alpha(penalty)
        torch._foreach_lerp_(self._target, self._online, self.section.target_rate)
        return {
            "critic_loss": critic_loss,
            "policy_loss": policy_loss,
            "value": value,
            "penalty": penalty,
            "alpha": self.alpha.detach(),
            **self._out_of_distribution(batch.states),
        }

    @torch.no_grad()
    def find_alpha(self, batch: Batch) -> None:
        """Set α to √(mean Var_z Q(s, z) / 2δ) with z ~ p(·|s).

        The policy π ∝ p·exp(Q/α) minimises L_π, and KL(π ‖ p) = Var_p(Q) / 2α² + O(α⁻³): this α makes it δ.
        """
        states = batch.to(self.device).states
        density = self.prior_density(states)
        latents = torch.stack([density.sample(self.generator) for _ in range(SKILLS_PER_STATE)])
        whole = self.whole_states(states)
        values = torch.stack([self.critics(whole, self._squash(latent)).amin(0) for latent in latents])  # (S, B)
        alpha = (values.var(0).mean() / (2 * self.section.target_divergence)).sqrt()
        self.log_alpha.copy_(alpha.clamp(min=SMALLEST_ALPHA).log())

    def whole_states(self, states: Tensor) -> Tensor:
        """Return s `(B, …)` such that it begins with the environment's whole state `(B, D+X)`."""
        if not self.extra:
            return states
        known, encoded = self.prior.normalizer.size, self.prior.perception.encoded_size
        return torch.cat([states[:, :known], states[:, encoded : encoded + self.extra]], dim=-1)

    def policy_density(self, states: Tensor) -> Gaussian | Mixture:
        """Return π(·|s) over skills before the squash, for s `(B, …)` from `encode`."""
        if self.section.initial_policy == "scratch":
            states = self.whole_states(states)
        return self.policy(states) if self.learns_to_see else self.policy.head(states)

    @torch.no_grad()
    def prior_density(self, states: Tensor) -> Density:
        """Return p(·|s) for s `(B, …)`, with the policy's lower limit of log σ."""
        return self.prior.head(states).broadened(self.section.min_log_sigma)

    @property
    def notes_prior(self) -> bool:
        """Whether p(·|s) is needed, and is a Gaussian whose parameters `prior_numbers` gives."""
        return self.section.regularizer == "prior" and isinstance(self.prior, GaussianNetwork)

    def prior_numbers(self, states: np.ndarray) -> np.ndarray:
        """Return mean and log σ of a Gaussian p(·|s), `(N, 2·K)`, for s `(N, …)`.

        They are computed in blocks of one size, so that they do not depend on how many are asked for at once.
        """
        blocks = -(-len(states) // BLOCK)
        padded = torch.zeros(blocks * BLOCK, states.shape[1])
        padded[: len(states)] = torch.from_numpy(states)
        numbers: list[Tensor] = []
        for block in padded.split(BLOCK):
            density = self.prior_density(block.to(self.device))
            assert isinstance(density, Gaussian), "the caller has asked `notes_prior`"
            numbers.append(torch.cat(density, dim=-1))
        return torch.cat(numbers)[: len(states)].cpu().numpy()

    def divergence(self, policy: Gaussian | Mixture, prior: Density) -> Tensor:
        """Return D(s) = KL(π(·|s) ‖ p(·|s)) `(B,)`, in nats.

        It has a closed form between Gaussians; else, or if the recipe asks for it, it is the mean of log π(z|s) − log
        p(z|s) over samples z ~ π(·|s). The densities are those before the squash, which does not change D.
        """
        samples = self.section.divergence_samples
        if isinstance(policy, Gaussian) and isinstance(prior, Gaussian) and samples is None:
            return policy.kl(prior).sum(-1)
        components = 1 if isinstance(policy, Gaussian) else policy.log_weights.shape[-1]
        count = max((samples or DIVERGENCE_SAMPLES) // components, 1)
        weights, latents = policy.repeated(count).strata(self.generator)  # (M, S, B), (M, S, B, K)
        return (weights * (policy.log_prob(latents) - prior.log_prob(latents))).sum(0).mean(0)

    def choices(self, states: Tensor, noted: Tensor | None = None) -> Choices:
        """Return one skill from every component of π(·|s), with gradients, for s `(B, …)` and its `prior_numbers`."""
        policy = self.policy_density(states)
        return self._choices(states, noted, policy, *policy.strata(self.generator))

    def sampled_choice(self, states: Tensor, noted: Tensor | None = None) -> Choices:
        """Return one skill z ~ π(·|s), without gradients through the choice of a component, as `choices`."""
        policy = self.policy_density(states)
        samples = policy.sample(self.generator).unsqueeze(0)
        return self._choices(states, noted, policy, torch.ones_like(samples[..., 0]), samples)

    @torch.no_grad()
    def target_value(self, batch: Batch) -> Tensor:
        """Return y = R + (1 − done)·γ·[min_i Q'_i(s', z') − α·D(s')] with z' ~ π(·|s'), `(B,)`.

        y is at least the observed return after s, if the batch has it, and at most the largest possible return.
        """
        choice = self.sampled_choice(batch.next_states, batch.next_priors)
        value = choice.expected(self._values(self.target_critics, batch.next_states, choice.latents).amin(0))
        value = value - self.alpha * self._clamped(choice.penalty)
        target = batch.rewards + (1.0 - batch.terminals) * self.section.discount * value
        if batch.returns is not None:  # the optimal return is at least the observed one (He et al. 2017)
            target = torch.maximum(target, batch.returns)
        return target.clamp(max=self.largest_value)

    def critic_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return L_Q = Σ_i ½·mean (Q_i(s, z) − y)², and the values Q_i(s, z) `(E, B)`."""
        target = self.target_value(batch)
        values = self._values(self.critics, batch.states, batch.latents)  # (E, B)
        return 0.5 * (values - target).square().mean(1).sum(), values

    def policy_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return L_π = mean [−min_i Q_i(s, z) + α·D(s)] with z ~ π(·|s), and D(s) `(B,)`; critics get no gradient."""
        choices = self.choices(batch.states, batch.priors)
        # A clamp here would remove the gradient exactly where the policy has strayed, see
        # docs/method.md#divergence-clamped-in-the-policy-loss.
        clamps = self.section.parity.clamp_policy_divergence
        used = self._clamped(choices.penalty) if clamps else choices.penalty
        self.critics.requires_grad_(False)
        value = choices.expected(self._values(self.critics, batch.states, choices.latents).amin(0))
        self.critics.requires_grad_(True)
        return (self.alpha.detach() * used - value).mean(), choices.penalty

    def alpha_loss(self, penalty: Tensor) -> Tensor:
        """Return L_α = α·(δ − D) for the mean D of a batch (): α rises while D is larger than δ."""
        return self.alpha * (self.target_penalty - penalty)

    def _choices(
        self, states: Tensor, noted: Tensor | None, policy: Gaussian | Mixture, weights: Tensor, samples: Tensor
    ) -> Choices:
        """Return squashed samples `(M, B, K)` of the policy, with D(s) or log π(z|s)."""
        latents = self._squash(samples)
        if self.section.regularizer == "prior":
            prior = self.prior_density(states) if noted is None else Gaussian(*noted.chunk(2, dim=-1))
            return Choices(weights, latents, self.divergence(policy, prior))
        log_prob = policy.log_prob(samples) - log_det_squash(samples, self.section.squash, self.bounds)
        return Choices(weights, latents, (weights * log_prob).sum(0))

    def _values(self, critics: CriticEnsemble, states: Tensor, latents: Tensor) -> Tensor:
        """Return Q_i(s, z) `(E, ..., B)`; only critics are large enough to gain from bfloat16."""
        with self.products():
            values: Tensor = critics(self.whole_states(states), latents)
        return values

    def _squash(self, sample: Tensor) -> Tensor:
        return squash(sample, self.section.squash, self.bounds)

    @torch.no_grad()
    def _out_of_distribution(self, states: Tensor) -> dict[str, Tensor]:
        """Return the disagreement of an ensemble prior's members at these states; nothing for other priors."""
        density = self.prior.head(states) if isinstance(self.prior, EnsembleNetwork) else None
        return {"prior_disagreement": density.divergence().mean()} if density is not None else {}

    def _clamped(self, penalty: Tensor) -> Tensor:
        return penalty.clamp(-self.section.max_divergence, self.section.max_divergence)

    def _update_critics(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the loss () and the mean value () before the step."""
        loss, values = self.critic_loss(batch)
        self.critic_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.critic_optimizer.step()
        return loss.detach(), values.detach().mean()

    def _update_policy(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the loss () and the mean divergence () before the step."""
        loss, penalty = self.policy_loss(batch)
        self.policy_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.section.max_gradient_norm is not None:
            nn.utils.clip_grad_norm_(self.policy.parameters(), self.section.max_gradient_norm)
        self.policy_optimizer.step()
        return loss.detach(), self._clamped(penalty.detach()).mean()

    def _update_alpha(self, penalty: Tensor) -> None:
        if self.section.alpha_learning_rate == 0:
            return
        self.alpha_optimizer.zero_grad(set_to_none=True)
        self.alpha_loss(penalty).backward()
        self.alpha_optimizer.step()
        if self.section.min_alpha is not None:
            with torch.no_grad():
                self.log_alpha.clamp_(min=math.log(self.section.min_alpha))
