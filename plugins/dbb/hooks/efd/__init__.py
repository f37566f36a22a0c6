"""The Engineering and Facilities Database: what asks the source, and what keeps and serves its archive."""
