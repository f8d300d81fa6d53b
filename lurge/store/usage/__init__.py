"""How much of each volume is used, by whom: the tables of the nightly report, and what stores them."""
