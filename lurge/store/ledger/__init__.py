"""The ledger area: amounts, the journal of events, and everything that an exact count of them needs."""
