"""Poses in the browser: a page on this machine, and the requests behind it."""
