"""Training: losses, optimisers, the loop, and the stages that use them."""
