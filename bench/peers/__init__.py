"""What Atoll is measured beside: the same two services on other stacks. Each runs in processes of its own."""
