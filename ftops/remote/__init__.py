"""The one door to a provider: the SDK and its objects stay inside."""
