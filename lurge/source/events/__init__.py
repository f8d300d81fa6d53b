"""Events in lines of CSV files, and in messages of Kafka."""
