"""What is to be done: desired, recorded and observed, compared. Pure."""
