"""Measuring and publishing: commands of this repository that are not part of the installed package.

Costs of spirl, on made-up data:

* `python -m benchmarks`: training compared with a bare loop of the same work, replay memory, start-up (`make bench`);
* `python -m benchmarks.sac`: soft actor-critic compared with that of stable-baselines3 (`make bench-sac`);
* `python -m benchmarks.house`: sizes, imports and references of the code itself (`make house`).

Results of spirl:

* `python -m benchmarks.tables`: rows of results from evaluations, and tables of all rows (`make tables`);
* `python -m benchmarks.likelihood`: log-likelihood of held-out demonstrations under priors;
* `python -m benchmarks.transfer`: reconstruction of one dataset by the skills of another;
* `python -m benchmarks.kitchen_expert`: success and steps of the scripted demonstrator.
"""
