"""Critics: an ensemble of networks, and the inputs that are made for them."""

from __future__ import annotations

import math

import pytest
import torch

from spirl_cli.errors import UsageError
from spirl_cli.recipe.sections.rl import FourierSection, ObjectsSection
from spirl_cli.rl.critic_inputs import FourierFeatures, ObjectFeatures
from spirl_cli.rl.critics import CriticEnsemble
from spirl_cli.skills.networks import Normalizer
from tests.support.rl_data import BATCH, LATENT, STATE, make_batch, make_sac


class TestCritics:
    @pytest.mark.parametrize("layer_norm", [False, True])
    def test_members_are_independent_networks(self, layer_norm: bool) -> None:
        critics = CriticEnsemble(Normalizer.identity(STATE), LATENT, 3, 16, 2, layer_norm)
        batch = make_batch()
        values = critics(batch.states, batch.latents)
        assert values.shape == (3, BATCH)
        for member in range(3):
            alone = CriticEnsemble(Normalizer.identity(STATE), LATENT, 1, 16, 2, layer_norm)
            own = {
                name: tensor if name.startswith("normalizer") else tensor[member : member + 1]
                for name, tensor in critics.state_dict().items()
            }
            alone.load_state_dict(own)
            torch.testing.assert_close(alone(batch.states, batch.latents)[0], values[member])

    @pytest.mark.parametrize("more", [False, True])
    def test_several_skills_in_a_state_have_the_values_and_gradients_of_each(self, more: bool) -> None:
        fourier = FourierSection.model_validate({"indices": [0], "wavelength": 2.0, "features": 3})
        objects = ObjectsSection.model_validate({"first": 1, "size": 3, "origin": [0], "lengths": [0.1], "width": 5})
        critics = CriticEnsemble(
            Normalizer.identity(STATE), LATENT, 2, 16, 2, True, fourier if more else None, objects if more else None
        )
        states = make_batch().states
        skills = torch.randn(3, BATCH, LATENT, requires_grad=True)
        together, apart = critics(states, skills), torch.stack([critics(states, each) for each in skills], dim=1)
        assert together.shape == (2, 3, BATCH)
        torch.testing.assert_close(together, apart)
        leaves = [skills, *critics.parameters()]
        gradients = (torch.autograd.grad(values.square().sum(), leaves) for values in (together, apart))
        for ours, theirs in zip(*gradients, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)

    def test_fourier_features_are_sines_and_cosines_of_the_chosen_numbers(self) -> None:
        torch.manual_seed(0)
        section = FourierSection.model_validate({"indices": [0, 2], "wavelength": 4.0, "features": 2000})
        waves = FourierFeatures(section, STATE)
        states = make_batch().states
        expected = [
            function(2 * math.pi * (states[:, 0] * x + states[:, 2] * y) / 4.0)
            for function in (torch.sin, torch.cos)
            for x, y in (waves.waves * 4.0 / (2 * math.pi)).T
        ]
        torch.testing.assert_close(waves(states), torch.stack(expected, 1), atol=1e-4, rtol=0)
        # so many waves make a Gaussian kernel: cos-similarity exp(-½ (2π d / wavelength)²)
        a, b = waves(torch.tensor([[0.3, 9.0, 1.0], [0.3, 5.0, 1.5]])) / math.sqrt(2000)
        assert float(a @ b) == pytest.approx(math.exp(-0.5 * (2 * math.pi * 0.5 / 4.0) ** 2), abs=0.05)

    def test_waves_enter_the_critics_and_their_checkpoint(self) -> None:
        fourier = {"indices": [0], "wavelength": 2.0, "features": 8}
        sac, other = make_sac(critic_fourier=fourier), make_sac(seed=1, critic_fourier=fourier)
        batch = make_batch()
        assert not torch.equal(sac.critics(batch.states, batch.latents), other.critics(batch.states, batch.latents))
        other.critics.load_state_dict(sac.critics.state_dict())
        torch.testing.assert_close(sac.critics(batch.states, batch.latents), other.critics(batch.states, batch.latents))
        assert sac.critics.network[0].weight.shape[1] == STATE + 16 + LATENT

    def test_objects_are_a_set(self) -> None:
        """Two places of the agent and four objects of three numbers: their order does not matter, their places do."""
        torch.manual_seed(0)
        section = ObjectsSection.model_validate(
            {"first": 2, "size": 3, "origin": ["0:2"], "lengths": [0.1, 1.0], "width": 5}
        )
        features = ObjectFeatures(section, 2, Normalizer(torch.full((14,), 0.3), torch.full((14,), 2.0)))
        states = torch.randn(6, 14)
        known = features(states)
        assert known.shape == (2, 6, 10) and not torch.equal(known[0], known[1])
        shuffled = torch.cat([states[:, :2], states[:, 2:].unflatten(1, (4, 3))[:, [2, 0, 3, 1]].flatten(1)], dim=1)
        torch.testing.assert_close(features(shuffled), known)
        moved = states.clone()
        moved[:, 5] += 0.01
        assert not torch.allclose(features(moved), known)

    def test_objects_see_their_distance_on_every_length(self) -> None:
        section = ObjectsSection.model_validate(
            {"first": 1, "size": 2, "origin": [0], "lengths": [0.1, 1.0], "width": 4}
        )
        features = ObjectFeatures(section, 1, Normalizer.identity(3))
        seen: list[torch.Tensor] = []
        features.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        features(torch.tensor([[0.5, 0.6, 7.0]]))
        expected = [0.6, 7.0, math.tanh(1.0), math.tanh(0.1)]
        torch.testing.assert_close(seen[0][0, 0], torch.tensor(expected))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"first": 14}, "does not end with objects"),
            ({"size": 5}, "does not end with"),
            ({"size": 1}, "more numbers"),
        ],
    )
    def test_a_state_without_such_objects_is_refused(self, change: dict[str, int], message: str) -> None:
        values = {"first": 2, "size": 3, "origin": ["0:2"], "lengths": [0.1], **change}
        with pytest.raises(UsageError, match=message):
            ObjectFeatures(ObjectsSection.model_validate(values), 2, Normalizer.identity(14))

    def test_objects_enter_the_critics_and_their_checkpoint(self) -> None:
        objects = {"first": 1, "size": STATE - 1, "origin": [0], "lengths": [0.1], "width": 8}
        sac, other = make_sac(critic_objects=objects), make_sac(seed=1, critic_objects=objects)
        batch = make_batch()
        other.critics.load_state_dict(sac.critics.state_dict())
        torch.testing.assert_close(sac.critics(batch.states, batch.latents), other.critics(batch.states, batch.latents))
        assert sac.critics.network[0].weight.shape[1] == STATE + 16 + LATENT
        before = [weight.clone() for weight in sac.critics.objects.parameters()]
        sac.update(batch)
        assert all(not torch.equal(old, new) for old, new in zip(before, sac.critics.objects.parameters(), strict=True))
