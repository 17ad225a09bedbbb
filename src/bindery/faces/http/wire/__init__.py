"""The server's sockets: listening, the protocol, and draining before it ends."""
