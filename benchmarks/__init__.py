"""Measuring and publishing: commands of this repository, which the installed package does not have.

What spirl costs, on data that is made on the fly:

* `python -m benchmarks`: training beside a bare loop of the same work, replay memory, start-up (`make bench`);
* `python -m benchmarks.sac`: soft actor-critic beside that of stable-baselines3 (`make bench-sac`);
* `python -m benchmarks.torture.fuzz`: random inputs for all commands (`make torture`);
* `python -m benchmarks.house`: sizes, imports and references of the code itself (`make house`).

What spirl learns:

* `python -m benchmarks.tables`: evaluations as rows of results, and the tables made from all rows (`make tables`);
* `python -m benchmarks.likelihood`: priors judged by held-out demonstrations;
* `python -m benchmarks.transfer`: skills of one dataset tried on another;
* `python -m benchmarks.kitchen_expert`: success and steps of the scripted demonstrator.
"""
