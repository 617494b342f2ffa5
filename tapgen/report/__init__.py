"""Plans, outcomes and observed systems as text and as JSON data."""
