"""The one door to GitHub and to the runner of its workflows."""
