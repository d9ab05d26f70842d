"""What crosses a process boundary: frozen structs, nothing that acts."""
