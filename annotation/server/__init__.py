"""The embedded Argilla server: its environment, home, processes and search engine."""
