"""Evidence of several kinds in one predictor: proxies, supernets and a few trainings."""
