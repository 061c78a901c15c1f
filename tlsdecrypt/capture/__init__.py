"""Files, pipes and live traffic become FrameBatch values."""
