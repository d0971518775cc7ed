"""Operation: backup, diagnosis, locks, logs and metrics."""
