"""The replay memory, and the returns that it keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from spirl_cli.errors import ArtifactError
from spirl_cli.rl.replay import Replay
from spirl_cli.rl.running_episodes import returns_to_go
from tests.support.rl_data import LATENT, STATE


def test_returns_to_go_are_discounted_sums() -> None:
    rewards = np.array([1.0, 0.0, 2.0, 0.0], np.float32)
    np.testing.assert_allclose(returns_to_go(rewards, 0.5), [1.0 + 0.25 * 2.0, 1.0, 2.0, 0.0])
    assert returns_to_go(rewards[:0], 0.5).shape == (0,)


def add(replay: Replay, values: list[float]) -> None:
    column = np.array(values, np.float32)
    replay.add(
        np.tile(column[:, None], STATE),
        np.tile(column[:, None], LATENT),
        column,
        np.tile(column[:, None] + 0.5, STATE),
        column * 0,
    )


class TestReplay:
    def test_transitions_come_back_whole(self) -> None:
        replay = Replay(100, STATE, LATENT)
        add(replay, [1.0, 2.0, 3.0])
        batch = replay.sample(50, np.random.default_rng(0))
        assert set(batch.rewards.tolist()) == {1.0, 2.0, 3.0}
        torch.testing.assert_close(batch.states, batch.rewards.unsqueeze(1).expand(-1, STATE))
        torch.testing.assert_close(batch.next_states, batch.states + 0.5)
        assert batch.latents.shape == (50, LATENT) and batch.terminals.sum() == 0

    def test_a_share_of_a_batch_was_followed_by_reward(self) -> None:
        replay = Replay(100, STATE, LATENT, rewarded_share=0.25)
        none = np.zeros((9, 1), np.float32)
        for index in range(9):
            state = np.full((1, STATE), index, np.float32)
            replay.add(state, np.zeros((1, LATENT)), none[index], state, none[index], none[index])
        assert replay.sample(40, np.random.default_rng(0)).returns.sum() == 0  # as long as there is none
        state = np.full((1, STATE), 9.0, np.float32)
        replay.add(state, np.zeros((1, LATENT)), none[0], state, none[0], np.array([2.5], np.float32))
        batch = replay.sample(4000, np.random.default_rng(0))
        assert batch.returns is not None
        assert float((batch.returns == 2.5).float().mean()) == pytest.approx(0.25 + 0.75 * 0.1, abs=0.02)
        assert bool(((batch.states[:, 0] == 9.0) == (batch.returns == 2.5)).all())

    def test_the_oldest_are_overwritten(self) -> None:
        replay = Replay(5, STATE, LATENT)
        for value in range(12):
            add(replay, [float(value)])
        assert len(replay) == 5
        assert set(replay.sample(200, np.random.default_rng(0)).rewards.tolist()) == {7.0, 8.0, 9.0, 10.0, 11.0}

    def test_kitchen_transitions_take_less_than_700_bytes(self) -> None:
        assert Replay(10, 30, 10).bytes_per_transition == 288

    @pytest.mark.parametrize("capacity", [1000, 7])
    def test_saved_segments_restore_the_same_ring(self, tmp_path: Path, capacity: int) -> None:
        replay = Replay(capacity, STATE, LATENT)
        names: list[str] = []
        for start in range(0, 12, 4):
            add(replay, [float(start + i) for i in range(4)])
            before = {name: (tmp_path / name).read_bytes() for name in names}
            names = replay.save(tmp_path)
            assert all((tmp_path / name).read_bytes() == content for name, content in before.items())
        assert len(names) == (3 if capacity > 12 else 2)  # the first one is all overwritten
        restored = Replay(capacity, STATE, LATENT)
        restored.restore(tmp_path, names)
        for which in (replay, restored):
            add(which, [99.0])
        drawn = [r.sample(64, np.random.default_rng(3)).states for r in (replay, restored)]
        assert torch.equal(*drawn)

    def test_one_flipped_bit_in_a_segment_is_found(self, tmp_path: Path) -> None:
        replay = Replay(100, STATE, LATENT)
        add(replay, [1.0, 2.0, 3.0])
        names = replay.save(tmp_path)
        content = bytearray((tmp_path / names[0]).read_bytes())
        place = content.index(np.float32(3.5).tobytes())  # in the last row
        content[place] ^= 1
        (tmp_path / names[0]).write_bytes(content)
        with pytest.raises(ArtifactError, match=f"{names[0]} is corrupt"):
            Replay(100, STATE, LATENT).restore(tmp_path, names, replay.digests)

    def test_segments_without_checksums_are_read(self, tmp_path: Path) -> None:
        replay, restored = Replay(100, STATE, LATENT), Replay(100, STATE, LATENT)
        add(replay, [1.0, 2.0, 3.0])
        restored.restore(tmp_path, replay.save(tmp_path))
        add(restored, [4.0])
        restored.save(tmp_path)
        assert len(restored) == 4 and len(restored.segments) == 2 and len(restored.digests) == 1

    def test_overwritten_segments_leave_the_disk_once_no_checkpoint_needs_them(self, tmp_path: Path) -> None:
        replay, lists = Replay(8, STATE, LATENT), []
        for start in range(0, 40, 4):
            add(replay, [float(start + i) for i in range(4)])
            lists.append(replay.save(tmp_path))
            needed = {name for names in lists[-2:] for name in names}
            assert needed <= {path.name for path in tmp_path.iterdir()}
        # two that count, and two of the two checkpoints before
        assert len(list(tmp_path.glob("replay-*"))) == 4 == len(list(tmp_path.glob(".replay-*")))
        again = Replay(8, STATE, LATENT)
        again.restore(tmp_path, lists[-1], replay.digests)
        assert np.array_equal(np.sort(again.rows, axis=0), np.sort(replay.rows, axis=0))


class TestNotes:
    def test_notes_belong_to_both_states_and_come_back(self, tmp_path: Path) -> None:
        def note(states: np.ndarray) -> np.ndarray:
            return np.stack([states.sum(1), states[:, 0]], axis=1)

        def check(replay: Replay) -> None:
            batch = replay.sample(200, np.random.default_rng(0))
            for states, noted in ((batch.states, batch.priors), (batch.next_states, batch.next_priors)):
                assert noted is not None
                np.testing.assert_array_equal(noted.numpy(), note(states.numpy()))

        rng = np.random.default_rng(0)
        replay = Replay(30, STATE, LATENT, note=note)
        for _ in range(9):  # more than it holds
            states = rng.standard_normal((4, STATE), np.float32)
            replay.add(states, np.zeros((4, LATENT), np.float32), np.zeros(4, np.float32), states + 1, np.zeros(4))
            check(replay)
        segments = replay.save(tmp_path)
        restored = Replay(30, STATE, LATENT, note=note)
        restored.restore(tmp_path, segments, replay.digests)
        check(restored)
        assert Replay(30, STATE, LATENT).notes.size == 0
