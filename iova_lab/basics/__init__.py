"""What all rooms stand on: errors, reading of stored files, the checkout's git."""
