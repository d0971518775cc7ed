"""The behaviour that all commands share: groups, errors, progress."""
