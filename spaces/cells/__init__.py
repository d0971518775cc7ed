"""Networks of repeated cells, without torch: how their blocks are wired, and the logic of each
benchmark's cells.
"""
