"""The roles of a job: driver, applier, writer, tracker. Each is written once, for every runner."""
