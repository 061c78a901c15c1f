"""An analysis -> a document: text for people, JSON for programs."""
