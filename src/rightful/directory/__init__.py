"""Where an organization keeps who its people are."""
