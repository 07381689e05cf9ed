"""The logical resource model: what appliers ask for and what there is."""
