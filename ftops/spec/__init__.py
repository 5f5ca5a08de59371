"""What people write: specs and `ftops.yaml`, from bytes to checked values with their places."""
