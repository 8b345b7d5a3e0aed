"""Encoders of clips, q(z | clip): what `train_skills.encoder` chooses from (docs/method.md#encoder)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spirl_cli.recipe.sections.skills import TrainSkillsSection
from spirl_cli.skills.gaussian import Gaussian
from spirl_cli.skills.networks import LEAK, OutputLinear, initialize_linear, merged_layers, mlp

WINDOW_DEPTH = 2  # hidden layers of the MLP after its first one
KERNEL, STRIDE, PADDING = 3, 2, 1  # of both convolutions over time


class ClipEncoder(nn.Module):
    """The published encoder: linear → LSTM → linear; the last step's output → linear → (μ, log σ).

    Args:
        inputs: numbers of a step.
        latent_dim: K.
        width: of all layers.
        merged: multiplies the weights of the first layer and of the LSTM's input before it applies them, which needs
            fewer products. The function is the same, but for rounding.
    """

    def __init__(self, inputs: int, latent_dim: int, width: int, merged: bool = False) -> None:
        super().__init__()
        self.merged = merged
        self.embed = nn.Linear(inputs, width)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.output = nn.Linear(width, width)
        self.head = OutputLinear(width, 2 * latent_dim)
        for layer in (self.embed, self.output, self.head):
            initialize_linear(layer)

    def forward(self, sequence: Tensor) -> Gaussian:
        """Map a sequence `(B, H, inputs)` to a Gaussian with mean and log σ `(B, K)`."""
        steps = self._merged(sequence) if self.merged else self.lstm(self.embed(sequence))[0]
        return Gaussian.from_head(self.head(self.output(steps[:, -1])))

    def _merged(self, sequence: Tensor) -> Tensor:
        """Return the LSTM's outputs `(B, H, width)`."""
        lstm, start = self.lstm, sequence.new_zeros(1, len(sequence), self.lstm.hidden_size)
        ((first, hidden_weight, first_bias, hidden_bias),) = lstm.all_weights
        weight, bias = merged_layers(self.embed, first, first_bias)
        weights: list[Tensor] = [weight, hidden_weight, bias, hidden_bias]
        steps, _, _ = torch.lstm(sequence, (start, start), weights, True, 1, 0.0, self.training, False, True)
        return steps


class WindowEncoder(nn.Module):
    """An MLP on all steps of a clip at once, for clips of one length H."""

    def __init__(self, inputs: int, latent_dim: int, width: int, horizon: int) -> None:
        super().__init__()
        self.network = mlp(inputs * horizon, 2 * latent_dim, width, WINDOW_DEPTH)

    def forward(self, sequence: Tensor) -> Gaussian:
        """Map a sequence `(B, H, inputs)` to a Gaussian with mean and log σ `(B, K)`."""
        return Gaussian.from_head(self.network(sequence.flatten(1)))


class ConvolutionEncoder(nn.Module):
    """Two convolutions over time, each of which halves the number of steps, then an MLP on what is left."""

    def __init__(self, inputs: int, latent_dim: int, width: int, horizon: int) -> None:
        super().__init__()
        layers = [nn.Conv1d(size, width, KERNEL, STRIDE, PADDING) for size in (inputs, width)]
        for layer in layers:
            nn.init.xavier_normal_(layer.weight)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
            horizon = (horizon + 2 * PADDING - KERNEL) // STRIDE + 1
        self.convolutions = nn.ModuleList(layers)
        self.network = mlp(horizon * width, 2 * latent_dim, width, 0)

    def forward(self, sequence: Tensor) -> Gaussian:
        """Map a sequence `(B, H, inputs)` to a Gaussian with mean and log σ `(B, K)`."""
        steps = sequence.transpose(1, 2)  # (B, inputs, H)
        for layer in self.convolutions:
            steps = nn.functional.leaky_relu(layer(steps), LEAK)
        return Gaussian.from_head(self.network(steps.flatten(1)))


def make_clip_encoder(section: TrainSkillsSection, inputs: int) -> nn.Module:
    """Make the encoder that a recipe chooses, for clips whose steps have this many numbers."""
    if section.encoder is None:
        return ClipEncoder(inputs, section.latent_dim, section.encoder_width, section.precision is not None)
    kind = {"mlp": WindowEncoder, "conv": ConvolutionEncoder}[section.encoder]
    return kind(inputs, section.latent_dim, section.encoder_width, section.horizon)
