"""An analysis becomes a document."""
