"""The sample company of `rightful demo`, generated, the same every time."""
