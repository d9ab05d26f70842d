"""What crosses a process boundary: frozen structs, the reading of a tenant's configuration, and their schemas."""
