"""Pathfit oneshot:"""
