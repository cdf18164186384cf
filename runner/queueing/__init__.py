"""The queue: who is next, what starts where, and why all others wait. Pure: a decision is a function of its inputs alone.

Read ``facts`` for what is known, ``policy`` for the rules a team sets, ``order`` for whose turn it is, ``decide`` for the decision.
"""
