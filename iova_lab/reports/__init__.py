"""What pages print, made from stored results alone: one module or folder a kind of page."""
