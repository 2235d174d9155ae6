"""Floor 3, pictures: reads releases only; it holds no statistics and no calls."""
