"""The Consolidated Database: what is kept of exposures, its views, its rules."""
