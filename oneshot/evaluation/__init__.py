"""Evaluating many sub-networks of one supernet: what is fixed for all of them, and what they
share.
"""
