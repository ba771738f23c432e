"""One cell, measured: counts, instructions, times, their statistics, and where they are stored."""
