"""Pictures drawn for the demonstration; posts name them in `photos`."""
