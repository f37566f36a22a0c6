"""The only modules that import a client: stores, Rucio, Butler, FITS, the ledger's database."""
