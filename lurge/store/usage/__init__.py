"""The usage area: the tables of the nightly report, and the code that writes and reads them."""
