"""Dockerfiles as values: lexer, parser, variables, stages, .dockerignore. Pure: text in, values out, no I/O."""
