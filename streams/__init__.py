"""What it adds up to: the Faust worker from Kafka to ClickHouse."""
