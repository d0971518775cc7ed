"""Ways to run networks on a device, one class a file, behind the protocol of
`profiler.backends.base`.
"""
