"""The web edge: pages, their API, recordings over WebSocket, and gRPC-web for any Rerun web viewer."""
