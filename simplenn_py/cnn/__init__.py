"""The lecture as code: operators (one a file), then the passes built of them."""
