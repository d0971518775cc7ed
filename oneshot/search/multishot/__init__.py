"""Multi-shot evaluation: networks in supernets of several widths, read at one cost.

`guide` is the guide `multishot:RUN,RUN,...@flops=2e9`; `curves` are fitted to the values of a
topology over its multiply-accumulates.
"""
