"""The engine, which runs jobs with workers on Ray, in a process of its own."""
