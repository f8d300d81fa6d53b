"""Where records come from: finding dumps, reading them, scanning trees, making worlds up."""
