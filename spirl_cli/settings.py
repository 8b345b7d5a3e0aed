"""What all sections of a recipe have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from spirl_cli.indices import checked_index

Index = Annotated[int | str, AfterValidator(checked_index)]  # 3 or "18:39"


class Section(BaseModel):
    """Base of all sections: immutable; a misspelt key, inf and nan are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ObservationPart(Section):
    """One piece of an observation: a (nested) key and the indices taken from that array.

    ``key`` is a path such as ``observation`` or ``robot/qpos``; null stands for an observation
    that is a plain array. ``indices`` are integers or Python-like ranges such as ``"18:39"``;
    null takes everything. The parts are flattened and concatenated in the order given.
    """

    key: str | None = None
    indices: tuple[Index, ...] | None = None


WHOLE_OBSERVATION = (ObservationPart(),)
