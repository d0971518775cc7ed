"""Admission: requests become jobs with pinned inputs."""
