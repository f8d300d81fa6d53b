"""Made-up events with a model of what becomes of them, and the chain from files to amounts with processes that die.

python -m tests.ledger --kills 100
"""
