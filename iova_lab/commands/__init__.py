"""What can be asked on the command line?  One module a topic; `cli` finds them."""
