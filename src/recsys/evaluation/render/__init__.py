"""Reports as JSON, Markdown and HTML."""
