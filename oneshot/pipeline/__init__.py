"""Pipelines: files of stages, each an existing command with that command's own options.

`document` reads the YAML, `building` turns it into a `Pipeline` of resolved command lines or
reports every fault, and `running` executes them in a folder from which an interrupted run resumes.
"""
