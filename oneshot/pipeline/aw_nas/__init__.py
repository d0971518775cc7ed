"""Configurations of aw_nas (walkerning/aw_nas, arXiv 2012.10388) as pipelines."""

from oneshot.pipeline.aw_nas.conversion import Conversion, convert

__all__ = ["Conversion", "convert"]
