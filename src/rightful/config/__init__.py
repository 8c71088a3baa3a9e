"""The one configuration file: what it can say (`model`), and how it is read (`load`)."""
