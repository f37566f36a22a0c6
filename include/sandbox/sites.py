"""List the places that the sandbox imitates, and the databases it keeps for them."""

from __future__ import annotations

# Each is a deterministic RSE and a folder below the state's stores/.
RSES = ("USDF", "FRDF", "UKDF", "CHILE")

# The summit has a store but no RSE: files leave it before Rucio knows them.
STORES = ("SUMMIT", "LFA", "OODS", "SCRATCH", *RSES)

# Endpoints that keep a Butler repository.
BUTLERS = (*RSES, "SCRATCH")

# With a CeleryExecutor this endpoint has a worker of its own, as all may have in production.
WORKER_OF_ITS_OWN = "FRDF"

# Rucio scopes, one for each kind of thing that travels.
SCOPES = ("raw", "products", "files", "lfa", "level1")
