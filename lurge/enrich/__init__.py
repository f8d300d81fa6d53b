"""Names and PIs for the numbers in dumps, quotas and forecasts."""
