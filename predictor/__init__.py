"""Pathfit predictor:"""
