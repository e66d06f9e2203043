"""Speed against peers, side by side in one run: ``benchmarks.throughput`` and ``benchmarks.time_to_thompson``."""
