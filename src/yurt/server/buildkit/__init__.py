"""BuildKit's protocols, so that Buildx and Compose build here: gRPC over hijacked connections, both ways round.

Imported when the first client asks for `/grpc` or `/session`, not before: most engines never build.
"""
