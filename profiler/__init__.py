"""Pathfit profiler:"""
