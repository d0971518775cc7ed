"""Pathfit service:"""
