"""The asv suite: one module per question, one class per metric, one cell per parameter triple."""
