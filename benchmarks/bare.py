"""The lowest cost of training a closed-loop skill model: the networks and nothing around them.

The loop uses torch's modules and none of spirl's, on prepared batches: no gathering, no augmentation, no schedule, no
logging, no checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from spirl_cli.recipe.sections.skills import TrainSkillsSection

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {"adam": torch.optim.Adam, "radam": torch.optim.RAdam}


class BareLoop:
    """Gradient steps on a closed-loop skill VAE (docs/method.md#networks).

    Args:
        section: sizes of the networks, β, and the optimiser.
        batches: states `(B, H, D)` and actions `(B, H, A)`, used in turn.
    """

    def __init__(self, section: TrainSkillsSection, batches: Sequence[tuple[Tensor, Tensor]]) -> None:
        states, actions = batches[0]
        width, latent_dim = section.encoder_width, section.latent_dim
        self.batches, self.beta, self.done = batches, section.beta, 0
        self.embed = nn.Linear(states.shape[-1] + actions.shape[-1], width)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.head = nn.Sequential(nn.Linear(width, width), nn.Linear(width, 2 * latent_dim))
        self.decoder = _mlp(states.shape[-1] + latent_dim, actions.shape[-1], section)
        self.modules = nn.ModuleList([self.embed, self.lstm, self.head, self.decoder])
        self.optimizer = OPTIMIZERS[section.optimizer](self.modules.parameters(), lr=section.learning_rate)  # type: ignore[call-arg]

    @property
    def parameters(self) -> int:
        """Return the number of trained parameters."""
        return count_parameters(self.modules)

    def run(self, iterations: int) -> None:
        """Take a number of gradient steps."""
        for _ in range(iterations):
            states, actions = self.batches[self.done % len(self.batches)]
            loss = self._loss(states, actions)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.done += 1

    def _loss(self, states: Tensor, actions: Tensor) -> Tensor:
        """Return L_skill, see docs/method.md#skill-loss."""
        batch, horizon, _ = states.shape
        steps, _ = self.lstm(self.embed(torch.cat([actions, states], -1)))
        mean, log_sigma = self.head(steps[:, -1]).chunk(2, -1)
        log_sigma = log_sigma.clamp(-10.0, 2.0)
        latent = mean + log_sigma.exp() * torch.randn_like(mean)
        inputs = torch.cat([states, latent.unsqueeze(1).expand(-1, horizon, -1)], -1)
        predicted = self.decoder(inputs.view(batch * horizon, -1)).view(batch, horizon, -1)
        kl = 0.5 * ((2 * log_sigma).exp() + mean.square() - 1.0) - log_sigma
        return 0.5 * (actions - predicted).square().mean() + self.beta * kl.mean()


def _mlp(inputs: int, outputs: int, section: TrainSkillsSection) -> nn.Sequential:
    width = section.decoder_width
    layers: list[nn.Module] = [nn.Linear(inputs, width), nn.LeakyReLU(0.2)]
    for _ in range(section.decoder_depth):
        layers += [nn.Linear(width, width), *([nn.BatchNorm1d(width)] if section.batch_norm else []), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Linear(width, outputs))


def count_parameters(module: nn.Module) -> int:
    """Return the number of a module's trained parameters."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
