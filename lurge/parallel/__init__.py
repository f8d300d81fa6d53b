"""Records between processes: who does what, what they say to each other, and how it travels."""
