"""The LSST Data Backbone: moves, keeps and serves what the survey records."""
