"""Which packets pass between bridges and the world: the same rules in both families, in one place."""

FORWARD = (
    "iifname != @bridges oifname != @bridges return",
    "ct state established,related accept",
    "iifname . oifname @same accept",
    "iifname @internal drop",
    "oifname @internal drop",
    "ct status dnat accept",
    "oifname @bridges drop",
)
