"""Identification of senders, checks of requests, and security headers of answers."""
