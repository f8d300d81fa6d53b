"""The pages and their API. They read through the store, and change nothing."""
