"""The SDK of rerund."""
