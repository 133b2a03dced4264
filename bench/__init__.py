"""The benchmarks: each prints its table and the machine that it ran on; none asserts a time."""
