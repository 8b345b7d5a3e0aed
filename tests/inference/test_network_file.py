"""Headers of exported networks: read without tensors, and never trusted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from spirl_cli.errors import ArtifactError
from spirl_cli.inference.decoders import load_decoder
from spirl_cli.inference.densities import load_density
from spirl_cli.inference.network_file import (
    MAX_HEADER_BYTES,
    DecoderHeader,
    GaussianHeader,
    encode_header,
    read_decoder_header,
    read_header,
    write_network,
)
from tests.support.network_data import (
    HORIZON,
    KINDS,
    LATENT_DIM,
    PIXELS,
    STATE_DIM,
    made_network,
    write_made_network,
)

REFERENCE = Path(__file__).resolve().parents[2] / "artifacts" / "reference"
MUTATIONS = 100  # of each kind of network

Table = dict[str, Any]


def split_file(path: Path) -> tuple[Table, bytes]:
    """The header of a safetensors file, and the bytes of its tensors."""
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


def join_file(path: Path, table: bytes, tensors: bytes) -> None:
    path.write_bytes(len(table).to_bytes(8, "little") + table + tensors)


def stored(path: Path) -> str:
    """The JSON that describes the network."""
    return str(split_file(path)[0]["__metadata__"]["network"])


def rewrite(path: Path, text: str) -> None:
    """Replace the JSON that describes the network."""
    table, tensors = split_file(path)
    table["__metadata__"]["network"] = text
    join_file(path, json.dumps(table).encode(), tensors)


def use(path: Path) -> None:
    """Do with a network what evaluations and agents do."""
    rng, observation = np.random.default_rng(0), np.ones(STATE_DIM + PIXELS, np.float32)
    header = read_header(path)
    if header.pixels == 0:
        observation = observation[: header.state_dim or STATE_DIM]
    if not isinstance(header, DecoderHeader):
        density = load_density(path)
        for skill in (density.mean(observation), density.sample(observation, rng)):
            assert skill.shape == (density.latent_dim,)
        return
    decoder = load_decoder(path)
    decoder.begin(np.ones(decoder.latent_dim, np.float32))
    for _ in range(2):
        assert decoder.act(observation).shape == (header.action_dim,)


class TestMade:
    @pytest.mark.parametrize("kind", KINDS)
    def test_the_header_comes_back_and_the_network_acts(self, tmp_path: Path, kind: str) -> None:
        header = write_made_network(tmp_path / "network", kind)
        assert read_header(tmp_path / "network") == header
        use(tmp_path / "network")

    @pytest.mark.parametrize("kind", KINDS)
    def test_no_tensor_is_read(self, tmp_path: Path, kind: str) -> None:
        header = write_made_network(tmp_path / "network", kind)
        table, _ = split_file(tmp_path / "network")
        join_file(tmp_path / "network", json.dumps(table).encode(), b"")
        assert read_header(tmp_path / "network") == header

    def test_the_stored_form_has_not_changed(self) -> None:
        """Files of earlier versions hold these very bytes."""
        assert encode_header(made_network("closed-loop")[0]) == (
            '{"action_high": [1.0, 0.5, 2.0], "action_low": [-1.0, -0.5, -1.0], "horizon": 4, "image_shape": null, '
            '"kind": "closed-loop", "latent_dim": 2, "state_dim": 5, "state_indices": null}'
        )
        assert encode_header(made_network("primitive")[0]) == (
            '{"action_high": [1.0, 0.5, 2.0], "action_low": [-1.0, -0.5, -1.0], "horizon": 1, "kind": "primitive", '
            '"latent_dim": 3, "state_dim": 5}'
        )
        assert encode_header(made_network("gaussian")[0]) == (
            '{"image_shape": null, "kind": "gaussian", "min_log_sigma": -2.0, "squash": "none", "state_dim": 5, '
            '"state_indices": [0, 2, 4]}'
        )
        assert encode_header(made_network("bounds")[0]) == (
            '{"bounds": [[-1.0, -2.0], [1.0, 2.0]], "image_shape": null, "kind": "gaussian", "min_log_sigma": -2.0, '
            '"squash": "bounds", "state_dim": 3, "state_indices": null}'
        )
        assert encode_header(made_network("flow")[0]) == (
            '{"image_shape": null, "kept": [[1.0, 0.0], [0.0, 1.0]], "kind": "flow", "state_dim": 5, '
            '"state_indices": null}'
        )

    def test_densities_need_not_say_what_they_see(self, tmp_path: Path) -> None:
        _, tensors = made_network("gaussian")
        write_network(tmp_path / "network", tensors, GaussianHeader(min_log_sigma=-2.0))
        rewrite(tmp_path / "network", '{"kind": "gaussian", "min_log_sigma": -2.0, "squash": "none"}')
        assert read_header(tmp_path / "network").state_dim is None
        assert load_density(tmp_path / "network").mean(np.ones(3, np.float32)).shape == (LATENT_DIM,)


@pytest.mark.parametrize("path", sorted(REFERENCE.rglob("*.safetensors")), ids=lambda path: path.parent.name)
def test_reference_artifacts_load(path: Path) -> None:
    if path.name == "model.safetensors":  # a checkpoint, to go on training from
        with pytest.raises(ArtifactError, match="does not describe a network"):
            read_header(path)
        return
    assert encode_header(read_header(path)) == stored(path)
    use(path)


class TestRefused:
    @pytest.mark.parametrize(
        ("kind", "change", "reason"),
        [
            ("closed-loop", {"horizon": None}, "horizon"),
            ("closed-loop", {"horizon": "4"}, "horizon"),
            ("closed-loop", {"horizon": True}, "horizon"),
            ("closed-loop", {"horizon": 0}, "horizon"),
            ("closed-loop", {"latent_dim": 3}, r"decoder/0/weight has the shape \(7, 7\), not \(8, any\)"),
            ("closed-loop", {"kind": "half-open"}, "half-open"),
            ("closed-loop", {"action_low": [1.0, 2.0, 3.0]}, "action_low"),
            ("closed-loop", {"action_low": [-1.0]}, "action_low"),
            ("closed-loop", {"action_low": [-1.0], "action_high": [1.0]}, "3 outputs, not 1"),
            ("closed-loop", {"image_shape": [8, 8, 3]}, "image/features/weight is missing"),
            ("image", {"image_shape": [8, 8]}, "image_shape"),
            ("image", {"image_shape": [32, 8, 3]}, "image/features/weight"),
            ("image", {"state_indices": [1, 5]}, "state_indices do not fit"),
            ("image", {"state_indices": [-1, 3]}, "state_indices"),
            ("open-loop", {"latent_dim": 4}, "embed/weight"),
            ("primitive", {"latent_dim": 2}, "primitive skills of size 2"),
            ("gaussian", {"squash": "bounds"}, "bounds are missing"),
            ("gaussian", {"squash": "soft"}, "squash"),
            ("gaussian", {"state_dim": None}, "state_dim is missing"),
            ("bounds", {"bounds": [[-1.0], [1.0]]}, "bounds of 1 numbers"),
            ("mixture", {"components": 4}, "no mean and log σ of 4"),
            ("ensemble", {"members": 3}, "member2/0/weight is missing"),
            ("flow", {"kept": [[1.0, 0.0], [1.0]]}, "no matrix"),
            ("flow", {"kept": [[1.0, 0.0, 1.0]]}, "scale0/0/weight"),
        ],
    )
    def test_a_changed_field(self, tmp_path: Path, kind: str, change: Table, reason: str) -> None:
        path = tmp_path / "network.safetensors"
        write_made_network(path, kind)
        rewrite(path, json.dumps({**json.loads(stored(path)), **change}))
        with pytest.raises(ArtifactError, match=reason) as refused:
            use(path)
        assert str(path) in refused.value.message and refused.value.exit_code == 3

    @pytest.mark.parametrize(
        "text", ["", "{", "null", "[]", "7", '{"kind": "gaussian"}', "[" * 100_000, '{"kind": NaN}', '{"kind": []}']
    )
    def test_a_header_that_is_no_description(self, tmp_path: Path, text: str) -> None:
        write_made_network(tmp_path / "network", "gaussian")
        rewrite(tmp_path / "network", text)
        with pytest.raises(ArtifactError, match="cannot be read as a network"):
            read_header(tmp_path / "network")

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"damaged",
            (MAX_HEADER_BYTES + 1).to_bytes(8, "little") + b" " * 100,
            b"\xff" * 20,
            (2).to_bytes(8, "little") + b"[]",
            (20).to_bytes(8, "little") + b'{"__metadata__": [] }',
            (2).to_bytes(8, "little") + b"\xff\xff",
        ],
    )
    def test_a_file_that_is_no_network(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "network").write_bytes(content)
        with pytest.raises(ArtifactError, match="cannot be read as a network"):
            read_header(tmp_path / "network")

    def test_a_missing_file_and_a_folder(self, tmp_path: Path) -> None:
        for path in (tmp_path, tmp_path / "missing"):
            with pytest.raises(ArtifactError, match="cannot be read as a network"):
                read_header(path)

    def test_a_density_in_place_of_a_decoder_and_the_reverse(self, tmp_path: Path) -> None:
        write_made_network(tmp_path / "density", "flow")
        write_made_network(tmp_path / "decoder", "open-loop")
        with pytest.raises(ArtifactError, match="kind 'flow', which is no decoder"):
            read_decoder_header(tmp_path / "density")
        with pytest.raises(ArtifactError, match="kind 'open-loop', which is no policy and no prior"):
            load_density(tmp_path / "decoder")

    def test_tensors_of_another_type_or_cut_off(self, tmp_path: Path) -> None:
        path = tmp_path / "network"
        write_made_network(path, "gaussian")
        table, tensors = split_file(path)
        join_file(path, json.dumps(table).encode(), tensors[:-4])
        with pytest.raises(ArtifactError, match="cannot be read as a network"):
            load_density(path)
        table = {name: {**entry, "dtype": "I32"} if "dtype" in entry else entry for name, entry in table.items()}
        join_file(path, json.dumps(table).encode(), tensors)
        with pytest.raises(ArtifactError, match="int32, not float32"):
            load_density(path)

    def test_a_skill_of_another_size(self, tmp_path: Path) -> None:
        write_made_network(tmp_path / "decoder", "closed-loop")
        decoder = load_decoder(tmp_path / "decoder")
        with pytest.raises(ArtifactError, match=rf"shape \({LATENT_DIM},\), not \(3,\)"):
            decoder.begin(np.zeros(3, np.float32))
        assert decoder.horizon == HORIZON

    def test_an_observation_with_too_few_numbers(self, tmp_path: Path) -> None:
        write_made_network(tmp_path / "policy", "gaussian")
        with pytest.raises(ArtifactError, match="5 numbers of an observation that has 4"):
            load_density(tmp_path / "policy").mean(np.zeros(4, np.float32))


# --- mutations: whatever a header says, the network acts or is refused -----------------------------

WEIRD: tuple[Any, ...] = (
    *(None, True, False, "", "closed-loop", "primitive", "mixture", "bounds", [], {}, [[]], [None], [[1.0], [2.0]]),
    *(-1, 0, 1, 2, 3, 4, 5, 6, 7, 2**31, 2**64, 10**400, 0.5, -0.0, 1e300, float("nan"), float("inf"), "1"),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to all values within a JSON value."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


def mutate_value(value: Any, rng: Random) -> None:
    """Change, remove or repeat one value within a JSON value."""
    *outer, last = rng.choice(list(places(value)))
    parent = value
    for key in outer:
        parent = parent[key]
    action = rng.choice(["replace", "replace", "remove", "repeat", "shift"])
    if action == "remove":
        del parent[last]
    elif action == "repeat" and isinstance(parent, list):
        parent.insert(last, parent[last])
    elif action == "shift" and isinstance(parent[last], int | float):
        parent[last] += rng.choice([-1, 1])
    else:
        parent[last] = rng.choice(WEIRD)


def mutate_description(table: Table, rng: Random) -> bytes:
    """Change values of what the header says of the network."""
    described = json.loads(table["__metadata__"]["network"])
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        mutate_value(described, rng)
    table["__metadata__"]["network"] = json.dumps(described)
    return json.dumps(table).encode()


def mutate_table(table: Table, rng: Random) -> bytes:
    """Change a value of the table of tensors."""
    mutate_value(table, rng)
    return json.dumps(table).encode()


def mutate_bytes(table: Table, rng: Random) -> bytes:
    """Change some bytes of the text."""
    text = bytearray(json.dumps(table).encode())
    for _ in range(rng.choice([1, 2, 5])):
        text[rng.randrange(len(text))] = rng.randrange(256)
    return bytes(text)


@pytest.mark.parametrize("mutate", [mutate_description, mutate_table, mutate_bytes])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_mutated_header_acts_or_is_refused(
    tmp_path: Path, kind: str, mutate: Callable[[Table, Random], bytes]
) -> None:
    path, rng = tmp_path / "network", Random(f"{kind} {mutate.__name__}")
    write_made_network(path, kind)
    original = path.read_bytes()
    refused = 0
    for _ in range(MUTATIONS):
        path.write_bytes(original)
        table, tensors = split_file(path)
        join_file(path, mutate(table, rng), tensors)
        try:
            use(path)
        except ArtifactError as error:
            assert error.message
            refused += 1
    assert refused > MUTATIONS / 4
