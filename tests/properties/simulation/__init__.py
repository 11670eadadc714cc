"""Whole runs in one thread: the real run loop with a made-up executor, queue, clock and user.

Whenever the loop would wait, the simulation decides what happens next: a call ends, is performed but not reported
yet, or goes on hanging; time passes; the user does something. All decisions come from one source of small numbers,
so that Hypothesis can shrink them, and are told in words in `Simulation.told`. The rules of the cleanup guarantee
(the numbers are those of the design) are checked at every event, whenever the loop waits, and at the end.

Tasks run flows of their own: in the run's thread, or in threads that take turns with the simulation, so that only one
ever goes on. On a simulated cluster (`cluster`) tasks go ahead, in bundles, to workers that may die at any point: the
session, its queue, bundles and hands, the shipment and the worker program are the real ones, and only threads, clock
and connections are made up. `containers` simulates who is taken for dead by kernels that cannot see each other's pids.
A forked child is not simulated: see `tests/faults`.

A campaign of N simulated runs, with a table of what became of their resources::

    python -m tests.properties.simulation 10000 --seed 1
"""
