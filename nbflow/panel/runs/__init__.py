"""The runs: their list, two side by side, and reruns with their plan shown first."""
