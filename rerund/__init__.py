"""The daemon of rerund."""
