"""What happens to closed segments: retention, compression, the archive."""
