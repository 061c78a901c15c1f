"""The benchmark: captures of known content, made here, and the programs that read them, side by side."""
