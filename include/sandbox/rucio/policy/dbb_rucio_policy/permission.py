"""Give the pipeline's account what its flows need, and nothing that changes the infrastructure."""

from __future__ import annotations

from typing import Any

SERVICE_ACCOUNT = "dbb"

# What register, replicate, expire and repair call, and what applying the policies sets: links and
# attributes. Not here on purpose: RSEs, protocols, accounts, identities, limits, configuration.
# Those stay with root.
ALLOWED = frozenset(
    {
        "add_did",
        "add_distance",
        "add_dids",
        "add_replicas",
        "add_rse_attribute",
        "add_rule",
        "add_subscription",
        "add_value",
        "attach_dids",
        "attach_dids_to_dids",
        "declare_bad_file_replicas",
        "del_rule",
        "delete_distance",
        "detach_dids",
        "get_request_by_did",
        "list_requests",
        "list_requests_history",
        "reduce_rule",
        "set_metadata",
        "set_metadata_bulk",
        "set_status",
        "set_tombstone",
        "update_distance",
        "update_replicas_states",
        "update_rule",
        "update_subscription",
    }
)


def has_permission(
    issuer: Any, action: str, kwargs: dict[str, Any], *, session: Any
) -> bool | None:
    """Decide for the service account; `None` hands every other question to the generic policy."""
    if issuer.external == SERVICE_ACCOUNT and action in ALLOWED:
        # Rules on behalf of another account would spend that account's quota.
        return not (action == "add_rule" and kwargs["account"] != issuer)
    return None
