"""Who did what with whose data, as a chain of records that shows when it was tampered with."""
