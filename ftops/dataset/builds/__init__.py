"""Datasets made of files by DuckDB and a template; the only place that knows DuckDB."""
