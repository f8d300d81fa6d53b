"""The works area: observations of works, and what follows from them."""
