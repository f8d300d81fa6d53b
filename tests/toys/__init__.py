"""A job that lurge does not know, with an area of its own: it loads the sizes of toys, one a line, into a table."""
