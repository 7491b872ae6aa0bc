"""Faults on purpose: real daemons and producers, killed, frozen and restarted by a seeded plan, and an oracle after it.

`python -m tests.faults --faults 300 --seed 1` does it and prints what was found. Read run.py first, then oracle.py.
"""
