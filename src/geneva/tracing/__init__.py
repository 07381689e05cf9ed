"""Traces of jobs for OpenTelemetry. Nothing of that is imported unless somebody asks for traces."""
