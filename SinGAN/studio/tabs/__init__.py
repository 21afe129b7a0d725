"""The tabs of the studio's page, each built by a function of what they share."""
