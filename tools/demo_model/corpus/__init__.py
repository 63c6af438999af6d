"""Seeded corpus generator of the demo model."""
