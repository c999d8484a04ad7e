"""Metrics of a result: errors of elevation and terrain, consistency with the input, spectra."""
