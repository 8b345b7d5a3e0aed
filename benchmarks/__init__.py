"""What spirl costs, measured against the least that the same work can cost.

``python -m benchmarks`` measures on data made up on the fly, so that it needs no dataset:

* ``skills``: `train-skills` against a bare loop over the same networks;
* ``rl``: `train-rl` against the environment alone and the updates alone;
* ``memory``: what a transition takes in the replay memory.
"""
