"""VERIFY.html: checks a package in a browser, without a network and without anything installed."""
