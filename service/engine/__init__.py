"""What runs jobs: the interface in `service.engine.base`, worker processes of our own in `service.engine.processes`."""
