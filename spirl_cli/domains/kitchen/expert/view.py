"""The demonstrator's view: the true state of the kitchen, without the noise of observations."""

from __future__ import annotations

import mujoco
import numpy as np

from spirl_cli.domains.kitchen.simulation import Kitchen

ARM = 7  # joints of the arm; two fingers follow


class KitchenView:
    """A view of the running simulation; every attribute shows its present state.

    Args:
        kitchen: the running simulation.
    """

    def __init__(self, kitchen: Kitchen) -> None:
        self.model, self.data = kitchen.model, kitchen.data
        self._kitchen = kitchen
        self._gripper = self.model.site("end_effector").id
        self._jacobian = np.zeros((6, self.model.nv))

    @property
    def position(self) -> np.ndarray:
        """Position of the gripper in the world, `(3,)`, metres."""
        return np.array(self.data.site_xpos[self._gripper])

    @property
    def rotation(self) -> np.ndarray:
        """Rotation matrix of the gripper, `(3, 3)`, see `rotations`."""
        return np.array(self.data.site_xmat[self._gripper]).reshape(3, 3)

    @property
    def forward(self) -> np.ndarray:
        """Forward axis of the gripper, a unit vector `(3,)`."""
        return self.rotation[:, 2]

    @property
    def arm(self) -> np.ndarray:
        """Angles of the arm's joints, `(7,)`."""
        return np.array(self.data.qpos[:ARM])

    @property
    def fingers(self) -> np.ndarray:
        """Distance of each finger from the middle, `(2,)`, metres, at most 0.04."""
        return np.array(self.data.qpos[ARM : ARM + 2])

    @property
    def width(self) -> float:
        """Distance between the fingers, metres."""
        return float(self.data.qpos[ARM] + self.data.qpos[ARM + 1])

    def jacobian(self) -> np.ndarray:
        """Return d(velocity and rotation of the gripper)/d(arm's joint velocities), `(6, 7)`."""
        mujoco.mj_jacSite(self.model, self.data, self._jacobian[:3], self._jacobian[3:], self._gripper)
        return self._jacobian[:, :ARM]

    def site(self, name: str) -> np.ndarray:
        """Return the position of an object's site, `(3,)`."""
        return np.array(self.data.site(name).xpos)

    def angle(self, task: str) -> float:
        """Return the first joint position of a subtask's object: radians, but metres for the slide cabinet."""
        return float(self.data.qpos[self._joint(task)])

    def kettle(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the kettle's position `(3,)` and rotation `(3, 3)`."""
        body = self.data.body("kettle")
        return np.array(body.xpos), np.array(body.xmat).reshape(3, 3)

    def offset(self, task: str) -> float:
        """Return the distance of a subtask's object from its goal, over all its joints."""
        return self._kitchen.offset(task)

    def solved(self, task: str) -> bool:
        """Say whether a subtask counts as done in the present state."""
        return self._kitchen.at_goal(task)

    def _joint(self, task: str) -> int:
        return int(self._kitchen.goals[task][0][1 if task == "hinge cabinet" else 0])  # the right one of two doors
