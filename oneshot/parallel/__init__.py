"""Work spread over processes and Ray workers."""
