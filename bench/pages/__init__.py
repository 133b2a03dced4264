"""What benchmarks of pages need: a browser that measures."""
