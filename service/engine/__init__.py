"""What runs jobs: `service.engine.engine` over workers on Ray, in a process of its own (`python -m
service.engine`).
"""
