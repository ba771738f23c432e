"""What can be asked on the command line?  One module a topic; `iova_lab.cli` finds the commands."""
