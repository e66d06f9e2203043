"""Findings on heads: what an agent values, predicts, and knows of itself."""
