"""Search strategies, one a file, by ask and tell; see `oneshot.strategies.base`."""
