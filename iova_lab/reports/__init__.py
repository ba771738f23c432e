"""What the pages print, made from stored results alone: one module or folder for each kind of page."""
