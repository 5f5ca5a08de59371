"""What people and machines read: values in, text out."""
