"""Base images without a registry: recipes as values, made from Debian's packages. Who builds them is `engine.build`."""
