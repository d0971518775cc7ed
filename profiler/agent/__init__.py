"""The profiler on a device, which takes measuring jobs from a service."""
