"""Boosted trees and other baselines on flat features."""
