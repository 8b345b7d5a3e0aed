"""MLflow: `MLFLOW_TRACKING_URI` says where to, else files of the working folder; the experiment is `spirl`."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException

from spirl_cli.tracking.tracker import PROJECT, Made, TrackedRun

_LONGEST = 6000  # characters of a parameter's value
_BATCH = 100  # parameters that MLflow takes at once


class MLflowTracker:
    """Writes to one run of MLflow."""

    def begin(self, run: TrackedRun, known: str | None) -> str:
        """Open the run, or go on with the one of this id."""
        self._client = MlflowClient()
        if known is not None:
            self._client.update_run(known, status="RUNNING")
            self._id = known
            return known
        experiment = _experiment(self._client, os.environ.get("MLFLOW_EXPERIMENT_NAME") or PROJECT)
        tags = {f"spirl.{key}": value for key, value in {**run.labels, "fingerprint": run.fingerprint}.items()}
        self._id = self._client.create_run(experiment, run_name=run.title, tags=tags).info.run_id
        params = [Param(key, str(value)[:_LONGEST]) for key, value in run.parameters.items()]
        for start in range(0, len(params), _BATCH):
            self._client.log_batch(self._id, params=params[start : start + _BATCH])
        return self._id

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Log the metrics of one step."""
        now = int(1000 * time.time())
        self._client.log_batch(self._id, metrics=[Metric(name, value, now, step) for name, value in values.items()])

    def end(self, made: Made | None) -> None:
        """Note the artifact as a tag, the headline numbers as metrics, and close the run."""
        if made is not None:
            self._client.set_tag(self._id, "spirl.artifact", made.reference)
            self._client.set_tag(self._id, "spirl.artifact_path", made.path)
            self.log(0, {f"artifact/{name}": value for name, value in made.metrics.items()})
        self._client.set_terminated(self._id, "FINISHED" if made is not None else "KILLED")


def _experiment(client: MlflowClient, name: str) -> str:
    """Return the id of an experiment, which is made if there is none; another process may make it meanwhile."""
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)
