"""Errors of elevation and of slope."""
