"""The spaces that come with Pathfit, one file each."""
