"""Skill models: q(z | clip) and the decoders p(a | z) and p(a | s, z) (paper §3.2, docs/method.md#decoders).

A *clip* is a window of H actions and the states before them. The encoder maps it to a Gaussian over the latent skill z
`(K,)`; the decoder turns z back into actions:

* open-loop: an autoregressive LSTM that emits all H actions from z alone (the paper);
* closed-loop: an MLP that sees the current state, or image, at each step (the authors' later version).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spirl_cli.recipe.sections.skills import TrainSkillsSection
from spirl_cli.skills.clip_encoders import make_clip_encoder
from spirl_cli.skills.gaussian import Gaussian
from spirl_cli.skills.networks import ActionScale, Normalizer, initialize_linear, merged_layers, mlp
from spirl_cli.skills.vision import ImageShape, Perception


class ClosedLoopDecoder(nn.Module):
    """p(a_t | s_t, z): an MLP on the n visible numbers of a step and the skill."""

    def __init__(self, seen: int, action_dim: int, section: TrainSkillsSection) -> None:
        super().__init__()
        inputs = seen + section.latent_dim
        self.network = mlp(inputs, action_dim, section.decoder_width, section.decoder_depth, section.batch_norm)

    def forward(self, seen: Tensor, latent: Tensor) -> Tensor:
        """Map inputs `(B, H, n)` of `SkillModel.perceive` and skills `(B, K)` to actions `(B, H, A)`."""
        horizon = seen.shape[1]
        inputs = torch.cat([seen, latent.unsqueeze(1).expand(-1, horizon, -1)], dim=-1)
        actions: Tensor = self.network(inputs.flatten(0, 1))
        return actions.unflatten(0, (-1, horizon))


class OpenLoopDecoder(nn.Module):
    """p(a_1..H | z): an autoregressive LSTM on [previous action, z] with learned first input and state."""

    def __init__(self, action_dim: int, section: TrainSkillsSection) -> None:
        super().__init__()
        width = section.decoder_width
        self.horizon = section.horizon
        self.first_action = nn.Parameter(torch.zeros(action_dim))
        self.first_state = nn.Parameter(torch.zeros(2, width))  # hidden and cell
        self.embed = nn.Linear(action_dim + section.latent_dim, width)
        self.cell = nn.LSTMCell(width, width)
        self.head = nn.Linear(width, action_dim)
        self.merged = section.precision is not None  # as in `ClipEncoder`
        for layer in (self.embed, self.head):
            initialize_linear(layer)

    def forward(self, seen: Tensor, latent: Tensor) -> Tensor:
        """Map skills `(B, K)` to actions `(B, H, A)`; `seen` is ignored."""
        batch = latent.shape[0]
        action = self.first_action.expand(batch, -1)
        hidden, cell = (state.expand(batch, -1) for state in self.first_state)
        actions, own = [], self.cell
        if self.merged:
            weight, bias = merged_layers(self.embed, own.weight_ih, own.bias_ih)
        for _ in range(self.horizon):
            inputs = torch.cat([action, latent], dim=-1)
            if self.merged:
                hidden, cell = torch.lstm_cell(inputs, (hidden, cell), weight, own.weight_hh, bias, own.bias_hh)
            else:
                hidden, cell = own(self.embed(inputs), (hidden, cell))
            action = self.head(hidden)
            actions.append(action)
        return torch.stack(actions, dim=1)


class SkillModel(nn.Module):
    """The skill VAE: a clip encoder and one of the decoders.

    Args:
        section: the recipe's `train_skills`; its `model` decides whether encoder and decoder see states.
        state_dim: D, size of a state.
        action_dim: A, size of an action.
        normalizer: standardises states; identity when None.
        action_scale: the units in which actions are learned; as they are when None.
        image_shape: `(rows, columns, channels)` of the image of an observation, None without.

    Raises:
        UsageError: the decoder should see an image, but observations have none.
    """

    def __init__(
        self,
        section: TrainSkillsSection,
        state_dim: int,
        action_dim: int,
        normalizer: Normalizer | None = None,
        image_shape: ImageShape | None = None,
        action_scale: ActionScale | None = None,
    ) -> None:
        super().__init__()
        self.section, self.action_scale = section, action_scale
        self.sees_states = section.model == "closed-loop"
        self.normalizer = normalizer or Normalizer.identity(state_dim)
        inputs = action_dim + (state_dim if self.sees_states else 0)
        self.encoder = make_clip_encoder(section, inputs)
        # inputs of the decoder; an open-loop one has none
        seen = (section.state_indices, section.image, image_shape) if self.sees_states else ()
        self.perception = Perception(state_dim, *seen)
        self.decoder: nn.Module = (
            ClosedLoopDecoder(self.perception.size, action_dim, section)
            if self.sees_states
            else OpenLoopDecoder(action_dim, section)
        )

    def encode(self, states: Tensor, actions: Tensor) -> Gaussian:
        """q(z | clip) of `(B, H, D)` standardised states and `(B, H, A)` actions."""
        actions = self.scaled(actions)
        sequence = torch.cat([actions, states], dim=-1) if self.sees_states else actions
        posterior: Gaussian = self.encoder(sequence)
        return posterior

    def scaled(self, actions: Tensor) -> Tensor:
        """`(..., A)` actions → the same in the units that the decoder answers in."""
        return actions if self.action_scale is None else self.action_scale(actions)

    def perceive(self, observations: Tensor) -> Tensor:
        """Map raw observations `(B, H, D+P)` to inputs `(B, H, n)` of the decoder."""
        seen: Tensor = self.perception(observations, self.normalizer)
        return seen

    def forward(
        self,
        states: Tensor,
        actions: Tensor,
        noise: Tensor,
        observations: Tensor | None = None,
    ) -> tuple[Tensor, Gaussian]:
        """Reconstruct clips: `(B, H, D)` raw states, `(B, H, A)` actions → (`(B, H, A)` scaled actions, posterior).

        `noise` `(B, K)` from N(0, I) makes a sample of the posterior. The decoder may see other `observations`
        `(B, H, D+P)` than the encoder: with images, or with augmented states. In that case z describes the intended
        behaviour, and not the disturbance of the states.
        """
        posterior = self.encode(self.normalizer(states), actions)
        seen = self.perceive(states if observations is None else observations)
        return self.decoder(seen, posterior.shifted(noise)), posterior


def reconstruction_error(actions: Tensor, predicted: Tensor) -> Tensor:
    """Return the first term of L_skill: the mean over `(B, H, A)` of ½(a − â)²."""
    return 0.5 * (actions - predicted).square().mean()


def rate(posterior: Gaussian) -> Tensor:
    """Return the second term of L_skill: the mean over `(B, K)` of KL(q ‖ N(0, I)), nats per latent dimension."""
    return posterior.kl(Gaussian.standard_like(posterior)).mean()
