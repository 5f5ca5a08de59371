"""What is promised about speed and memory, measured: `make bench`. Ratios of runs taken in turn, for machines drift."""
