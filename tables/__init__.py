"""Pathfit tables:"""
