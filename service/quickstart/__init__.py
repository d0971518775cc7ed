"""`pathfit quickstart`: one pass from profiling to measured networks, by Pathfit's own commands."""
