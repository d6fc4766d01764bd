"""What the learned schemes are compared with, over the same physical layer."""
