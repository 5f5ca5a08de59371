"""Training and sampling of small language models on the CPU, in numpy."""
