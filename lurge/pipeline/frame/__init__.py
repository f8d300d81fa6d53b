"""The frame of every job: its ticket, the lock of its area, its steps, its outcome, progress and interrupts.

It knows nothing of dumps, so that a job of any area can use it.
"""
